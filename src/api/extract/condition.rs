//! Conditions of a write: `If-Match`, and those that no write supports. Reads ignore conditions: a 200 is always correct.

use axum::extract::FromRequestParts;
use http::header::{IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use crate::api::openapi::parameters::if_match;
use crate::domain::{Failure, FailureKind, Faults, FieldFault, Result, Text};
use crate::gateway::contacts::Condition;

/// The condition of an update or delete, if the caller sets one.
pub(in crate::api) struct IfMatch(pub(in crate::api) Option<Condition>);

/// For a write that supports no condition.
pub(in crate::api) struct Unconditional;

const WITHOUT: &str = "This write supports no conditions. Only PUT, PATCH and DELETE of a contact support `If-Match`. Send the request without this header.";
const OTHERS: &str = "This write supports only the condition `If-Match`, with the contact's `ETag`. Send the request without this header.";
const MALFORMED: &str = "Must be `*` or a comma-separated list of quoted tags, each exactly as in the header `ETag`, such as \"Xy1\".";

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        refuse(
            &parts.headers,
            &[(IF_NONE_MATCH, "If-None-Match"), (IF_UNMODIFIED_SINCE, "If-Unmodified-Since")],
            OTHERS,
        )?;
        condition(&parts.headers).map(Self)
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![if_match()]
    }
}

impl<S: Sync> FromRequestParts<S> for Unconditional {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let all = [
            (IF_MATCH, "If-Match"),
            (IF_NONE_MATCH, "If-None-Match"),
            (IF_UNMODIFIED_SINCE, "If-Unmodified-Since"),
        ];
        refuse(&parts.headers, &all, WITHOUT).map(|()| Self)
    }
}

/// Fails with `invalid_parameter` if one of `names` is present, and reports each.
fn refuse(headers: &HeaderMap, names: &[(HeaderName, &str)], detail: &'static str) -> Result<()> {
    let present = names.iter().filter(|(header, _)| headers.contains_key(header)).map(|(_, name)| *name);
    let present: Vec<&str> = present.collect();
    match present[..] {
        [] => Ok(()),
        [one] => Err(Failure::parameter(one, detail)),
        _ => {
            let fault = |name: &&str| FieldFault::parameter(name, "invalid_parameter", detail);
            let faults: Faults = present.iter().map(fault).collect();
            let whole = format!("{}: {detail}", present.join(", "));
            Err(Failure::new(FailureKind::InvalidParameter, whole).with_faults(faults))
        }
    }
}

/// The tags of all header lines. Fails with `invalid_parameter`.
fn condition(headers: &HeaderMap) -> Result<Option<Condition>> {
    let mut lines = headers.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Ok(None);
    }
    let (mut tags, mut any) = (Vec::new(), false);
    for line in lines {
        // Tags may contain other bytes, but the tags of the gateway are ASCII.
        let line = line.to_str().map_err(|_| malformed())?.trim();
        if line == "*" {
            any = true;
        } else {
            tags.extend(tags_of(line).ok_or_else(malformed)?);
        }
    }
    match (any, tags.is_empty()) {
        (true, true) => Ok(Some(Condition::Exists)),
        (false, false) => Ok(Some(Condition::OneOf(tags))),
        _ => Err(malformed()),
    }
}

fn malformed() -> Failure {
    Failure::parameter("If-Match", MALFORMED)
}

/// The tags of a list, or `None` if it is malformed. A tag may contain a comma, and elements may be empty.
fn tags_of(list: &str) -> Option<Vec<Text>> {
    let (mut tags, mut rest) = (Vec::new(), list);
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(tags);
        }
        if !rest.starts_with(',') {
            let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
            let end = opaque.find('"')?;
            if !opaque[..end].bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            let length = rest.len() - opaque.len() + end + 1;
            tags.push(Text::from(&rest[..length]));
            rest = rest[length..].trim_start_matches([' ', '\t']);
        }
        rest = match rest.strip_prefix(',') {
            Some(rest) => rest,
            None if rest.is_empty() => return Some(tags),
            None => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> std::result::Result<Option<Condition>, FailureKind> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(IF_MATCH, line.parse().unwrap());
        }
        condition(&headers).map_err(|failure| failure.kind)
    }

    fn tags(tags: &[&str]) -> Condition {
        Condition::OneOf(tags.iter().map(|tag| Text::from(*tag)).collect())
    }

    #[test]
    fn a_condition_is_a_star_or_tags_in_any_number_of_lines() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["*"]), Ok(Some(Condition::Exists)));
        assert_eq!(of(&[" * "]), Ok(Some(Condition::Exists)));
        for (lines, wanted) in [
            (&["\"a\""][..], &["\"a\""][..]),
            (&["\"a\",\"b\"", "\"c\""], &["\"a\"", "\"b\"", "\"c\""]),
            (&[" ,\"a\" ,\t, \"b\","], &["\"a\"", "\"b\""]),
            (&["W/\"a\", \"a\""], &["W/\"a\"", "\"a\""]),
            (&["\"a,b\",\"W/\""], &["\"a,b\"", "\"W/\""]),
            (&["\"\""], &["\"\""]),
            (&["\"a\"", ""], &["\"a\""]),
        ] {
            assert_eq!(of(lines), Ok(Some(tags(wanted))), "{lines:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_tags_is_malformed() {
        for lines in [
            &[""][..],
            &[","],
            &["a"],
            &["'a'"],
            &["\"a"],
            &["a\""],
            &["\"a\"\"b\""],
            &["\"a\" \"b\""],
            &["\"a\" b"],
            &["\"a b\""],
            &["w/\"a\""],
            &["W/a"],
            &["W/ \"a\""],
            &["*,\"a\""],
            &["*", "\"a\""],
            &["**"],
            &["\"\\\"\""],
        ] {
            assert_eq!(of(lines), Err(FailureKind::InvalidParameter), "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(IF_MATCH, http::HeaderValue::from_bytes(b"\"\xff\"").unwrap());
        assert!(condition(&headers).is_err());
    }
}
