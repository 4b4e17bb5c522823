//! Creates under a key at the pipeline CRM, which may have no single read and refuses doubles itself.

use contacts_gateway::simulators::FaultKind;
use contacts_gateway::simulators::pipeline::{PipelineOptions, PipelineSimulator, SingleRead};

use super::pipeline;
use crate::once::late::proven_absent;
use crate::once::lost::is_found_by_the_sweep;
use crate::once::{got, next_write_meets, settling, someone};
use crate::support::crm::Crm;
use crate::support::person::ada;

async fn settled(options: PipelineOptions) -> Crm {
    settling(pipeline(), PipelineSimulator::start(options).await.unwrap()).await
}

#[tokio::test]
async fn the_sweep_finds_where_nobody_can_be_read_by_id() {
    let absent = PipelineOptions { single_read: SingleRead::AbsentHtml, ..PipelineOptions::empty() };
    is_found_by_the_sweep(&settled(absent).await).await;
}

#[tokio::test]
async fn it_is_adopted_where_nobody_can_be_read_by_id() {
    let absent = PipelineOptions { single_read: SingleRead::AbsentHtml, ..PipelineOptions::empty() };
    let crm = settled(absent).await;
    proven_absent(&crm, ada()).await;
    let id = someone(&crm, "Ada", "Byron");
    let told = crm.keyed("k").create(ada()).await;
    assert_eq!(told.unwrap_or_else(|failure| panic!("{failure:?}")).remote_id(), id);
}

#[tokio::test]
async fn it_is_adopted_where_the_crm_itself_refuses_the_second() {
    let crm = settled(PipelineOptions::empty()).await;
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
