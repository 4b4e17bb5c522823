//! What the shared cases must know of each CRM. A new CRM is one more file here and one more row in [`WORLDS`].

mod aptly;
mod pipeline;

use async_trait::async_trait;
use contacts_gateway::domain::Field;
use contacts_gateway::simulators::Running;
use serde_json::Value;

/// One for each row of the adapters' table, in its order.
pub(crate) static WORLDS: &[&dyn World] = &[&aptly::Aptly, &pipeline::Pipeline];

/// The world of a provider.
pub(crate) fn world(provider: &str) -> &'static dyn World {
    *WORLDS.iter().find(|world| world.provider() == provider).unwrap()
}

/// With what a simulator begins; by default with nobody and a token of its own.
#[derive(Default)]
pub(crate) struct Start {
    /// How many invented people are there.
    pub(crate) people: usize,
    /// Where there are any, the only ones.
    pub(crate) tokens: Vec<String>,
    /// Whether a probe finds the id of the account.
    pub(crate) tells_account: bool,
    /// Another id than usual.
    pub(crate) account: Option<&'static str>,
}

/// Somebody as the shared cases name them; the first e-mail address and the first number are the main ones.
pub(crate) struct Stored<'a> {
    pub(crate) first: &'a str,
    pub(crate) last: &'a str,
    pub(crate) emails: &'a [&'a str],
    pub(crate) phones: &'a [&'a str],
}

/// A simulator in one of the forms that the CRM's documents allow.
pub(crate) struct Variant {
    /// Names the snapshots.
    pub(crate) name: &'static str,
    /// Whether the calls to it differ from those to the others, and not its responses alone.
    pub(crate) is_dialect: bool,
    pub(crate) at: Running,
    /// Of a credential that writes in this form alone.
    pub(crate) settings: Value,
}

/// A remote field that can be written.
pub(crate) struct RemoteSample {
    pub(crate) value: Value,
    /// Where the CRM keeps it, as its faults take it.
    pub(crate) stored: &'static str,
    /// Where a loss is told, under `/remoteFields`.
    pub(crate) at: &'static str,
    /// The remote fields that this one replaces.
    pub(crate) replaces: &'static [&'static str],
}

/// A choice that the CRM does not show yet.
pub(crate) struct NewChoice {
    /// The remote field and the value.
    pub(crate) field: &'static str,
    pub(crate) value: &'static str,
    /// Another value that the CRM shows.
    pub(crate) known: &'static str,
    /// What makes the CRM show it, as its simulator takes it.
    pub(crate) definition: Value,
}

/// A field that a reading may not show: how it is written, and how the CRM keeps it.
pub(crate) struct Hidden {
    /// Its pointer.
    pub(crate) at: &'static str,
    pub(crate) set: Value,
    /// Null where it cannot be cleared.
    pub(crate) clear: Value,
    /// The CRM's own name.
    pub(crate) key: &'static str,
    /// Other fields that show the same.
    pub(crate) also: &'static [&'static str],
    /// What the CRM holds after `set` and after `clear`.
    pub(crate) stored: [Value; 2],
}

impl Hidden {
    /// The fields that a reading lacks where it does not show this one.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        std::iter::once(&self.key).chain(self.also).copied().collect()
    }
}

/// How the CRM behaves where its documents leave it open, as its simulator does.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Behaviour {
    /// Rows on a page of its list.
    pub(crate) page_size: usize,
    /// A number is kept as it is typed, whatever it is; else it is normalised, or refused.
    pub(crate) keeps_numbers_as_typed: bool,
    /// The letters of an e-mail address are kept; else they become small.
    pub(crate) keeps_case_of_emails: bool,
    /// The response to a create shows the phone numbers.
    pub(crate) create_shows_phones: bool,
    /// The response to a change shows the names.
    pub(crate) update_shows_names: bool,
    /// A remote field follows the names.
    pub(crate) computes_from_names: bool,
    /// Calls that the gateway makes once before its first write, to learn how to write.
    pub(crate) calls_before_first_write: usize,
    /// The word by which the only number of a contact is shown.
    pub(crate) kind_of_only_number: &'static str,
}

#[async_trait]
pub(crate) trait World: Send + Sync {
    /// The adapter's provider.
    fn provider(&self) -> &'static str;

    fn behaviour(&self) -> Behaviour;

