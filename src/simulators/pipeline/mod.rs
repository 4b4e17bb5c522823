//! The pipeline CRM (Tether) as a small server: unique phones, one-based pages, doubled rows, oddly worded answers.
//!
//! What the documentation leaves open is an option here.

mod answers;
mod destructive;
mod entries;
mod lists;
mod people;
mod records;
mod routes;
mod stages;
mod users;
mod writes;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rlibphonenumber::enums::Region;
use serde_json::Value;

use super::server::{Running, SimulatorStart};
use super::{Clock, PublishedRates, View};

/// How a phone number that somebody has already is refused.
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

/// What a creation answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreateAnswer {
    /// A thin `data.contact`, "Contact updated successfully", nothing else.
    #[default]
    Thin,
    /// The same with the status the documentation prints, "Qualified", whatever was asked.
    AsPrinted,
    /// The thin one, and the whole contact at the top.
    WithContact,
    /// `data` itself is the whole contact.
    Record,
    /// 2xx without any id.
    WithoutId,
}

/// What `GET /api/contacts/{id}` answers.
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

/// Which envelope and row shape lists have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Rows twice: `data.contacts` and `contacts`.
    #[default]
    V2,
    /// `data` is the list; phone numbers are texts, `createdBy` an object.
    V1,
}

/// How phone numbers are shown in lists; v1 lists never have entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListPhones {
    /// As entries, like everywhere else.
    #[default]
    Entries,
    /// The first number as a text, the others in `secondaryPhoneNumber`.
    Text,
    /// The primary number as a text wherever it stands, the others in `secondaryPhoneNumber`.
    PrimaryText,
    /// The primary number as a text; the others are not shown at all.
    OnlyPrimary,
}

/// How the simulator is to behave.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one independent open question of the documentation"
)]
pub struct PipelineOptions {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Session tokens; each belongs to a user of its own in the one organisation.
    pub tokens: Vec<String>,
    /// Password of every user at login; their e-mails are `user1@example.com`, `user2@example.com`, …
    pub password: String,
    /// How many invented people are there at the start; each third one belongs to the first user.
    pub people: usize,
    /// Further contacts at the start, as the CRM spells them; what they lack is filled in.
    pub contacts: Vec<Value>,
    /// The country of numbers without a country code.
    pub default_region: Region,
    /// The organisation's own numbers, which no contact may have.
    pub own_numbers: Vec<String>,
    /// The refusal of a known phone number.
    pub conflict: Conflict,
    pub create_status: u16,
    pub create_answer: CreateAnswer,
    /// Whether updates answer the whole contact at the top too.
    pub update_with_contact: bool,
    /// Whether `PATCH` takes names and e-mail, rather than overlooking them.
    pub patch_takes_names: bool,
    pub single_read: SingleRead,
    pub envelope: Envelope,
    pub list_phones: ListPhones,
    /// Rows on a page unless asked otherwise.
    pub page_size: usize,
    /// The most rows on a page; the answer tells the size used.
    pub largest_page: usize,
    /// The total that lists tell, whatever they show.
    pub total: Option<usize>,
    /// Whether every page is the first one again.
    pub same_page: bool,
    /// Whether values are stored as they resolve: texts trimmed and in NFC.
    pub resolves: bool,
    /// How readings differ from what is stored, from the start on.
    pub views: Vec<View>,
    /// Whether `search` looks at e-mail addresses.
    pub search_finds_emails: bool,
    /// Calls allowed; no limit when unset, as nothing is documented.
    pub pace: Option<PublishedRates>,
    pub clock: Clock,
}

impl Default for PipelineOptions {
    /// For a demonstration: 450 people, token `demo-pipeline-token`.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
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
    /// For tests: nobody there.
    #[must_use]
    pub fn empty() -> Self {
        Self { people: 0, ..Self::default() }
    }
}

pub struct PipelineSimulator;

impl PipelineSimulator {
    /// Listens and answers until the returned handle is dropped or shut down.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: PipelineOptions) -> io::Result<Running> {
        let start = SimulatorStart {
            listen: options.listen,
            tokens: options.tokens.clone(),
            clock: options.clock.clone(),
            pace: options.pace,
            views: options.views.clone(),
        };
        Running::start(Arc::new(routes::PipelineCrm::new(options)), start).await
    }
}
