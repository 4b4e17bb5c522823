//! Writes JSON: objects whose values are JSON text already, and values up to a limit.

use std::io::{self, Write};

use serde::Serialize;

/// `value` as JSON; `None` if that has more than `most` bytes. Writing stops there. Fails if the value cannot be serialised.
pub fn within(value: &impl Serialize, most: usize) -> serde_json::Result<Option<Vec<u8>>> {
    let mut writer = BoundedWriter { bytes: Vec::new(), most, full: false };
    match serde_json::to_writer(&mut writer, value) {
        Ok(()) => Ok(Some(writer.bytes)),
        Err(_) if writer.full => Ok(None),
        Err(error) => Err(error),
    }
}

struct BoundedWriter {
    bytes: Vec<u8>,
    most: usize,
    full: bool,
}

impl Write for BoundedWriter {
    /// The serialiser writes many small pieces.
    #[inline]
    fn write_all(&mut self, piece: &[u8]) -> io::Result<()> {
        self.write(piece).map(|_| ())
    }

    #[inline]
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let len = self.bytes.len() + piece.len();
        if len > self.most {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        if len > self.bytes.capacity() {
            // Doubled, but never beyond the limit.
            let capacity = (self.bytes.capacity() * 2).clamp(len, self.most.max(len));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An object of fields whose values are valid JSON text, in the given order.
#[must_use]
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members: Vec<String> =
        members.into_iter().map(|(name, value)| format!("{}:{value}", serde_json::json!(name))).collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_stops_at_the_bound_and_takes_no_memory_beyond_it() {
        let text = "x".repeat(1000);
        assert_eq!(within(&text, 1002).unwrap().unwrap().len(), 1002);
        assert_eq!(within(&text, 1001).unwrap(), None);
        let list: Vec<u32> = (0..2000).collect();
        assert_eq!(within(&list, 1000).unwrap(), None);
        let mut writer = BoundedWriter { bytes: Vec::new(), most: 1000, full: false };
        assert!(serde_json::to_writer(&mut writer, &list).is_err());
        assert!(writer.bytes.capacity() <= 1000 && writer.bytes.len() > 990, "{}", writer.bytes.len());
    }
}
