//! Reads the body of a reply, with limits on its size (as sent and as decompressed), on small parts, and on slowness.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::GzDecoder;
use http::Response;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::bytes::{ByteBudget, Room, UNCOUNTED};
use super::transport_error::TransportError;
use crate::domain::TenantId;

/// The largest reply that is read, as sent and as decompressed.
pub(super) const LARGEST_REPLY: usize = 5 * 1024 * 1024;
/// The timeout between two parts of a reply.
const LONGEST_STALL: Duration = Duration::from_secs(5);
/// Up to this number of parts, their size does not matter. A reply with one write per field has fewer.
const FREE_PARTS: usize = 4096;
/// The minimum size of a part beyond that, on average over all parts.
const LEAST_PART: usize = 16;
/// For this long the rate does not matter.
const FREE_TIME: Duration = Duration::from_secs(5);
/// The minimum bytes per second after that, on average since the head.
const LEAST_RATE: f64 = 64.0;
/// The most concatenated gzip streams in a reply; a compressor that starts a new one every 64 KiB needs 80.
const MOST_STREAMS: usize = 256;

/// How many compressed bytes are decompressed at a time before room is reserved; they become at most 256 KiB.
const STEP: usize = 256;

/// The budget and the tenant that a large reply counts against, and how long to wait for room.
pub(super) struct RoomFor<'a> {
    pub(super) budget: &'a ByteBudget,
    pub(super) tenant: &'a TenantId,
    pub(super) until: Instant,
}

/// Reads the body, at most `largest` bytes, until `end`. A large body is read on only after room is reserved for it; that
/// wait extends `end`.
pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(
    response: Response<B>,
    largest: usize,
    mut end: Instant,
    room_for: Option<RoomFor<'_>>,
) -> Result<Bytes, TransportError> {
    let gzip = is_gzip(&response);
    let declared = declared_length(&response);
    if declared.is_some_and(|length| length > largest) {
        return Err(TransportError::TooLarge);
    }
    let declared = declared.filter(|_| !gzip);
    let mut decoded = DecodedBody::new(gzip, largest);
    let mut body = response.into_body();
    let mut progress = Progress::new();
    let mut room = None;
    loop {
        wait_for_room(&mut room, room_for.as_ref(), declared, decoded.len(), &mut end).await?;
        let stalled = crate::clock::monotonic() + LONGEST_STALL;
        let Ok(part) = timeout_at(end.min(stalled), body.frame()).await else {
            return Err(if stalled < end { TransportError::Stalled } else { TransportError::Slow });
        };
        let Some(frame) = part else {
            let whole = decoded.finish()?;
            return Ok(match room {
                Some(room) => room.holding(whole),
                None => whole,
            });
        };
        // Trailers are ignored.
        let Ok(part) = frame.map_err(|_| TransportError::CutOff)?.into_data() else { continue };
        progress.add(part.len(), largest)?;
        let mut rest = &part[..];
        while !rest.is_empty() {
            let step = if gzip && room.is_none() { STEP.min(rest.len()) } else { rest.len() };
            let (now, later) = rest.split_at(step);
            decoded.add(now)?;
            rest = later;
            if !rest.is_empty() {
                wait_for_room(&mut room, room_for.as_ref(), declared, decoded.len(), &mut end).await?;
            }
        }
    }
}

/// Reserves room once the reply is known to be large. If its length is unknown (gzip, chunked), the maximum is reserved,
/// and the rest is released at its end.
async fn wait_for_room(
    room: &mut Option<Room>,
    room_for: Option<&RoomFor<'_>>,
    declared: Option<usize>,
    so_far: usize,
    end: &mut Instant,
) -> Result<(), TransportError> {
    let Some(RoomFor { budget, tenant, until }) = room_for else { return Ok(()) };
    if room.is_some() || declared.unwrap_or(so_far) <= UNCOUNTED {
        return Ok(());
    }
    let began = crate::clock::monotonic();
    let found = budget.room(tenant, declared.unwrap_or(LARGEST_REPLY), *until).await;
    *room = Some(found.ok_or(TransportError::NoRoom)?);
    *end += began.elapsed();
    Ok(())
}

