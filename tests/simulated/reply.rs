//! Calls to a simulator and what came back, for the tests.

use contacts_gateway::simulators::Running;
use serde_json::Value;

pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// Calls with the simulator's first token, in both CRMs' headers.
pub async fn try_call(at: &Running, method: &str, path: &str, body: Option<Value>) -> reqwest::Result<Reply> {
    call_as(at, at.token(), method, path, body).await
}

pub async fn call_as(
    at: &Running,
    token: &str,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> reqwest::Result<Reply> {
    let url = format!("{}{path}", at.base_url());
    let mut request = client()
        .request(method.parse().unwrap(), url)
        .header("x-token", token)
        .header("authorization", format!("Bearer {token}"));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Reply { status, headers, text: response.text().await? })
}

pub async fn call(at: &Running, method: &str, path: &str, body: Option<Value>) -> Reply {
    try_call(at, method, path, body).await.unwrap()
}

pub async fn get(at: &Running, path: &str) -> Reply {
    call(at, "GET", path, None).await
}

pub async fn post(at: &Running, path: &str, body: Value) -> Reply {
    call(at, "POST", path, Some(body)).await
}
