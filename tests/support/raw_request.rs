//! HTTP/1.1 requests read from a bare socket, for CRMs that answer what no HTTP library would.

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request as it arrived.
pub(crate) struct RawRequest {
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    /// Everything before the body.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// The next request; `None` where the connection ends.
pub(crate) async fn read(socket: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<RawRequest>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap_or(0))
    });
    while body.len() < length.unwrap_or(0) {
        if socket.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    let mut words = head.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default().to_owned();
    Ok(Some(RawRequest { method, path, head, body }))
}
