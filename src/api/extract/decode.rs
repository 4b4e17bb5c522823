//! Strict decoding of a query string: invalid encodings are refused, never replaced.

/// The name-value pairs of a query. A value is `None` if it cannot be decoded.
pub(in crate::api) fn pairs(query: &str) -> Vec<(String, Option<String>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).unwrap_or_else(|| name.to_owned()), decode(value))
        })
        .collect()
}

/// Decodes `+` and `%XX`. Returns `None` if a `%` is not followed by two hexadecimal digits, or if the bytes are not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                digit(digits[0])? * 16 + digit(digits[1])?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_decode_is_told_apart_from_what_is_empty() {
        let read = pairs("a=1&b&c=&d=%zz&e=%ff&f=%F0%9F%98%80+x&&g=%4");
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(
            read,
            [
                ("a", Some("1")),
                ("b", Some("")),
                ("c", Some("")),
                ("d", None),
                ("e", None),
                ("f", Some("😀 x")),
                ("g", None)
            ]
        );
    }
}
