//! A first send that the CRM applies after it was proven absent, and before the second: adopted, not doubled.

use contacts_gateway::simulators::Fault;
use serde_json::Value;

use super::{all, code, next_write_meets, someone, stage, status};
use crate::support::crm::Crm;
use crate::support::person::ada;

pub(in super::super) async fn proven_absent(crm: &Crm, body: Value) {
    next_write_meets(crm, status(500));
    assert_eq!(code(&crm.keyed("k").create(body).await), "outcome_unknown");
    assert_eq!(stage(crm).await, Some(("absent".into(), 1)));
}

#[tokio::test]
async fn it_is_adopted() {
    for crm in all().await {
        proven_absent(&crm, ada()).await;
        let id = someone(&crm, "Ada", "Byron");
        let told = crm.keyed("k").create(ada()).await.unwrap();
        assert_eq!((told.remote_id(), crm.sent().len(), crm.at.contacts().len()), (id.as_str(), 1, 1));
    }
}

#[tokio::test]
async fn somebody_else_is_not_adopted() {
    for crm in all().await {
        proven_absent(&crm, ada()).await;
        someone(&crm, "Will", "King");
        for _ in 0..2 {
            assert_eq!(code(&crm.keyed("k").create(ada()).await), "contact_exists");
        }
        assert_eq!(crm.sent().len(), 1);
    }
}

#[tokio::test]
async fn it_is_adopted_after_a_read_of_it_failed_once() {
    for crm in all().await {
        proven_absent(&crm, ada()).await;
        let id = someone(&crm, "Ada", "Byron");
        crm.at.fault(Fault::always(status(500)).on("GET", &crm.world.contact_path("*")));
        crm.at.fault(Fault::always(status(500)).on("GET", "/api/contact/*"));
        let _ = crm.keyed("k").create(ada()).await;
        crm.at.faults().clear();
        let told = crm.keyed("k").create(ada()).await;
        assert_eq!(told.unwrap_or_else(|failure| panic!("{failure:?}")).remote_id(), id);
        assert_eq!(crm.sent().len(), 1);
    }
}

#[tokio::test]
async fn an_upsert_says_that_it_created_it() {
    for crm in all().await {
        next_write_meets(&crm, status(500));
        assert_eq!(code(&crm.keyed("k").upsert(ada(), None).await), "outcome_unknown");
        assert_eq!(stage(&crm).await, Some(("absent".into(), 1)));
        let id = someone(&crm, "Ada", "Byron");
        let told = crm.keyed("k").upsert(ada(), None).await.unwrap();
        assert_eq!((told.remote_id(), crm.sent().len()), (id.as_str(), 1));
        assert_eq!(told.body["outcome"], "created");
    }
}
