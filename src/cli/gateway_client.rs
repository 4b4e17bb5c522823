//! A client of a running gateway, for the commands that move many contacts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use crate::upstream::is_ca_as_end_entity;
use crate::{clock, config};

/// Longer than the deadline of any write.
const RESPONSE_TIME: Duration = Duration::from_mins(1);
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// The priority of a background job (RFC 9218): interactive calls go first.
const BACKGROUND: &str = "u=5";
/// The first pause before a retry.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of a key file.
const KEY_FILE_MOST: u64 = 4096;

/// Which gateway, which CRM account, which key.
#[derive(Args)]
pub(super) struct GatewayFlags {
    /// The gateway's URL.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The id of the credential.
    #[arg(long, value_name = "ID")]
    credential: String,
    /// Read the API key from this file. Without it, the environment variable `GATEWAY_API_KEY` must hold the key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

pub(super) struct GatewayClient {
    http: reqwest::Client,
    base: Url,
    credential: String,
    key: SecretString,
}

/// A whole response.
pub(super) struct GatewayResponse {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// Whether it is the stored response of an earlier request.
    pub(super) is_replay: bool,
    pub(super) body: String,
}

/// The pauses between retries: each twice as long as the last, until nothing went on for too long.
pub(super) struct Backoff {
    since: Instant,
    pause: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { since: clock::monotonic(), pause: FIRST_PAUSE }
    }

