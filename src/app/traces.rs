//! Sends traces to the collector over the gateway's own HTTP client.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::config::{CollectorUrl, TraceSettings, span_queue};
use crate::telemetry::RepeatLimit;
use crate::telemetry::traces::{self, Collector, EXPORTED_WITHIN, Post};
use crate::upstream::Transport;

/// The response of a collector says little.
const LARGEST_RESPONSE: usize = 64 * 1024;
/// How often it is logged at most that traces cannot be sent.
const LOGGED_EVERY: Duration = Duration::from_mins(1);

/// Starts the traces. Fails with a sentence if they cannot be started. A collector that fails later is logged.
pub(super) fn start(
    endpoint: &CollectorUrl,
    settings: &TraceSettings,
    transport: &Transport,
) -> anyhow::Result<()> {
    // The exporter has a thread of its own, without a runtime.
    let (runtime, transport) = (Handle::current(), transport.clone());
    let logged = Arc::new(RepeatLimit::new(LOGGED_EVERY));
    let post: Arc<Post> = Arc::new(move |request| {
        let (transport, logged) = (transport.clone(), Arc::clone(&logged));
        let sent = runtime.spawn(async move {
            let sent = transport.post(request, LARGEST_RESPONSE, EXPORTED_WITHIN).await;
            let fault = match &sent {
                Ok(response) if response.status().is_success() => return sent,
                Ok(response) => response.status().to_string(),
                Err(cause) => (*cause).to_owned(),
            };
            if let Some(suppressed) = logged.due(&fault) {
                tracing::warn!(
                    cause = fault,
                    suppressed,
                    "traces could not be sent to GATEWAY_OTLP_ENDPOINT and are lost"
                );
            }
            sent
        });
        Box::pin(async move { sent.await.unwrap_or(Err("the process stops")) })
    });
    let collector = Collector {
        endpoint: endpoint.0.as_str(),
        headers: &settings.headers.0,
        percent: settings.percent,
        queue: span_queue(),
    };
    traces::start(&collector, post).map_err(|reason| anyhow::anyhow!("traces cannot be started: {reason}"))
}
