//! Which keys of the pipeline CRM a write may name.

use crate::adapters::pipeline::SPEC;
use crate::adapters::remote::RemoteRules;

pub(in super::super) const RULES: RemoteRules = RemoteRules {
    spec: &SPEC,
    reserved_by_unified: &[
        ("firstname", "firstName"),
        ("lastname", "lastName"),
        ("phonenumber", "phoneNumbers"),
        ("secondaryphonenumber", "phoneNumbers"),
        ("email", "emailAddresses"),
        ("lastmessagetime", "lastActivityAt"),
    ],
    read_only: &[
        "id",
        "uuid",
        "companyid",
        "organizationid",
        "userid",
        "createdby",
        "createdat",
        "updatedat",
        "assignees",
        "v",
    ],
    yields_to: &[
        ("status", &["pipelineStage", "pipelineId"]),
        ("pipelineStage", &["status", "pipelineId"]),
        ("pipelineId", &["pipelineStage"]),
    ],
};
