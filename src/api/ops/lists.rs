//! The lists of the database: writes of unknown outcome, credentials, tenants; each in parts, with what needs attention first.

use std::fmt::Write as _;

use super::frame::scrolled;
use super::parameters::{OpsList, OpsParameters, PAGE_SIZE};
use super::texts::{at, between, bytes, count, lasting, percent, ratio};
use crate::api::docs::escaped;
use crate::domain::{Result, Timestamp};
use crate::gateway::credentials::CheckRecord;
use crate::gateway::overview::{CredentialOverview, OpenWrite, OpenWriteStep, Stage, TenantOverview, Totals};
use crate::gateway::tenants::Usage;

/// A list and the totals; if one of them could not be read, what is shown in their place.
fn with_totals<'a, T>(
    list: &'a Result<T>,
    totals: &'a Result<Totals>,
) -> std::result::Result<(&'a T, &'a Totals), String> {
    let (failure, what) = match (list, totals) {
        (Ok(list), Ok(totals)) => return Ok((list, totals)),
        (Err(failure), Err(_)) => (failure, "The database"),
        (Err(failure), Ok(_)) => (failure, "This list"),
        (Ok(_), Err(failure)) => (failure, "The totals of this list"),
    };
    Err(format!(
        "<p class=\"note\">{what} could not be read (<code>{}</code>). The log has the reason.</p>\n",
        failure.kind.code()
    ))
}

/// Links to the neighbouring parts of a list with `all` rows.
fn pager(of: OpsList, parameters: &OpsParameters, all: u64) -> String {
    let page = parameters.page(of);
    let pages = u32::try_from(all.div_ceil(u64::from(PAGE_SIZE))).unwrap_or(u32::MAX).max(1);
    if pages == 1 && page == 1 {
        return String::new();
    }
    let link = |to: u32, text: &str| {
        let anchor = of.name();
        format!("<a href=\"ops{}#{anchor}\">{text}</a>", escaped(&parameters.with_page(of, to).query()))
    };
    let mut html = format!("<nav class=\"pager\" aria-label=\"Pages of {}\">", of.name());
    if page > 1 {
        html.push_str(&link((page - 1).min(pages), "Previous"));
    }
    let _ = write!(html, "<span>Page {} of {}</span>", count(page.into()), count(pages.into()));
    if page < pages {
        html.push_str(&link(page + 1, "Next"));
    }
    html + "</nav>\n"
}

/// Writes of unknown outcome.
pub(super) fn writes(
    writes: &Result<Vec<OpenWrite>>,
    totals: &Result<Totals>,
    parameters: &OpsParameters,
) -> String {
    let (writes, totals) = match with_totals(writes, totals) {
        Ok(read) => read,
        Err(note) => return note,
    };
    let of = |stages: &[Stage]| -> u64 {
        totals.ledger.iter().filter(|(stage, _)| stages.contains(stage)).map(|(_, count)| count).sum()
    };
    let all = of(&[Stage::Sending, Stage::Unknown, Stage::Ambiguous]);
    let known = format!(
        "<p class=\"hint\">Known, and returned to a replay with the same key: {} finished, {} applied and found later, {} proven not \
         applied (a replay sends it once more).</p>\n",
        count(of(&[Stage::Done])),
        count(of(&[Stage::Found])),
        count(of(&[Stage::Absent])),
    );
    if writes.is_empty() {
        return format!(
            "<p>No write of unknown outcome.</p>\n{known}{}",
            pager(OpsList::Writes, parameters, all)
        );
    }
    let rows: String = writes.iter().map(write_row).collect();
    let head = "<th>Age</th><th>State</th><th>Tenant</th><th>Credential</th><th>What happens next</th>";
    format!("{}{}{known}", scrolled("Open writes", head, &rows), pager(OpsList::Writes, parameters, all))
}