    /// The field with a record's id.
    fn id_key(&self) -> &'static str;

    /// The path of the CRM's list.
    fn list_path(&self) -> &'static str;

    /// The path that reads this contact; `*` is any.
    fn contact_path(&self, id: &str) -> String {
        format!("{}/{id}", self.list_path())
    }

    async fn start(&self, start: Start) -> Running;

    /// The documented forms of the CRM, each with so many people; the first is what [`start`](Self::start) starts.
    async fn variants(&self, people: usize) -> Vec<Variant>;

    /// Simulators whose pages are of other sizes and forms than usual.
    async fn odd_lists(&self, people: usize) -> Vec<Running>;

    /// Settings under which the credential allows all that the CRM can do.
    fn permissive(&self) -> Value;

    /// Calls that do harm at this CRM, by method and path.
    fn harmful_calls(&self) -> &'static [(&'static str, &'static str)];

    /// The CRM's name of a unified field in its records.
    fn stored_name(&self, field: Field) -> &'static str;

    /// The CRM's names of a unified field in a body of a change, the one that is always sent first.
    fn written_names(&self, field: Field) -> &'static [&'static str];

    /// A record of somebody.
    fn record(&self, stored: &Stored<'_>) -> Value;

    /// Ada, `rich`, with two addresses and two numbers and everything that the CRM can hold.
    fn rich(&self) -> Value;

    /// Somebody with this address and number who has each of the fields of [`hidden`](Self::hidden).
    fn with_all_fields(&self, email: &str, phone: &str) -> Value;

    /// Records as nobody would write them, which the CRM may hold all the same.
    fn odd_records(&self) -> Vec<Value>;

    /// The record's value of phone numbers.
    fn stored_phones(&self, numbers: &[&str]) -> Value;

    /// The first number in a body that was sent.
    fn sent_number(&self, body: &Value) -> Value;

    /// The body of a single read that shows `record`.
    fn single_read(&self, record: &Value) -> String;

    /// The body of a list with these rows; `echo` may have `total`, `page` and `size`.
    fn list(&self, rows: &[Value], echo: &Value) -> String;

    /// The body of a list that tells nothing but its rows.
    fn bare_list(&self, rows: &[Value]) -> String;

    /// A row of a list with this id.
    fn row(&self, id: &str) -> Value;

    /// Everything else that can be cleared by one change of [`rich`](Self::rich), as the unified API says it.
    fn clearable(&self) -> Value;

    /// Each change of [`rich`](Self::rich) that changes what can be written, as the CRM spells it.
    fn visible_changes(&self) -> Vec<Value>;

    /// Changes of [`rich`](Self::rich) to what the CRM alone sets.
    fn changes_by_the_crm(&self) -> Value;

    /// A remote field's value that the CRM refuses, twice.
    fn refused_remote_fields(&self) -> [(&'static str, &'static str); 2];

    /// Remote fields that mean nothing where they are null.
    fn null_remote_fields(&self) -> Value;

    /// Changes of remote fields that together use every form of the CRM's write; `{id}` stands for the contact's id.
    fn remote_changes(&self) -> Vec<Value>;

    /// A choice that a live definition refuses until the CRM shows it.
    fn new_choice(&self) -> NewChoice;

    /// The paths of the calls that show definitions.
    fn live_paths(&self) -> &'static [&'static str];

    /// A sample of the remote field `name`, if it can be written.
    fn remote_sample(&self, name: &str) -> Option<RemoteSample>;

    /// Remote fields that the contact of [`remote_sample`](Self::remote_sample) must have before.
    fn remote_fields_before_samples(&self) -> Value;

    /// Of each field that is declared as never verified, a value.
    fn never_verified(&self) -> Value;

    /// The remote fields that are written on create alone.
    fn written_on_create_alone(&self) -> &'static [&'static str];

    /// Fields that a reading may not show.
    fn hidden(&self) -> Vec<Hidden>;
}

/// A [`Hidden`] text.
fn hidden_text(field: Field, at: &'static str, key: &'static str, empty: Value) -> Hidden {
    use serde_json::json;
    let stored = [json!("Lovelace"), empty];
    Hidden {
        at,
        set: json!({ field.name(): "Lovelace" }),
        clear: json!({ field.name(): null }),
        key,
        also: &[],
        stored,
    }
}
