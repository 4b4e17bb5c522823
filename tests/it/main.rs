//! The API through its real router, in files that mirror its URLs.

#![expect(clippy::disallowed_methods, reason = "tests measure real time")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "shared pieces of tests fail as tests do")]

mod admin;
mod audit;
mod contacts;
mod cors;
mod credentials;
mod docs;
mod edge;
mod export;
#[path = "../support/front.rs"]
#[expect(dead_code, reason = "another suite needs more of it")]
mod front;
mod limits;
mod log;
mod openapi;
mod ops;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod postgres;
mod problems;
mod providers;
mod public_url;
#[path = "../support/reply.rs"]
mod reply;
#[path = "../support/test_gateway.rs"]
#[expect(dead_code, reason = "other suites need more of it")]
mod test_gateway;
mod tokens;

impl reply::Reply {
    /// Asserts that the edge let the request in: the gateway answered, whatever it said.
    #[track_caller]
    fn passed(&self) -> &Self {
        const EDGE: [&str; 10] = [
            "invalid_parameter",
            "malformed_request",
            "validation_failed",
            "unsupported_media_type",
            "body_too_large",
            "unauthenticated",
            "insufficient_scope",
            "route_not_found",
            "method_not_allowed",
            "operation_unsupported",
        ];
        assert!(!EDGE.contains(&self.code().as_str()), "refused at the edge: {}", self.text);
        self
    }
}
