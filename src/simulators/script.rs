//! Responses that no HTTP server sends: raw bytes, pauses, silence, a reset.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::crm::SimulatedResponse;
use super::fault_kinds::FaultKind;
use super::gzip;

/// One action on a socket.
enum Step {
    Send(Bytes),
    /// The same bytes so many times, for bodies that are too large for memory.
    Repeat(Bytes, u64),
    /// Byte by byte, with a pause before each.
    Drip(Bytes, Duration),
    /// A pause, so that earlier bytes arrive before later ones.
    Pause(Duration),
    /// Nothing more, until the client disconnects.
    Silence,
    /// The client gets "connection reset by peer".
    Reset,
}

/// The actions in order; afterwards the socket is closed normally.
pub(crate) struct Script(Vec<Step>);

impl Script {
    pub(super) fn reset() -> Self {
        Self(vec![Step::Reset])
    }

    pub(super) fn silence() -> Self {
        Self(vec![Step::Silence])
    }

    /// The script of a fault below HTTP; `None` for other faults.
    pub(super) fn of(kind: &FaultKind, answer: &SimulatedResponse) -> Option<Self> {
        let body = Bytes::copy_from_slice(&answer.body);
        let half = body.slice(..body.len() / 2);
        let length = body.len() as u64;
        let head = |length: u64| Step::Send(head(answer, &format!("content-length: {length}\r\n")));
        Some(Self(match kind {
            FaultKind::ResetAfterApplying => vec![Step::Reset],
            FaultKind::AppliedNeverAnswers => vec![Step::Silence],
            FaultKind::ResetAfterHead => vec![head(length), Step::Reset],
            FaultKind::ResetMidBody => vec![head(length), Step::Send(half), Step::Reset],
            FaultKind::AnsweredThenReset => {
                vec![head(length), Step::Send(body), Step::Pause(Duration::from_millis(50)), Step::Reset]
            }
            // Announces a close, so that no client sends its next call on this connection.
            FaultKind::AnsweredThenSilent => {
                let framing = format!("content-length: {length}\r\nconnection: close\r\n");
                vec![Step::Send(self::head(answer, &framing)), Step::Send(body), Step::Silence]
            }
            FaultKind::TruncatedBody => vec![head(length), Step::Send(half)],
            FaultKind::WrongContentLength { by } => {
                vec![head(length.saturating_add_signed(*by)), Step::Send(body)]
            }
            FaultKind::CutChunk => {
                let size = format!("{length:x}\r\n");
                vec![chunked(answer), Step::Send(size.into()), Step::Send(half)]
            }
            FaultKind::Drip { ms } => vec![head(length), Step::Drip(body, Duration::from_millis(*ms))],
            FaultKind::Stall => {
                vec![head(length), Step::Send(body.slice(..body.len().min(1))), Step::Silence]
            }
            FaultKind::Oversized { bytes, declared: true } => {
                let mut steps = vec![head(*bytes)];
                steps.extend(spaces(*bytes));
                steps
            }
            FaultKind::Oversized { bytes, declared: false } => vec![
                chunked(answer),
                Step::Repeat(
                    Bytes::from(format!("4000\r\n{}\r\n", " ".repeat(0x4000))),
                    bytes.div_ceil(0x4000),
                ),
                Step::Send(Bytes::from_static(b"0\r\n\r\n")),
            ],
            FaultKind::GzipBomb { bytes } => {
                let start = head_of_bomb(answer);
                let (first, middle, times, last) = gzip::bomb(*bytes);
                vec![start, Step::Send(first), Step::Repeat(middle, times), Step::Send(last)]
            }
            FaultKind::InformationalFlood { count } => {
                let hint = Bytes::from_static(b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n");
                vec![Step::Repeat(hint, u64::from(*count)), head(length), Step::Send(body)]
            }
            _ => return None,
        }))
    }

    /// Runs the script. It ends if the client disconnects.
    pub(super) async fn play(self, mut socket: TcpStream) {
        for step in self.0 {
            if matches!(step, Step::Reset) {
                // Closing without lingering sends RST instead of FIN.
                let _ = socket.set_zero_linger();
                return;
            }
            if step.play(&mut socket).await.is_err() {
                return;
            }
        }
        let _ = socket.shutdown().await;
    }
}

impl Step {
    async fn play(self, socket: &mut TcpStream) -> std::io::Result<()> {
        match self {
            Self::Send(bytes) => socket.write_all(&bytes).await,
            Self::Repeat(bytes, times) => {
                for _ in 0..times {
                    socket.write_all(&bytes).await?;
                }
                Ok(())
            }
            Self::Drip(bytes, pause) => {
                for byte in bytes {
                    tokio::time::sleep(pause).await;
                    socket.write_all(&[byte]).await?;
                }
                Ok(())
            }
            Self::Pause(pause) => {
                tokio::time::sleep(pause).await;
                Ok(())
            }
            Self::Silence => {
                let mut ignored = [0; 1024];
                while socket.read(&mut ignored).await? > 0 {}
                Ok(())
            }
            Self::Reset => Ok(()),
        }
    }
}

fn spaces(bytes: u64) -> [Step; 2] {
    let (whole, rest) = (bytes / 0x4000, bytes % 0x4000);
    let block = Bytes::from(" ".repeat(0x4000));
    let rest = block.slice(..usize::try_from(rest).unwrap_or_default());
    [Step::Repeat(block, whole), Step::Send(rest)]
}

fn chunked(answer: &SimulatedResponse) -> Step {
    Step::Send(head(answer, "transfer-encoding: chunked\r\n"))
}

/// The end of the connection ends the body, so the packed size need not be known.
fn head_of_bomb(answer: &SimulatedResponse) -> Step {
    Step::Send(head(answer, "content-encoding: gzip\r\nconnection: close\r\n"))
}

fn head(answer: &SimulatedResponse, framing: &str) -> Bytes {
    let reason = http::StatusCode::from_u16(answer.status).ok().and_then(|status| status.canonical_reason());
    let mut text = format!("HTTP/1.1 {} {}\r\n{framing}", answer.status, reason.unwrap_or("Unknown"));
    let content_type = answer.content_type.iter().map(|value| ("content-type", value.as_str()));
    let others = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in content_type.chain(others) {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.into()
}
