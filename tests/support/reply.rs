//! A response, whole, from the router in this process or over the wire.

use http::HeaderMap;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The problem's code; empty where it is none.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// One header; empty where it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The places of the problem's faults: pointers into the body, and names of parameters.
    pub(crate) fn places(&self) -> Vec<String> {
        let faults = self.json()["errors"].as_array().cloned().unwrap_or_default();
        let place =
            |fault: &Value| fault["pointer"].as_str().or(fault["parameter"].as_str()).map(str::to_owned);
        faults.iter().filter_map(place).collect()
    }

    pub(crate) const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Whether it says that it is a replay.
    pub(crate) fn is_replay(&self) -> bool {
        self.header("idempotency-replayed") == "true"
    }

    /// Asserts that it is the problem `code` with `status`.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.code().as_str()), (status, code), "{}", self.text);
        self
    }
}
