//! Path aliases: `/one/crm/…` and `/YYYY-MM/one/crm/…` are the same as `/crm/…`.

use axum::extract::Request;
use http::Uri;
use http::uri::PathAndQuery;

/// Rewrites an alias to the plain path. It runs before the router, so that routes, logs, problems and locations use one
/// path only.
pub(in crate::api) fn plain(mut request: Request) -> Request {
    if let Some(uri) = rewritten(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn rewritten(uri: &Uri) -> Option<Uri> {
    let whole = uri.path_and_query()?.as_str();
    let rest = whole.strip_prefix("/one/").or_else(|| dated(whole))?;
    if !(rest.starts_with("crm/")) {
        return None;
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("/{rest}")).ok();
    Uri::from_parts(parts).ok()
}

/// The rest of the path after `/YYYY-MM/one/`, for any month.
fn dated(path: &str) -> Option<&str> {
    let (date, rest) = path.strip_prefix('/')?.split_at_checked(7)?;
    let (year, month) = date.split_once('-')?;
    let digits = year.len() == 4 && date.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    let month: u8 = month.parse().ok()?;
    (digits && (1..=12).contains(&month)).then_some(())?;
    rest.strip_prefix("/one/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_spellings_of_old_clients_are_rewritten() {
        let plain = |path: &str| rewritten(&Uri::try_from(path).unwrap()).map(|uri| uri.to_string());
        assert_eq!(plain("/one/crm/contacts?a=b%20c").as_deref(), Some("/crm/contacts?a=b%20c"));
        assert_eq!(plain("/2024-03/one/crm/contacts/x").as_deref(), Some("/crm/contacts/x"));
        assert_eq!(plain("/1999-12/one/crm/search").as_deref(), Some("/crm/search"));
        for path in [
            "/crm/contacts",
            "/2024-13/one/crm/contacts",
            "/2024-3/one/crm/contacts",
            "/24-03/one/crm/contacts",
            "/2024-03/crm/contacts",
            "/one/admin/tenants",
            "/one/livez",
            "/one//crm/contacts",
            "/2024-03/one/one/crm/contacts",
        ] {
            assert_eq!(plain(path), None, "{path}");
        }
    }
}