fn write_row(write: &OpenWrite) -> String {
    let OpenWrite { tenant, tenant_name, credential, stage, sends, now, created_at, expires_at, .. } = write;
    let state = match stage {
        Stage::Ambiguous => "cannot be determined",
        _ if write.next_step() == OpenWriteStep::InProgress => "in progress",
        _ => "unknown",
    };
    let next = match write.next_step() {
        OpenWriteStep::InProgress => {
            "A request or a lookup works on it. If its process has ended, another one takes over within about a minute.".to_owned()
        }
        OpenWriteStep::Lookup(left) if left.is_zero() => "The gateway searches for it in the CRM now.".to_owned(),
        OpenWriteStep::Lookup(left) => format!("The gateway searches for it in the CRM in {}.", lasting(left)),
        OpenWriteStep::Replay => {
            "Nothing by itself: the caller must send the request again with the same key.".to_owned()
        }
        OpenWriteStep::Person => {
            "Nothing by itself: the caller must check the candidates in the CRM, and send it again with a new key.".to_owned()
        }
    };
    let credential = credential.as_ref().map_or("a credential itself", |id| id.as_str());
    format!(
        "<tr><td><time datetime=\"{created_at}\" title=\"{}\">{}</time></td><td>{state}<br><span class=\"hint\">sent {}</span></td>\
         <td>{}<br><code class=\"hint\">{}</code></td><td><code>{}</code></td>\
         <td>{next}<br><span class=\"hint\">The key is forgotten in {}.</span></td></tr>\n",
        at(*created_at),
        lasting(between(*created_at, *now)),
        if *sends == 1 { "once".to_owned() } else { format!("{sends} times") },
        escaped(tenant_name),
        escaped(tenant.as_str()),
        escaped(credential),
        lasting(between(*now, *expires_at)),
    )
}

/// How many credentials are of each health: refused, unknown, working.
pub(super) fn healths(totals: &Totals) -> [u64; 3] {
    [Some(false), None, Some(true)].map(|health| {
        totals.credentials.iter().filter(|(_, of, _)| *of == health).map(|(.., count)| count).sum()
    })
}

pub(super) fn credentials(
    credentials: &Result<Vec<CredentialOverview>>,
    totals: &Result<Totals>,
    parameters: &OpsParameters,
    now: Timestamp,
) -> String {
    let (credentials, totals) = match with_totals(credentials, totals) {
        Ok(read) => read,
        Err(note) => return note,
    };
    let [refused, unknown, working] = healths(totals);
    let all = refused + unknown + working;
    if all == 0 {
        return "<p>No credential is stored.</p>\n".to_owned();
    }
    let rows: String = credentials.iter().map(|credential| credential_row(credential, now)).collect();
    let head =
        "<th>Credential</th><th>Tenant</th><th>Health</th><th>Since</th><th>Last check</th><th>Action</th>";
    format!(
        "<p>{} refused by their CRM, {} unknown, {} working.</p>\n{}{}",
        count(refused),
        count(unknown),
        count(working),
        scrolled("Credentials", head, &rows),
        pager(OpsList::Credentials, parameters, all)
    )
}

fn credential_row(credential: &CredentialOverview, now: Timestamp) -> String {
    let CredentialOverview { id, tenant, tenant_name, provider, name, last_check } = credential;
    let (class, health) = match last_check.as_ref().map(CheckRecord::health) {
        Some(Some(true)) => ("yes", "works"),
        Some(Some(false)) => ("upstream", "refused"),
        Some(None) => ("caller", "not known"),
        None => ("", "never checked"),
    };
    let code = last_check.as_ref().and_then(|check| check.code.as_deref()).map_or_else(String::new, |code| {
        let code = escaped(code);
        format!("<br><a href=\"docs/errors/{code}\"><code>{}</code></a>", code.replace('_', "_<wbr>"))
    });
    let time = |time: Option<Timestamp>| {
        time.map_or_else(String::new, |time| {
            let ago = lasting(between(time, now));
            format!("<time datetime=\"{time}\" title=\"{}\">{ago} ago</time>", at(time))
        })
    };
    let (tenant, id) = (escaped(tenant.as_str()), escaped(id.as_str()));
    format!(
        "<tr><td>{name}<br><code class=\"hint\">{id}</code><br><span class=\"hint\">{}</span></td>\
         <td>{}<br><code class=\"hint\">{tenant}</code></td>\
         <td><span class=\"badge {class}\">{health}</span>{code}</td><td>{}</td><td>{}</td>\
         <td><form method=\"post\" action=\"ops/check\"><input type=\"hidden\" name=\"tenant\" value=\"{tenant}\">\
         <input type=\"hidden\" name=\"credential\" value=\"{id}\">\
         <button class=\"button plain\" aria-label=\"Check {name}\">Check</button></form></td></tr>\n",
        escaped(provider),
        escaped(tenant_name),
        time(last_check.as_ref().map(|check| check.since)),
        time(last_check.as_ref().map(|check| check.at)),
        name = escaped(name),
    )
}

