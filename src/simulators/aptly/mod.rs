//! Aptly as a small server: its upsert, its three spellings, its fixed pages.
//!
//! What the documentation leaves open is an option here, and the default is the reading that a client finds
//! hardest to live with or, where none is harder, the likeliest.

mod change;
mod fields;
mod lists;
mod records;
mod routes;
mod spelling;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;

use super::server::{Running, SimulatorStart};
use super::{Clock, PublishedRates, Reading, View};

/// Which generation of the API answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Capitalised keys in create answers, a flat single read, `{}` after updates, no `by-email`.
    #[default]
    V2,
    /// Lower-case keys, single reads wrapped in `data`, the record after updates, `by-email`.
    V3,
}

/// What a write to an id that is not there does, in the path or as `_id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownWrite {
    #[default]
    NotFound,
    /// Goes on as if no id were given: the first e-mail decides, else a new contact.
    FallsThrough,
    /// A new contact by that very id.
    Creates,
    /// 200 `{}`, and nothing happened.
    Ignored,
}

/// What reading an id that is not there answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownRead {
    /// 404 with the usual envelope.
    #[default]
    NotFound,
    Null,
    EmptyObject,
    /// 200 with an empty `data`.
    EmptyPage,
    /// 400 about the id.
    BadRequest,
}

/// What a list in an update does to the list stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lists {
    /// Takes its place.
    #[default]
    Replace,
    /// Adds what is new to it.
    Merge,
}

/// What `POST /api/contacts/by-email` is where the look-up does not exist (v2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByEmail {
    /// An update of a contact whose id is `by-email`, which answers as any other unknown id.
    #[default]
    UnknownId,
    /// An update of a contact `by-email`, which springs into being: proof that nobody asks.
    WritesAContact,
}

/// What `GET /api/app/me` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Me {
    /// The key's company in v3, whose document alone has the route; 404 in v2.
    #[default]
    ByDialect,
    Account,
    NotFound,
    NotAllowed,
    /// 200 with JSON that is not about a key.
    OtherJson,
}

/// What rows of a list show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RowShape {
    /// Times, lists of addresses and numbers, custom fields; no company, no title. As v2 has them.
    #[default]
    Listed,
    /// The contact as v3 shows it alone: one address and one number as texts, no times.
    Alone,
}

/// How the simulator is to behave.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent open question of the documentation"
)]
pub struct AptlyOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Keys of the company; all see the same contacts and share one allowance.
    pub tokens: Vec<String>,
    /// How many invented people are there at the start.
    pub people: usize,
    /// Further contacts at the start, in native spelling (`_id`, `firstname`, `email: [..]`, `customFields: {id: value}`, …).
    pub contacts: Vec<Value>,
    pub dialect: Dialect,
    pub page_size: usize,
    /// Whether v2 takes the lower-case keys too, rather than overlooking them.
    pub native_keys: bool,
    /// The route that tells whose key it is.
    pub me: Me,
    pub rows: RowShape,
    /// The count that lists tell, whatever they show.
    pub count: Option<usize>,
    /// Whether every page is the first one again.
    pub same_page: bool,
    /// Whether a contact alone shows the company of a person too, rather than of companies only.
    pub company_of_people: bool,
    /// Whether values are stored as they resolve: a type's name in any letter case, dates as timestamps, texts in NFC.
    pub resolves: bool,
    /// How readings differ from what is stored, from the start on.
    pub views: Vec<View>,
    pub unknown_write: UnknownWrite,
    pub unknown_read: UnknownRead,
    pub lists: Lists,
    pub by_email: ByEmail,
    /// Whether an empty or missing last name is refused with 400.
    pub needs_last_name: bool,
    /// Whether `""` and `[]` clear a field, rather than being overlooked.
    pub empty_clears: bool,
    /// Whether `null` clears a field, rather than being overlooked.
    pub null_clears: bool,
    /// Whether a 401 has no body at all.
    pub bare_401: bool,
    pub company_id: String,
    /// Calls allowed; no limit when unset.
    pub pace: Option<PublishedRates>,
    pub clock: Clock,
}

impl Default for AptlyOptions {
    /// For a demonstration: 450 people, the documented allowance, token `demo-aptly-token`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tokens: vec!["demo-aptly-token".to_owned()],
            people: 450,
            contacts: Vec::new(),
            dialect: Dialect::default(),
            page_size: 200,
            native_keys: true,
            me: Me::default(),
            rows: RowShape::default(),
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
    /// For tests: nobody there, no allowance.
    #[must_use]
    pub fn empty() -> Self {
        Self { people: 0, pace: None, ..Self::default() }
    }

    /// For tests: version 3 as its document has it. A contact alone has no custom fields, and a company only if it is
    /// one.
    #[must_use]
    pub fn published() -> Self {
        let without = |reading| View::of(reading).without(&["customFields", "createdAt", "updatedAt"]);
        let views = [Reading::Single, Reading::Written].map(without).into();
        Self { dialect: Dialect::V3, company_of_people: false, views, ..Self::empty() }
    }

    /// For tests: version 2 before the lower-case keys, which it overlooks.
    #[must_use]
    pub fn legacy_only() -> Self {
        Self { native_keys: false, ..Self::empty() }
    }
}

pub struct AptlySimulator;

impl AptlySimulator {
    /// Listens and answers until the returned handle is dropped or shut down.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: AptlyOptions) -> io::Result<Running> {
        let start = SimulatorStart {
            listen: options.listen,
            tokens: options.tokens.clone(),
            clock: options.clock.clone(),
            pace: options.pace,
            views: options.views.clone(),
        };
        Running::start(Arc::new(routes::AptlyCrm::new(options)), start).await
    }
}