    /// The next pause: the one that the gateway asks for, else the next of these. `None` if it would end after `patience`.
    pub(super) fn next(&mut self, asked: Option<Duration>, patience: Duration) -> Option<Duration> {
        let wait = asked.unwrap_or(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        (self.since.elapsed() + wait <= patience).then_some(wait)
    }
}

/// A response that is read line by line.
pub(super) enum GatewayStream {
    Lines(GatewayLines),
    Refused(GatewayResponse),
}

pub(super) struct GatewayLines {
    response: reqwest::Response,
    /// What was read behind the last line.
    read: Vec<u8>,
    /// How much of it has no line break.
    searched: usize,
}

impl GatewayLines {
    /// The next line, without its line break; `None` at the end. A line that is cut off by the end is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            if let Some(length) = self.read[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(self.searched + length + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                self.searched = 0;
                return String::from_utf8(line).map(Some).map_err(|_| "the response is not UTF-8".to_owned());
            }
            self.searched = self.read.len();
            let chunk = tokio::time::timeout(RESPONSE_TIME, self.response.chunk());
            let chunk = chunk.await.map_err(|_| "the response stopped".to_owned())?;
            match chunk.map_err(cause)? {
                Some(chunk) => self.read.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

/// The parts of a problem that a command needs.
#[derive(Deserialize)]
pub(super) struct GatewayProblem {
    pub(super) code: String,
    pub(super) detail: String,
    pub(super) retryable: String,
    #[serde(default)]
    errors: Vec<GatewayFault>,
}

#[derive(Deserialize)]
struct GatewayFault {
    pointer: Option<String>,
    parameter: Option<String>,
    detail: String,
}

impl GatewayClient {
    /// Fails with a sentence if the URL or the key cannot be used.
    pub(super) fn new(flags: &GatewayFlags) -> anyhow::Result<Self> {
        let base = Url::parse(&flags.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let base =
            base.ok_or_else(|| anyhow!("--url must be an http or https URL, such as http://127.0.0.1:8080"))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the other clients call CRMs; this one calls the gateway"
        )]
        let http = reqwest::Client::builder()
            // A redirect would send the key to another host. The commands retry by themselves, and know when.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIME)
            .build()
            .map_err(|error| anyhow!("the HTTP client cannot start: {error}"))?;
        let key = key(flags.key_file.as_deref())?;
        Ok(Self { http, base, credential: flags.credential.clone(), key })
    }

    /// The URL and the credential, which tell whether two runs have the same target.
    pub(super) fn target(&self) -> String {
        format!("{} {}", self.base, self.credential)
    }

    /// Fails with a sentence if no gateway answers, or if it refuses the key or the credential. Any other response may change.
    pub(super) async fn check(&self) -> anyhow::Result<()> {
        let response = self
            .get("/crm/contacts/fields", &[])
            .await
            .map_err(|reason| anyhow!("{reason}; is {} the URL of a running gateway?", self.base))?;
        match response.status {
            401 | 404 => Err(anyhow!("{}", response.problem().sentence())),
            _ => Ok(()),
        }
    }

    /// Sends `body` to `path`. Fails with what went wrong on the way.
    pub(super) async fn post(
        &self,
        path: &str,
        query: &[(&str, &str)],
        idempotency_key: Option<&str>,
        body: &str,
    ) -> Result<GatewayResponse, String> {
        let request = self.request(Method::POST, path, query).header("content-type", "application/json");
        let request = match idempotency_key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let response = request.body(body.to_owned()).timeout(RESPONSE_TIME).send().await;
        GatewayResponse::read(response.map_err(cause)?).await
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<GatewayResponse, String> {
        let response = self.request(Method::GET, path, query).timeout(RESPONSE_TIME).send().await;
        GatewayResponse::read(response.map_err(cause)?).await
    }

    /// Opens a response of lines, which may take as long as it needs.
    pub(super) async fn stream(&self, path: &str, query: &[(&str, &str)]) -> Result<GatewayStream, String> {
        let response = self.request(Method::GET, path, query).send().await.map_err(cause)?;
        if response.status().is_success() {
            return Ok(GatewayStream::Lines(GatewayLines { response, read: Vec::new(), searched: 0 }));
        }
        GatewayResponse::read(response).await.map(GatewayStream::Refused)
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.query_pairs_mut().append_pair("credentialId", &self.credential).extend_pairs(query);
        self.http.request(method, url).bearer_auth(self.key.expose_secret()).header("priority", BACKGROUND)
    }
}

impl GatewayResponse {
    async fn read(response: reqwest::Response) -> Result<Self, String> {
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let is_replay = header("idempotency-replayed").is_some();
        let body = response.text().await.map_err(cause)?;
        Ok(Self { status, retry_after, is_replay, body })
    }

    pub(super) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The problem; of a response that is none, such as that of a proxy, one that tells its status.
    pub(super) fn problem(&self) -> GatewayProblem {
        serde_json::from_str(&self.body).unwrap_or_else(|_| GatewayProblem {
            code: format!("status_{}", self.status),
            detail: format!("The response has the status {} and is not of the gateway.", self.status),
            retryable: if self.status >= 500 { "yes" } else { "no" }.to_owned(),
            errors: Vec::new(),
        })
    }
}

impl GatewayProblem {
    /// Code and text in one line, with each fault.
    pub(super) fn sentence(&self) -> String {
        let faults = self.errors.iter().map(|fault| {
            let location = fault.pointer.as_deref().or(fault.parameter.as_deref()).unwrap_or_default();
            format!("{location}: {}", fault.detail)
        });
        let faults: Vec<String> = faults.collect();
        match faults.as_slice() {
            [] => format!("{}: {}", self.code, self.detail),
            faults => format!("{}: {}", self.code, faults.join(" ")),
        }
    }
}

/// The status of `GET url` on this machine. The certificate is not verified: it is for the public name, and nothing secret is sent.
pub(super) async fn status(url: &str, within: Duration) -> Result<u16, String> {
    #[expect(clippy::disallowed_methods, reason = "the other clients call CRMs; this one calls the gateway")]
    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(within)
        .build()
        .map_err(|error| format!("the HTTP client cannot start: {error}"))?;
    Ok(client.get(url).send().await.map_err(cause)?.status().as_u16())
}

/// What went wrong, in words.
#[expect(clippy::needless_pass_by_value, reason = "it is the function of `map_err`")]
fn cause(error: reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = &error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    if is_ca_as_end_entity(root) {
        "the gateway cannot be reached: its certificate is a CA certificate (CA:TRUE). Use a certificate that the CA \
         signed, or a self-signed one with `basicConstraints=CA:FALSE`"
            .to_owned()
    } else if error.is_connect() {
        format!("the gateway cannot be reached: {root}")
    } else if error.is_timeout() {
        "the gateway did not respond in time".to_owned()
    } else {
        format!("the response did not arrive: {root}")
    }
}

/// The API key from the file or the environment.
fn key(file: Option<&Path>) -> anyhow::Result<SecretString> {
    let key = match file {
        Some(path) => super::secret::text_of(path, KEY_FILE_MOST, "the API key")?.trim().into(),
        None => config::api_key().ok_or_else(|| {
            anyhow!("give the API key with --key-file or in the environment variable GATEWAY_API_KEY")
        })?,
    };
    let text: &str = SecretString::expose_secret(&key);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("the API key is empty or has characters that no key has");
    }
    Ok(key)
}