pub(super) fn tenants(
    tenants: &Result<Vec<TenantOverview>>,
    totals: &Result<Totals>,
    parameters: &OpsParameters,
) -> String {
    let (tenants, totals) = match with_totals(tenants, totals) {
        Ok(read) => read,
        Err(note) => return note,
    };
    if totals.tenants == 0 {
        return "<p>There is no tenant yet: <code>contacts-gateway tenant create</code> creates one.</p>\n"
            .to_owned();
    }
    let rows: String = tenants.iter().map(tenant_row).collect();
    let head = "<th>Tenant</th><th>Credentials</th><th>API keys</th><th>Writes with a key</th><th>Their bytes</th><th>Audit records</th>";
    format!(
        "<p>{} in all. Those with refused credentials are first, then those that have used most of a quota.</p>\n{}{}",
        count(totals.tenants),
        scrolled("Tenants", head, &rows),
        pager(OpsList::Tenants, parameters, totals.tenants)
    )
}

fn tenant_row(overview: &TenantOverview) -> String {
    let TenantOverview { tenant, usage, failing } = overview;
    let Usage { ledger_rows, ledger_bytes, credentials, api_keys, audit_records, limits } = usage;
    let failing = if *failing == 0 {
        String::new()
    } else {
        format!("<br><span class=\"badge upstream\">{} refused</span>", count(*failing))
    };
    format!(
        "<tr><td>{}<br><code class=\"hint\">{}</code></td><td>{}{failing}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        escaped(&tenant.name),
        escaped(tenant.id.as_str()),
        quota(*credentials, limits.credentials, count),
        quota(*api_keys, limits.api_keys, count),
        quota(*ledger_rows, limits.ledger_rows, count),
        quota(*ledger_bytes, limits.ledger_bytes, bytes),
        quota(*audit_records, limits.audit_records, count),
    )
}

/// What is used, of what is allowed.
fn quota(used: u64, most: Option<u64>, show: fn(u64) -> String) -> String {
    let Some(most) = most else { return format!("{}<br><span class=\"hint\">unlimited</span>", show(used)) };
    format!(
        "{}<br><span class=\"hint\">{} of {}</span><br><meter value=\"{:.3}\" high=\"0.8\" optimum=\"0\">{}</meter>",
        show(used),
        percent(used, most),
        show(most),
        ratio(used, most).min(1.0),
        percent(used, most),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Failure, FailureKind};

    #[test]
    fn what_could_not_be_read_is_named_with_the_reason() {
        let failed = || Failure::new(FailureKind::StoreUnavailable, "late");
        let totals =
            || Totals { tenants: 0, credentials: vec![], ledger: vec![], oldest_open: None, quotas: vec![] };
        for (list, totals, says) in [
            (
                Err(failed()),
                Err(failed()),
                "The database could not be read (<code>store_unavailable</code>).",
            ),
            (Err(failed()), Ok(totals()), "This list could not be read (<code>store_unavailable</code>)."),
            (
                Ok(()),
                Err(failed()),
                "The totals of this list could not be read (<code>store_unavailable</code>).",
            ),
        ] {
            let note = with_totals(&list, &totals).unwrap_err();
            assert!(note.contains(says), "{note}");
        }
        assert!(with_totals(&Ok(()), &Ok(totals())).is_ok());
    }
}
