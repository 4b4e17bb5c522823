//! The pipeline CRM (Tether) as a small server: unique phone numbers, one-based pages, duplicated rows, misleading messages.
//!
//! Each open question of the documentation is an option here.

mod destructive;
mod entries;
mod lists;
mod people;
mod records;
mod responses;
mod routes;
mod stages;
mod users;
mod writes;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rlibphonenumber::enums::Region;
use serde_json::Value;

use super::faults::Fault;
use super::server::{Running, SimulatorStart};
use super::{Clock, PublishedRates, View};

/// The response to a phone number that another contact has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// 409 with `success: false` and a message.
    #[default]
    Status409,
    /// 400 with the same body.
    Status400,
    /// 422 with the same body.
    Status422,
    /// 200 with the same body.
    SuccessFalse,
}

/// The response to a create.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateAnswer {
    /// An incomplete `data.contact`, "Contact updated successfully", nothing else.
    #[default]
    Thin,
    /// The same with the documented status "Qualified", whatever the request says.
    AsPrinted,
    /// The incomplete one, and the whole contact at the top level.
    WithContact,
    /// `data` itself is the whole contact.
    Record,
    /// 2xx without an id.
    WithoutId,
}

/// The response to `GET /api/contacts/{id}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SingleRead {
    /// `{ success, data: { contact } }`.
    #[default]
    Present,
    /// The route does not exist: 404 with an HTML page.
    AbsentHtml,
    /// The route does not exist: 404 with JSON.
    AbsentJson,
    /// The path exists for other methods only: 405.
    MethodNotAllowed,
}

/// The response body and row format of lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Rows twice: `data.contacts` and `contacts`.
    #[default]
    V2,
    /// `data` is the list; phone numbers are texts, `createdBy` an object.
    V1,
}

/// Phone numbers in lists; v1 lists never have entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListPhones {
    /// As entries, as in other responses.
    #[default]
    Entries,
    /// The first number as a text, the others in `secondaryPhoneNumber`.
    Text,
    /// The primary number as a text at any position, the others in `secondaryPhoneNumber`.
    PrimaryText,
    /// The primary number as a text; the others are not shown at all.
    OnlyPrimary,
}

/// The order of lists, which is not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListOrder {
    #[default]
    NewestFirst,
    OldestFirst,
    /// The contacts that were changed last come first.
    ChangedFirst,
    /// By id, which tells nothing about time.
    ById,
}

/// How `dateRange` compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateBounds {
    /// A contact at a bound matches.
    #[default]
    Inclusive,
    /// A contact at a bound does not match.
    Exclusive,
    /// Not at all: the parameter is ignored.
    Ignored,
}

/// The behaviour of the simulator.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent open question of the documentation"
)]
pub struct PipelineOptions {
    /// The address to listen on; port 0 selects a free port.
    pub listen: SocketAddr,
    /// The faults from the start on.
    pub faults: Vec<Fault>,
    /// Session tokens. Each belongs to a different user of the one organisation.
    pub tokens: Vec<String>,
    /// Password of every user at login; their e-mails are `user1@example.com`, `user2@example.com`, …
    pub password: String,
    /// The number of invented people at the start; every third one belongs to the first user.
    pub people: usize,
    /// Further contacts at the start in the CRM's format; missing fields are filled in.
    pub contacts: Vec<Value>,
    /// The country of numbers without a country code.
    pub default_region: Region,
    /// The organisation's own numbers, which no contact may have.
    pub own_numbers: Vec<String>,
    /// The response to a phone number that another contact has.
    pub conflict: Conflict,
    pub create_status: u16,
    pub create_answer: CreateAnswer,
    /// Whether updates also return the whole contact at the top level.
    pub update_with_contact: bool,
    /// Whether `PATCH` accepts names and e-mail addresses; otherwise it ignores them.
    pub patch_takes_names: bool,
    pub single_read: SingleRead,
    pub envelope: Envelope,
    pub list_phones: ListPhones,
    pub order: ListOrder,
    pub date_bounds: DateBounds,
    /// The default number of rows per page.
    pub page_size: usize,
    /// The most rows per page; the response contains the number used.
    pub largest_page: usize,
    /// The total in lists, whatever they contain.
    pub total: Option<usize>,
    /// Whether every page is the first page again.
    pub same_page: bool,
    /// Whether values are normalised when stored: texts trimmed and in NFC.
    pub resolves: bool,
    /// How responses differ from the stored contacts, from the start on.
    pub views: Vec<View>,
    /// Whether `search` includes e-mail addresses.
    pub search_finds_emails: bool,
    /// The rate limit; none by default, because none is documented.
    pub pace: Option<PublishedRates>,
    pub clock: Clock,
}

impl Default for PipelineOptions {
    /// For a demonstration: 450 people, token `demo-pipeline-token`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            faults: Vec::new(),
            tokens: vec!["demo-pipeline-token".to_owned()],
            password: "demo-pipeline-password".to_owned(),
            people: 450,
            contacts: Vec::new(),
            default_region: Region::US,
            own_numbers: vec!["+14165550199".to_owned()],
            conflict: Conflict::default(),
            create_status: 200,
            create_answer: CreateAnswer::default(),
            update_with_contact: false,
            patch_takes_names: true,
            single_read: SingleRead::default(),
            envelope: Envelope::default(),
            list_phones: ListPhones::default(),
            order: ListOrder::default(),
            date_bounds: DateBounds::default(),
            page_size: 50,
            largest_page: 100,
            total: None,
            same_page: false,
            resolves: false,
            views: Vec::new(),
            search_finds_emails: true,
            pace: None,
            clock: Clock::real(),
        }
    }
}

impl PipelineOptions {
    /// For tests: no people.
    #[must_use]
    pub fn empty() -> Self {
        Self { people: 0, ..Self::default() }
    }
}

pub struct PipelineSimulator;

impl PipelineSimulator {
    /// Listens and responds until the returned handle is dropped or shut down.
    ///
    /// # Errors
    /// If the address is unavailable.
    pub async fn start(options: PipelineOptions) -> io::Result<Running> {
        let start = SimulatorStart {
            listen: options.listen,
            faults: options.faults.clone(),
            tokens: options.tokens.clone(),
            clock: options.clock.clone(),
            pace: options.pace,
            views: options.views.clone(),
        };
        Running::start(routes::PipelineCrm::new(options), start).await
    }
}