fn declared_length<B>(response: &Response<B>) -> Option<usize> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_gzip<B>(response: &Response<B>) -> bool {
    let encoding = response.headers().get(CONTENT_ENCODING);
    encoding.is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// How much of a body has arrived so far, as sent.
struct Progress {
    began: Instant,
    bytes: usize,
    parts: usize,
}

impl Progress {
    fn new() -> Self {
        Self { began: crate::clock::monotonic(), bytes: 0, parts: 0 }
    }

    fn add(&mut self, bytes: usize, largest: usize) -> Result<(), TransportError> {
        self.bytes += bytes;
        self.parts += 1;
        if self.bytes > largest {
            return Err(TransportError::TooLarge);
        }
        let shredded = self.parts > FREE_PARTS && self.bytes < self.parts * LEAST_PART;
        let took = self.began.elapsed();
        let least = LEAST_RATE * took.as_secs_f64();
        let dripping =
            took > FREE_TIME && u32::try_from(self.bytes).is_ok_and(|bytes| f64::from(bytes) < least);
        if shredded || dripping { Err(TransportError::Dripping) } else { Ok(()) }
    }
}

/// The body as sent, or decompressed while it arrives.
enum DecodedBody {
    Plain(BoundedBody),
    Gzip { stream: Box<GzDecoder<BoundedBody>>, streams: usize, begun: bool },
}

impl DecodedBody {
    fn new(gzip: bool, largest: usize) -> Self {
        let body = BoundedBody { bytes: Vec::new(), largest, full: false };
        if gzip {
            Self::Gzip { stream: Box::new(GzDecoder::new(body)), streams: 0, begun: false }
        } else {
            Self::Plain(body)
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Plain(body) => body.bytes.len(),
            Self::Gzip { stream, .. } => stream.get_ref().bytes.len(),
        }
    }

    fn add(&mut self, mut part: &[u8]) -> Result<(), TransportError> {
        match self {
            Self::Plain(body) => body.write_all(part).map_err(|_| TransportError::TooLarge),
            Self::Gzip { stream, streams, begun } => {
                while !part.is_empty() {
                    *begun = true;
                    let taken = stream.write(part).map_err(|_| stream.get_ref().error())?;
                    part = part.get(taken..).unwrap_or_default();
                    if taken == 0 {
                        // The stream has ended and another one follows.
                        *streams += 1;
                        if *streams >= MOST_STREAMS {
                            return Err(TransportError::Undecodable);
                        }
                        stream.try_finish().map_err(|_| stream.get_ref().error())?;
                        let body = std::mem::take(stream.get_mut());
                        **stream = GzDecoder::new(body);
                    }
                }
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Bytes, TransportError> {
        match self {
            Self::Plain(body) => Ok(body.bytes.into()),
            // A reply without a body, such as a 204, needs no gzip stream.
            Self::Gzip { begun: false, .. } => Ok(Bytes::new()),
            Self::Gzip { mut stream, .. } => {
                stream.try_finish().map_err(|_| stream.get_ref().error())?;
                Ok(std::mem::take(stream.get_mut()).bytes.into())
            }
        }
    }
}

/// A buffer that refuses bytes beyond `largest`.
#[derive(Default)]
struct BoundedBody {
    bytes: Vec<u8>,
    largest: usize,
    full: bool,
}

impl BoundedBody {
    /// Why a decoder that writes here failed.
    const fn error(&self) -> TransportError {
        if self.full { TransportError::TooLarge } else { TransportError::Undecodable }
    }
}

impl Write for BoundedBody {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.largest {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tokio::time::advance;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The result of decoding gzip bytes that arrive in parts of this size.
    fn unpacked(bytes: &[u8], part: usize) -> Result<Bytes, TransportError> {
        let mut decoded = DecodedBody::new(true, 100_000);
        for part in bytes.chunks(part) {
            decoded.add(part)?;
        }
        decoded.finish()
    }

    #[test]
    fn gzip_is_decompressed_however_it_is_cut_into_parts_and_streams() {
        let text: Vec<u8> =
            (0..50_000_u32).flat_map(|number| number.to_string().into_bytes()).take(90_000).collect();
        let (first, second) = text.split_at(70_000);
        let two = [packed(first), packed(second)].concat();
        for part in [1, 2, 3, 10, 1000, usize::MAX] {
            assert!(unpacked(&packed(&text), part).is_ok_and(|bytes| bytes == text), "{part}");
            assert!(unpacked(&two, part).is_ok_and(|bytes| bytes == text), "{part}");
            assert_eq!(unpacked(&packed(b""), part), Ok(Bytes::new()));
        }
        assert_eq!(unpacked(b"", 1), Ok(Bytes::new()));
    }

    #[test]
    fn gzip_that_is_cut_false_or_too_large_is_refused() {
        let whole = packed(&b"Ada Okafor ".repeat(1000));
        for end in 1..whole.len() {
            assert_eq!(unpacked(&whole[..end], 7), Err(TransportError::Undecodable), "{end}");
        }
        let mut false_sum = whole.clone();
        let at = false_sum.len() - 8;
        false_sum[at] ^= 1;
        let trailing = [whole.clone(), vec![0]].concat();
        for bytes in [false_sum, trailing, b"{}".to_vec()] {
            assert_eq!(unpacked(&bytes, 7), Err(TransportError::Undecodable));
        }
        assert_eq!(unpacked(&packed(&vec![b' '; 100_001]), 7), Err(TransportError::TooLarge));
        assert_eq!(unpacked(&packed(&vec![b' '; 60_000]).repeat(2), 7), Err(TransportError::TooLarge));
    }

    #[test]
    fn gzip_streams_are_counted() {
        assert!(unpacked(&packed(b"x").repeat(MOST_STREAMS), 7).is_ok());
        assert_eq!(unpacked(&packed(b"").repeat(MOST_STREAMS + 1), 7), Err(TransportError::Undecodable));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_may_be_slow_or_in_small_parts_and_neither_without_bound() {
        let largest = 1 << 20;
        // A field for each write, and a pause before each hundredth.
        let mut progress = Progress::new();
        for part in 0..20_000 {
            assert_eq!(progress.add(30, largest), Ok(()));
            if part % 100 == 0 {
                advance(Duration::from_millis(100)).await;
            }
        }
        // Heartbeats while the CRM computes, and then all at once.
        let mut progress = Progress::new();
        for _ in 0..4 {
            advance(Duration::from_secs(1)).await;
            assert_eq!(progress.add(1, largest), Ok(()));
        }
        advance(Duration::from_secs(4)).await;
        assert_eq!(progress.add(1000, largest), Ok(()));
        let mut progress = Progress::new();
        assert!((0..FREE_PARTS).all(|_| progress.add(1, largest) == Ok(())));
        assert_eq!(progress.add(1, largest), Err(TransportError::Dripping));
        let mut progress = Progress::new();
        let drips = (0..1000).take_while(|_| progress.add(1, largest) == Ok(()));
        let mut count = 0;
        for _ in drips {
            count += 1;
            advance(Duration::from_millis(100)).await;
        }
        assert_eq!(count, 51, "until 5 s have passed");
        assert_eq!(Progress::new().add(largest + 1, largest), Err(TransportError::TooLarge));
    }
}
