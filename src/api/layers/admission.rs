//! Admits or refuses a request before its body is read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::api::admission::{AdmissionPermit, RequestAdmission};

/// Responses up to this size fit into the system's send buffer, so they do not stay in our memory.
const WRITTEN_AT_ONCE: u64 = 16 * 1024;

/// Holds the request's permits until its response is written. A write that continues without its caller holds them too.
pub(in crate::api) async fn admit(
    State(admission): State<Arc<RequestAdmission>>,
    mut request: Request,
    next: Next,
) -> Response {
    match admission.admit() {
        Ok(permit) => {
            request.extensions_mut().insert(permit.clone());
            let response = next.run(request).await;
            if response.body().size_hint().upper().is_some_and(|size| size <= WRITTEN_AT_ONCE) {
                return response;
            }
            response.map(|body| Body::new(AdmittedBody { body, permit }))
        }
        Err(failure) => failure.into_response(),
    }
}

/// A response's body. Each part holds the request's permits until it is written, because the server takes parts out of the
/// body before it writes them.
struct AdmittedBody {
    body: Body,
    permit: AdmissionPermit,
}

impl HttpBody for AdmittedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, permit } = &mut *self;
        let hold = |data| Bytes::from_owner(PartialBody { data, _permit: permit.clone() });
        Pin::new(body).poll_frame(context).map_ok(|frame| frame.map_data(hold))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

struct PartialBody {
    data: Bytes,
    _permit: AdmissionPermit,
}

impl AsRef<[u8]> for PartialBody {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::config::Limits;

    #[tokio::test]
    async fn a_place_is_kept_until_the_last_part_of_the_response_is_written_or_dropped() {
        let admission = Arc::new(RequestAdmission::new(&Limits { in_flight: Some(1), ..Limits::default() }));
        let router = Router::new()
            .route("/large", get(async || "x".repeat(1 << 20)))
            .route("/small", get(async || "x"))
            .layer(from_fn_with_state(admission, admit));
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        let response = ask("/large").await;
        assert_eq!(response.body().size_hint().exact(), Some(1 << 20), "its length is still told");
        assert_eq!(ask("/small").await.status(), 503);
        let mut body = response.into_body();
        let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
        drop(body);
        assert_eq!((part.len(), ask("/small").await.status().as_u16()), (1 << 20, 503));
        drop(part);
        assert_eq!(ask("/small").await.status(), 200);
        drop(ask("/large").await);
        let small = ask("/small").await;
        assert_eq!(
            (small.status(), ask("/small").await.status()),
            (http::StatusCode::OK, http::StatusCode::OK)
        );
    }
}
