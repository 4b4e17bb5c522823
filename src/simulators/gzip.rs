//! A gzip stream that packs nothing: its blocks hold the bytes as they are.

/// The most that one stored block holds.
const BLOCK: usize = 0xFFFF;

/// The bytes as a gzip stream.
pub(crate) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    let blocks: Vec<&[u8]> = if bytes.is_empty() { vec![bytes] } else { bytes.chunks(BLOCK).collect() };
    for (index, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(index + 1 == blocks.len()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(*block);
    }
    stream.extend(check_sum(bytes).to_le_bytes());
    stream.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    stream
}

/// CRC-32 as gzip wants it, bit by bit: bodies here are small.
fn check_sum(bytes: &[u8]) -> u32 {
    let one = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xEDB8_8320 * (sum & 1)))
    };
    !bytes.iter().fold(u32::MAX, one)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_sum_is_the_known_one() {
        assert_eq!(super::check_sum(b"123456789"), 0xCBF4_3926);
    }
}
