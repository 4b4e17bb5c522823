//! A proxy on loopback that closes its connections without announcing it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// When a connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Closing {
    /// So many milliseconds after its first response.
    After(u64),
    /// When its second request comes, which is lost.
    AtNextRequest,
    /// When the client closes it.
    Never,
}

/// The proxy; it stops with the test's runtime.
pub(crate) struct Proxy {
    url: String,
    accepted: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn before(crm: SocketAddr, closing: Closing) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, accepted) = (format!("http://{}", listener.local_addr().unwrap()), Arc::default());
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                AtomicUsize::fetch_add(&count, 1, Ordering::SeqCst);
                client.set_nodelay(true).unwrap();
                tokio::spawn(pass_on(client, crm, closing));
            }
        });
        Self { url, accepted }
    }

    pub(crate) fn base_url(&self) -> String {
        self.url.clone()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn pass_on(mut client: TcpStream, crm: SocketAddr, closing: Closing) {
    while let Some(request) = message(&mut client).await {
        let mut behind = TcpStream::connect(crm).await.unwrap();
        behind.write_all(&request).await.unwrap();
        let Some(response) = message(&mut behind).await else { return };
        if client.write_all(&response).await.is_err() {
            return;
        }
        match closing {
            Closing::After(ms) => return tokio::time::sleep(Duration::from_millis(ms)).await,
            Closing::AtNextRequest => {
                // Closed with the rest of it unread, the connection is reset.
                let _ = client.read(&mut [0]).await;
                return;
            }
            Closing::Never => {}
        }
    }
}

/// The next message with its body, whose length its head names; nothing at the end.
async fn message(from: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(head) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&all[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
            if all.len() >= head + 4 + length {
                return Some(all);
            }
        }
        match from.read(&mut part).await {
            Ok(count) if count > 0 => all.extend_from_slice(&part[..count]),
            _ => return None,
        }
    }
}
