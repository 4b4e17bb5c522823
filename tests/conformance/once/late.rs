//! A first send that the CRM applies after it was proven absent, and before the second: adopted, not doubled.

use contacts_gateway::simulators::{Fault, FaultKind, aptly, pipeline};
use serde_json::{Value, json};

use super::{both, code, got, next_write_meets, of_aptly, of_pipeline, someone, stage, status};
use crate::support::person::ada;
use crate::support::world::Crm;

async fn proven_absent(crm: &Crm, body: Value) {
    next_write_meets(crm, status(500));
    assert_eq!(code(&crm.keyed("k").create(body).await), "outcome_unknown");
    assert_eq!(stage(crm).await, Some(("absent".into(), 1)));
}

#[tokio::test]
async fn it_is_adopted() {
    for crm in both().await {
        proven_absent(&crm, ada()).await;
        let id = someone(&crm, "Ada", "Byron");
        let told = crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!((told.remote_id(), crm.sent().len(), crm.at.contacts().len()), (id.as_str(), 1, 1));
    }
}

#[tokio::test]
async fn somebody_else_is_not_adopted() {
    for crm in both().await {
        proven_absent(&crm, ada()).await;
        someone(&crm, "Will", "King");
        for _ in 0..2 {
            assert_eq!(code(&crm.keyed("k").create(ada()).await), "contact_exists");
        }
        assert_eq!(crm.sent().len(), 1);
    }
}

#[tokio::test]
async fn it_is_adopted_where_nobody_can_be_read_by_id() {
    let absent = pipeline::PipelineOptions {
        single_read: pipeline::SingleRead::AbsentHtml,
        ..pipeline::PipelineOptions::empty()
    };
    let crm = of_pipeline(absent).await;
    proven_absent(&crm, ada()).await;
    let id = someone(&crm, "Ada", "Byron");
    let told = crm.keyed("k").create(ada()).await;
    assert_eq!(told.unwrap_or_else(|failure| panic!("{failure:?}")).remote_id(), id);
}

#[tokio::test]
async fn it_is_adopted_after_a_read_of_it_failed_once() {
    for crm in both().await {
        proven_absent(&crm, ada()).await;
        let id = someone(&crm, "Ada", "Byron");
        crm.at.fault(Fault::always(status(500)).on("GET", "/api/contacts/*"));
        crm.at.fault(Fault::always(status(500)).on("GET", "/api/contact/*"));
        let _ = crm.keyed("k").create(ada()).await;
        crm.at.faults().clear();
        let told = crm.keyed("k").create(ada()).await;
        assert_eq!(told.unwrap_or_else(|failure| panic!("{failure:?}")).remote_id(), id);
        assert_eq!(crm.sent().len(), 1);
    }
}

#[tokio::test]
async fn it_is_adopted_where_the_crm_tells_people_apart_by_what_was_not_sent() {
    let crm = of_aptly(aptly::AptlyOptions::empty()).await;
    let body = || json!({ "firstName": "Ada", "lastName": "Byron", "phoneNumbers": [{ "phoneNumber": "+14165550277" }] });
    proven_absent(&crm, body()).await;
    let phone = json!([{ "number": "+14165550277", "type": "mobile" }]);
    let id = crm.at.put(json!({ "firstname": "Ada", "lastname": "Byron", "phone": phone })).unwrap();
    let told = crm.keyed("k").create(body()).await.unwrap();
    assert_eq!((told.remote_id(), crm.sent().len(), crm.at.contacts().len()), (id.as_str(), 1, 1));
}

#[tokio::test]
async fn it_is_adopted_where_the_crm_itself_refuses_the_second() {
    let crm = of_pipeline(pipeline::PipelineOptions::empty()).await;
    proven_absent(&crm, ada()).await;
    next_write_meets(&crm, FaultKind::Latency { ms: 600 });
    let meanwhile = async {
        got(&crm, 2).await;
        someone(&crm, "Ada", "Byron")
    };
    let (told, id) = tokio::join!(crm.keyed("k").create(ada()), meanwhile);
    let told = told.unwrap();
    assert_eq!((told.code(), crm.at.contacts().len()), ("", 1));
    assert_eq!(told.remote_id(), id);
}

#[tokio::test]
async fn an_upsert_says_that_it_created_it() {
    for crm in both().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").upsert(ada(), None).await), "outcome_unknown");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        let id = someone(&crm, "Ada", "Byron");
        let told = crm.keyed("k").upsert(ada(), None).await.unwrap();
        assert_eq!((told.remote_id(), crm.sent().len()), (id.as_str(), 1));
        assert_eq!(told.body["outcome"], "created");
    }
}
