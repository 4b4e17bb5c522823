//! What the translation of this CRM's contacts costs: the work that is counted.

use std::hint::black_box;

use super::translate::{AptlyChange, Definitions, Format, decode_page, decode_single};
use crate::adapters::costs::{Works, decoding, jane};
use crate::domain::{ContactPatch, Patch, PhoneIdentity, Region, RemoteId};

fn record(n: usize, custom: usize) -> String {
    let field = |n| {
        format!(
            "\"DbJT6rMdnuds{n:05}\":{{\"name\":\"Field {n}\",\"dataType\":\"text\",\"value\":\"value {n}\"}}"
        )
    };
    let custom = (0..custom).map(field).collect::<Vec<_>>().join(",");
    format!(
        "{{\"_id\":\"SLAqyjLpZ{n:08}\",\"firstname\":\"Jane\",\"lastname\":\"Smith\",\"fullname\":\"Jane Smith\",\
         \"contactType\":\"Tenant\",\"email\":[\"jane{n}@example.com\"],\
         \"phone\":[{{\"number\":\"+1415555{n:04}\",\"type\":\"mobile\"}}],\"createdAt\":\"2024-01-15T10:00:00Z\",\
         \"updatedAt\":\"2024-06-01T09:30:00Z\",\"customFields\":{{{custom}}}}}"
    )
}

fn id() -> RemoteId {
    RemoteId::from("SLAqyjLpZ00000001")
}

pub(in crate::adapters) fn works() -> Works {
    // The library reads its tables once.
    drop(PhoneIdentity::of(Region::default(), "+14155550100"));
    let pages = [1, 200].map(|rows| {
        let page = (0..rows).map(|n| record(n, 2)).collect::<Vec<_>>().join(",");
        (
            format!("decode a page of {rows}"),
            format!("{{\"data\":[{page}],\"count\":{rows},\"page\":0,\"pageSize\":200}}"),
        )
    });
    let singles = [0, 10, 100].map(|n| (format!("decode one with {n} custom fields"), record(1, n)));
    let mut works: Works = decoding(pages, |text| decode_page(text).unwrap()).collect();
    works.extend(decoding(singles, |text| decode_single(text, &id()).unwrap()));
    let draft = jane();
    works.push((
        "encode a create".to_owned(),
        Box::new(move || {
            let change = AptlyChange::of_draft(&draft, &Definitions::default(), Region::default()).unwrap();
            drop(black_box(change.encode(Format::Auto).unwrap()));
        }),
    ));
    let held = decode_single(&record(1, 2).into(), &id()).unwrap();
    let patch = ContactPatch { first_name: Patch::Set("Janet".into()), ..ContactPatch::default() };
    works.push((
        "encode an update".to_owned(),
        Box::new(move || {
            let definitions = Definitions::of(Some(&held));
            let change = AptlyChange::of_patch(&held, &patch, &definitions, Region::default()).unwrap();
            drop(black_box(change.encode(Format::Auto).unwrap()));
        }),
    ));
    works
}
