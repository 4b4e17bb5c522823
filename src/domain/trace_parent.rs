//! The position of a request in a distributed trace, as the header `traceparent` carries it (W3C Trace Context).

use std::fmt;

/// A trace, a span in it, and whether it is sampled: a valid `traceparent` of version 00.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent([u8; 55]);

impl TraceParent {
    /// Reads a header's value. A later version may have further parts, which are dropped. `None` if it is not valid.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b'-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |part: &[u8], length: usize| {
            part.len() == length && part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
        let is_valid = is_hex(version, 2) && version != b"ff" && is_hex(trace, 32) && !is_zero(trace);
        let is_valid = is_valid && is_hex(span, 16) && !is_zero(span) && is_hex(flags, 2);
        // Only later versions may have further parts.
        let is_valid = is_valid && (version != b"00" || parts.next().is_none());
        let mut text: [u8; 55] = value.get(..55)?.try_into().ok()?;
        text[..2].copy_from_slice(b"00");
        is_valid.then_some(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.as_str()[3..35]
    }

    /// 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.as_str()[36..52]
    }

    /// The trace flags; the lowest bit says that the trace is sampled.
    #[must_use]
    pub fn flags(&self) -> u8 {
        u8::from_str_radix(&self.as_str()[53..], 16).unwrap_or_default()
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceParent({})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_header_is_read() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let valid = format!("00-{id}-00f067aa0ba902b7-01");
        let read = |text: &str| TraceParent::parse(text.as_bytes()).map(|read| read.as_str().to_owned());
        assert_eq!(read(&valid).as_ref(), Some(&valid));
        assert_eq!(read(&format!("cc-{id}-00f067aa0ba902b7-01-more")), Some(valid.clone()));
        let parts = TraceParent::parse(valid.as_bytes()).unwrap();
        assert_eq!((parts.trace_id(), parts.span_id(), parts.flags()), (id, "00f067aa0ba902b7", 1));
        for text in [
            String::new(),
            format!("{valid}-more"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{id}-00f067aa0ba902b7"),
            "00-ada@example.com-00f067aa0ba902b7-01".to_owned(),
        ] {
            assert_eq!(read(&text), None, "{text}");
        }
    }
}
