//! What the translation of this CRM's contacts costs: the work that is counted.

use std::hint::black_box;

use super::translate::{PipelineChange, decode_page, decode_written};
use crate::adapters::costs::{Works, decoding, fields, jane};
use crate::domain::{ContactPatch, Patch, PhoneIdentity, Region};

fn record(n: usize, more: &str) -> String {
    format!(
        "{{\"_id\":\"64f0a1b2c3d4e5f6a{n:07}\",\"firstName\":\"Jane\",\"lastName\":\"Doe\",\
         \"phoneNumber\":[{{\"value\":\"+1416555{n:04}\",\"isPrimary\":true}}],\"secondaryPhoneNumber\":[],\
         \"email\":\"jane.doe{n}@example.com\",\"status\":\"New Lead\",\"pipelineId\":\"64f0a1b2c3d4e5f6a7b8c9d1\",\
         \"organizationId\":\"64f0a1b2c3d4e5f6a7b8c9d3\",\"assignees\":[\"64f0a1b2c3d4e5f6a7b8c9d4\"],\
         \"createdAt\":\"2026-05-01T14:30:00.000Z\",\"updatedAt\":\"2026-05-15T09:12:00.000Z\"{more}}}"
    )
}

pub(in crate::adapters) fn works() -> Works {
    // The library reads its tables once.
    drop(PhoneIdentity::of(Region::default(), "+14155550100"));
    let pages = [1, 200].map(|rows| {
        let page = (0..rows).map(|n| record(n, "")).collect::<Vec<_>>().join(",");
        (
            format!("decode a page of {rows}"),
            format!("{{\"success\":true,\"data\":[{page}],\"total\":{rows}}}"),
        )
    });
    let singles = [0, 10, 100].map(|n| {
        let record = record(1, &fields(n, |n| format!("\"value {n}\"")));
        (format!("decode one with {n} more fields"), record)
    });
    let mut works: Works = decoding(pages, |text| decode_page(text).unwrap()).collect();
    works.extend(decoding(singles, |text| decode_written(text).unwrap()));
    let draft = jane();
    works.push((
        "encode a create".to_owned(),
        Box::new(move || {
            let change = PipelineChange::of_draft(&draft, Region::default()).unwrap();
            drop(black_box(change.encode().unwrap()));
        }),
    ));
    let held = decode_written(&record(1, "").into()).unwrap().unwrap();
    let patch = ContactPatch { first_name: Patch::Set("Janet".into()), ..ContactPatch::default() };
    works.push((
        "encode an update".to_owned(),
        Box::new(move || {
            let change = PipelineChange::of_patch(&held, &patch, Region::default()).unwrap();
            drop(black_box(change.encode().unwrap()));
        }),
    ));
    works
}
