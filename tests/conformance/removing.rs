//! Removals, where the CRM has them.

use contacts_gateway::domain::FailureKind;

use crate::support::crm::all;

#[tokio::test]
async fn what_a_crm_cannot_do_is_refused_before_any_look_at_the_id() {
    for crm in all().await {
        if crm.spec.operations.delete {
            continue;
        }
        for id in ["abc", "con_abc", "not plausible", ""] {
            assert_eq!(crm.delete(id).await.unwrap_err().kind, FailureKind::OperationUnsupported);
        }
        crm.assert_silence();
    }
}
