//! Gzip streams: a compressed body, and a small stream that unpacks to gigabytes.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};

/// The unpacked size of the repeated block.
const UNPACKED: usize = 1024 * 1024;
/// The header of a gzip stream, and the empty last block with a wrong checksum and length. A client that reads these has
/// already unpacked everything.
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
const END: &[u8] = &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

pub(crate) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut stream = GzEncoder::new(Vec::new(), Compression::none());
    // Writing to a vector does not fail.
    let _ = stream.write_all(bytes);
    stream.finish().unwrap_or_default()
}

/// A stream that unpacks to about `bytes` spaces: its start, a block with the number of its repetitions, and its end.
pub(crate) fn bomb(bytes: u64) -> (Bytes, Bytes, u64, Bytes) {
    let mut block = Vec::with_capacity(64 * 1024);
    // After a full flush, a block refers to nothing before it, so it can be repeated.
    let _ = Compress::new(Compression::best(), false).compress_vec(
        &vec![b' '; UNPACKED],
        &mut block,
        FlushCompress::Full,
    );
    let times = bytes.div_ceil(UNPACKED as u64);
    (Bytes::from_static(HEADER), block.into(), times, Bytes::from_static(END))
}
