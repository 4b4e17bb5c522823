//! Strict JSON: the check that runs before any body or reply is decoded, and the reading of raw fields.
//!
//! This is written by hand because `serde_json::Value` accepts duplicate fields, changes numbers, and copies everything.
//! Decoding works on slices of the checked text, so that values that are only passed on are never copied and numbers keep
//! every digit.

#[cfg(test)]
mod any_value;
mod canonical;
mod check;
mod checked;
mod read;
mod scan;
mod texts;
mod write;

pub use canonical::canonical;
pub use check::{JsonFault, REPLY, REQUEST, check};
pub use checked::CheckedJson;
pub use read::{Kind, Members, Raw, elements, elements_within, equal, kind, members, string};
pub use scan::Bounds;
pub use texts::{Steps, each_text};
pub use write::{WriteError, object, to_vec, within};

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::instructions::{Work, linear};

    fn object_of(n: usize, reversed: bool) -> String {
        let mut fields: Vec<String> = (0..n).map(|n| format!("\"field{n}\":\"{n}\"")).collect();
        if reversed {
            fields.reverse();
        }
        format!("{{{}}}", fields.join(","))
    }

    fn list_of(n: usize) -> String {
        format!("[{}]", vec!["{\"a\":[1.50,\"\\u0061\"]}"; n].join(","))
    }

    #[test]
    fn reading_and_comparing_takes_linear_work() {
        linear(
            "json::tests::reading_and_comparing_takes_linear_work",
            &[
                ("check of fields", 2000, |n| {
                    let text = object_of(n, false);
                    Box::new(move || drop(black_box(check(&text, REQUEST))))
                }),
                ("check of elements", 2000, |n| {
                    let text = list_of(n);
                    Box::new(move || drop(black_box(check(&text, REQUEST))))
                }),
                ("fields by name", 2000, |n| {
                    let text = object_of(n, false);
                    Box::new(move || {
                        let members = members(&text).unwrap();
                        let by_name = members.by_name();
                        assert!(members.0.iter().all(|(name, _)| by_name.contains_key(name.as_ref())));
                    })
                }),
                ("canonical text of fields", 2000, |n| {
                    let text = object_of(n, true);
                    Box::new(move || drop(black_box(canonical(&text))))
                }),
                ("canonical text of elements", 2000, |n| {
                    let text = list_of(n);
                    Box::new(move || drop(black_box(canonical(&text))))
                }),
                ("equality of fields", 2000, |n| equality(object_of(n, false), object_of(n, true))),
                ("equality of elements", 2000, |n| equality(list_of(n), list_of(n).replace("1.50", "1.5"))),
                ("writing of fields", 2000, |n| {
                    let names: Vec<String> = (0..n).map(|n| format!("field{n}")).collect();
                    Box::new(move || {
                        drop(black_box(object(names.iter().map(|name| (name.as_str(), "1")))));
                    })
                }),
            ],
        );
    }

    fn equality(one: String, other: String) -> Work {
        Box::new(move || assert!(equal(&one, &other)))
    }
}
