//! What is recorded of a caller who leaves before its write has ended.

use std::time::Duration;

use futures_util::{FutureExt, poll};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::domain::{CallContext, Failure, RequestRecord};
use crate::gateway::writes::run_to_completion;

#[tokio::test]
async fn a_write_continues_only_if_it_runs_when_its_caller_leaves() {
    for (event, continues) in [("none", true), ("ends", false), ("is cut off", false), ("is received", false)]
    {
        let within = CallContext::within(Duration::from_secs(1), "id-1".into());
        let context = CallContext { record: RequestRecord::begin(None), ..within };
        let (end, ended) = oneshot::channel();
        let write = async move {
            assert!(ended.await.is_ok(), "it ends as if the process stopped");
            Err(Failure::internal("any"))
        };
        let mut caller = Box::pin(run_to_completion(&context, write.boxed()));
        assert!(poll!(&mut caller).is_pending());
        let end = match event {
            "none" => Some(end),
            "is cut off" => {
                drop(end);
                None
            }
            _ => {
                end.send(()).unwrap();
                None
            }
        };
        for _ in 0..3 {
            yield_now().await;
        }
        if event == "is received" {
            assert!(poll!(&mut caller).is_ready());
        }
        drop(caller);
        assert_eq!(context.record.facts().write_continues, continues, "{event}");
        drop(end);
    }
}
