//! Aptly as a small server: its upsert, its three spellings, its fixed pages.
//!
//! Each open question of the documentation is an option here. The default is the behaviour that is hardest for a client;
//! if none is harder, the most likely one.

mod boards;
mod change;
mod fields;
mod lists;
mod records;
mod routes;
mod spelling;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::faults::Fault;
use super::server::{Running, SimulatorStart};
use super::{Clock, PublishedRates, Reading, View};

/// The version of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Capitalised keys in create responses, a flat single read, `{}` after updates, no `by-email`.
    #[default]
    V2,
    /// Lower-case keys, single reads wrapped in `data`, the record after updates, `by-email`.
    V3,
}

/// The result of a write to an unknown id, in the path or as `_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownWrite {
    #[default]
    NotFound,
    /// As if there were no id: updates the contact with the first e-mail address, or creates a contact.
    FallsThrough,
    /// Creates a contact with this id.
    Creates,
    /// 200 `{}` without an effect.
    Ignored,
}

/// The response to a read of an unknown id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownRead {
    /// 404 with the usual error body.
    #[default]
    NotFound,
    Null,
    EmptyObject,
    /// 200 with an empty `data`.
    EmptyPage,
    /// 400 with a message about the id.
    BadRequest,
}

/// The effect of a list in an update on the stored list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lists {
    /// Replaces it.
    #[default]
    Replace,
    /// Adds the new entries to it.
    Merge,
}

/// The result of `POST /api/contacts/by-email` if the lookup does not exist (v2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByEmail {
    /// An update of a contact with the id `by-email`, with the response for an unknown id.
    #[default]
    UnknownId,
    /// An update that creates a contact `by-email`. It shows that a client used the lookup.
    WritesAContact,
}

/// The response to `GET /api/app/me`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Me {
    /// The key's company in v3, which alone documents the route; 404 in v2.
    #[default]
    ByDialect,
    Account,
    NotFound,
    NotAllowed,
    /// 200 with JSON that does not describe a key.
    OtherJson,
}

/// The fields in rows of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowShape {
    /// Times, lists of addresses and numbers, custom fields; no company, no title. This is the behaviour of v2.
    #[default]
    Listed,
    /// The contact as v3 returns it alone: one address and one number as texts, no times.
    Alone,
    /// As listed, without times.
    Timeless,
}

/// How `updated_after` and `updated_before` compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateBounds {
    /// With the whole seconds that rows show; a contact at the bound matches.
    #[default]
    Shown,
    /// With the stored time and its fraction of a second; a contact at the bound matches.
    Stored,
    /// With the stored time; a contact at the bound does not match.
    Exclusive,
    /// Not at all: the parameters are ignored.
    Ignored,
}

/// The behaviour of the simulator.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent open question of the documentation"
)]
pub struct AptlyOptions {
    /// The address to listen on; port 0 selects a free port.
    pub listen: SocketAddr,
    /// The faults from the start on.
    pub faults: Vec<Fault>,
    /// The company's keys. All see the same contacts and share one rate limit.
    pub tokens: Vec<String>,
    /// The number of invented people at the start.
    pub people: usize,
    /// Further contacts at the start, in native spelling (`_id`, `firstname`, `email: [..]`, `customFields: {id: value}`, …).
    pub contacts: Vec<Value>,
    pub dialect: Dialect,
    pub page_size: usize,
    /// Whether v2 also accepts the lower-case keys; otherwise it ignores them.
    pub native_keys: bool,
    /// The behaviour of the route that identifies the key.
    pub me: Me,
    pub rows: RowShape,
    pub update_bounds: UpdateBounds,
    /// The count in lists, whatever they contain.
    pub count: Option<usize>,
    /// Whether every page is the first page again.
    pub same_page: bool,
    /// Whether a single read shows the company of a person too, not only of companies.
    pub company_of_people: bool,
    /// Whether values are normalised when stored: a type's name in any letter case, dates as timestamps, texts in NFC.
    pub resolves: bool,
    /// How responses differ from the stored contacts, from the start on.
    pub views: Vec<View>,
    pub unknown_write: UnknownWrite,
    pub unknown_read: UnknownRead,
    pub lists: Lists,
    pub by_email: ByEmail,
    /// Whether an empty or missing last name is refused with 400.
    pub needs_last_name: bool,
    /// Whether `""` and `[]` clear a field; otherwise they are ignored.
    pub empty_clears: bool,
    /// Whether `null` clears a field; otherwise it is ignored.
    pub null_clears: bool,
    /// Whether a 401 has no body.
    pub bare_401: bool,
    pub company_id: String,
    /// The rate limit; none if unset.
    pub pace: Option<PublishedRates>,
    pub clock: Clock,
}

impl Default for AptlyOptions {
    /// For a demonstration: 450 people, the documented rate limit, token `demo-aptly-token`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            faults: Vec::new(),
            tokens: vec!["demo-aptly-token".to_owned()],
            people: 450,
            contacts: Vec::new(),
            dialect: Dialect::default(),
            page_size: 200,
            native_keys: true,
            me: Me::default(),
            rows: RowShape::default(),
            update_bounds: UpdateBounds::default(),
            count: None,
            same_page: false,
            company_of_people: true,
            resolves: false,
            views: Vec::new(),
            unknown_write: UnknownWrite::default(),
            unknown_read: UnknownRead::default(),
            lists: Lists::default(),
            by_email: ByEmail::default(),
            needs_last_name: false,
            empty_clears: true,
            null_clears: false,
            bare_401: false,
            company_id: "comp456".to_owned(),
            pace: Some(PublishedRates { per_minute: 120, per_second: 20 }),
            clock: Clock::real(),
        }
    }
}

impl AptlyOptions {
    /// For tests: no people, no rate limit.
    #[must_use]
    pub fn empty() -> Self {
        Self { people: 0, pace: None, ..Self::default() }
    }

    /// For tests: version 3 as documented. A single read has no custom fields, and a company only if the contact is a
    /// company.
    #[must_use]
    pub fn published() -> Self {
        let without = |reading| View::of(reading).without(&["customFields", "createdAt", "updatedAt"]);
        let views = [Reading::Single, Reading::Written].map(without).into();
        Self { dialect: Dialect::V3, company_of_people: false, views, ..Self::empty() }
    }

    /// For tests: version 2 before the lower-case keys, which it ignores.
    #[must_use]
    pub fn legacy_only() -> Self {
        Self { native_keys: false, ..Self::empty() }
    }
}

pub struct AptlySimulator;

impl AptlySimulator {
    /// Listens and responds until the returned handle is dropped or shut down.
    ///
    /// # Errors
    /// If the address is unavailable.
    pub async fn start(options: AptlyOptions) -> io::Result<Running> {
        let start = SimulatorStart {
            listen: options.listen,
            faults: options.faults.clone(),
            tokens: options.tokens.clone(),
            clock: options.clock.clone(),
            pace: options.pace,
            views: options.views.clone(),
        };
        Running::start(routes::AptlyCrm::new(options), start).await
    }
}
