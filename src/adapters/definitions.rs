//! What is known of a CRM's own fields: its definitions, read live and kept for five minutes, and what contacts show.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::adapter::{AdapterSpec, RemoteFieldSpec, RemoteKind};
use crate::domain::{CallContext, Contact, Failure, FailureKind, Result, Text, abbreviated, field_key};
use crate::json::{self, Kind};
use crate::upstream::{Decoded, Secrets};

/// How long a definition is kept.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// How long a failed read is kept, so that a source that hangs does not delay every write.
const FAILURE_KEPT_FOR: Duration = Duration::from_secs(10);
/// The longest time that a write waits for a definition, and the part of its remaining time.
const LONGEST_BEFORE_WRITE: Duration = Duration::from_secs(3);
const PART_BEFORE_WRITE: u32 = 4;
/// The most definitions of one kind that are kept for one credential.
const MOST_KEPT: usize = 50;
/// The most choices of one field. If there are more, the list is not complete.
pub(super) const MOST_CHOICES: usize = 500;
/// The most custom fields, and the most fields that contacts show.
const MOST_FIELDS: usize = 1_000;
/// Bytes of a choice or a name. Longer ones are left out.
const LONGEST: usize = 200;

/// A call by which the CRM shows definitions.
#[derive(Debug)]
pub struct LiveSource {
    /// Method and path.
    pub call: &'static str,
    /// What it shows, in a few words.
    pub gives: &'static str,
    /// The writes that are refused because of it; `None` if there are none.
    pub refuses: Option<&'static str>,
}

/// The CRM's own definitions of an account's fields.
#[derive(Debug, Default)]
pub struct LiveDefinitions {
    /// Each field at most once.
    pub fields: Vec<RemoteFieldDefinition>,
    /// The sources that could not be read.
    pub unread: Vec<(&'static LiveSource, Failure)>,
}

/// A key of `remoteFields`, or one custom field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteFieldDefinition {
    /// The key of `remoteFields`.
    pub name: Text,
    /// The id of a custom field, which is a key of the object that `name` holds.
    pub custom_field_id: Option<Text>,
    /// The name that people see in the CRM.
    pub label: Option<Text>,
    /// The JSON type of its values; `None` if it is not known.
    pub json_type: Option<Text>,
    /// The CRM's own word for the type.
    pub data_type: Option<Text>,
    /// Whether the CRM hides it from its users.
    pub hidden: bool,
    pub choices: Vec<FieldChoice>,
}

/// A value that a field can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChoice {
    /// The value, as it is written.
    pub value: Text,
    /// The name that people see in the CRM, if it is not the value.
    pub label: Option<Text>,
    /// The choice of another field to which this one belongs, such as the pipeline of a stage.
    pub within: Option<Text>,
}

impl FieldChoice {
    pub(super) const fn of(value: Text) -> Self {
        Self { value, label: None, within: None }
    }
}

impl RemoteFieldDefinition {
    /// A field with choices.
    pub(super) fn with_choices(name: &'static str, choices: Vec<FieldChoice>) -> Self {
        Self { name: Text::from_static(name), choices, ..Self::default() }
    }
}

/// Texts that were cut from a reply must not be kept, because they keep the whole reply in memory. `None` if it is blank or
/// too long to be a name or a choice.
pub(super) fn kept_text(text: &str) -> Option<Text> {
    (!text.trim().is_empty() && text.len() <= LONGEST).then(|| Text::from(text))
}

/// A name for people, shortened.
pub(super) fn kept_label(text: &str) -> Option<Text> {
    (!text.trim().is_empty()).then(|| Text::from(abbreviated(text).as_ref()))
}

/// The context of reads of definitions before a write, which must leave it enough time.
pub(super) fn before_write(context: &CallContext) -> CallContext {
    context.with_timeout((context.remaining() / PART_BEFORE_WRITE).min(LONGEST_BEFORE_WRITE))
}

/// How old a definition may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It may be a kept one.
    Kept,
    /// It must be read now.
    Now,
}

/// A definition, and whether it is a kept one.
pub(super) struct KnownDefinition<V> {
    pub value: Arc<V>,
    pub is_kept: bool,
}

/// Definitions of one credential, by key. Concurrent requests share one read.
pub struct RecentDefinitions<V> {
    kept: Mutex<HashMap<String, KeptDefinition<V>>>,
    turn: tokio::sync::Mutex<()>,
}

struct KeptDefinition<V> {
    outcome: Result<Arc<V>>,
    /// When its read began.
    since: Instant,
}

impl<V> Clone for KeptDefinition<V> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), since: self.since }
    }
}

impl<V> KeptDefinition<V> {
    fn is_fresh(&self) -> bool {
        let limit = if self.outcome.is_ok() { KEPT_FOR } else { FAILURE_KEPT_FOR };
        self.since.elapsed() < limit
    }

    fn known(self, is_kept: bool) -> Result<KnownDefinition<V>> {
        self.outcome.map(|value| KnownDefinition { value, is_kept })
    }
}

impl<V> Default for RecentDefinitions<V> {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<V> RecentDefinitions<V> {
    /// The definition of `key`, at most five minutes old, from `read` if it is not kept.
    pub async fn recent(
        &self,
        context: &CallContext,
        key: &str,
        read: impl Future<Output = Result<V>>,
    ) -> Result<Arc<V>> {
        self.get(context, key, Age::Kept, read).await.map(|known| known.value)
    }

    pub(super) async fn get(
        &self,
        context: &CallContext,
        key: &str,
        age: Age,
        read: impl Future<Output = Result<V>>,
    ) -> Result<KnownDefinition<V>> {
        let asked = crate::clock::monotonic();
        let of_age = |kept: &KeptDefinition<V>| kept.is_fresh() && (age == Age::Kept || kept.since >= asked);
        let kept = || self.kept.lock().get(key).filter(|kept| of_age(kept)).cloned();
        if let Some(kept) = kept() {
            return kept.known(true);
        }
        let _turn = timeout(context.remaining(), self.turn.lock()).await.map_err(|_| late())?;
        // Another request may have read it meanwhile.
        if let Some(kept) = kept() {
            let is_kept = kept.since < asked;
            return kept.known(is_kept);
        }
        let since = crate::clock::monotonic();
        let read = KeptDefinition { outcome: read.await.map(Arc::new), since };
        let mut all = self.kept.lock();
        if all.len() >= MOST_KEPT {
            all.retain(|_, kept| kept.is_fresh());
        }
        if all.len() >= MOST_KEPT {
            all.clear();
        }
        all.insert(key.to_owned(), read.clone());
        read.known(false)
    }
}

fn late() -> Failure {
    let detail = "Another request reads the CRM's definitions and did not end in time.";
    Failure::new(FailureKind::GatewayTimeout, detail)
}

/// Judges a write by definitions. `read` returns them, and whether some of them were kept: before a refusal by kept ones, all
/// are read again.
pub(super) async fn judged<'a, D, T>(
    read: impl Fn(Age) -> BoxFuture<'a, Result<(D, bool)>>,
    judge: impl Fn(&D) -> Result<T>,
) -> Result<T> {
    let (kept, are_kept) = read(Age::Kept).await?;
    match judge(&kept) {
        Err(_) if are_kept => judge(&read(Age::Now).await?.0),
        outcome => outcome,
    }
}

/// The remote fields that some contacts show. Of values, only those of choices are kept.
#[derive(Clone, Debug, Default)]
pub struct SeenFields {
    /// In the order in which they were seen.
    pub fields: Vec<RemoteFieldDefinition>,
}

impl SeenFields {
    #[must_use]
    pub fn of<'a>(spec: &AdapterSpec, contacts: impl IntoIterator<Item = &'a Contact>) -> Self {
        let mut seen = FieldCollector::default();
        for contact in contacts {
            for (name, value) in &contact.remote_fields.0 {
                seen.add(spec.remote_field(name), name, value.as_str());
            }
        }
        let fields = seen.fields.into_iter().map(|field| field.definition);
        Self { fields: fields.collect() }
    }

    /// The values of the field `name` that were seen.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &Text> {
        let fields = self.fields.iter().filter(move |field| field.name.as_str() == name);
        fields.flat_map(|field| &field.choices).map(|choice| &choice.value)
    }
}

#[derive(Default)]
struct FieldCollector {
    fields: Vec<CollectedField>,
    /// The index of each field, by key and id of the custom field.
    known: HashMap<(String, Option<String>), usize>,
}

#[derive(Default)]
struct CollectedField {
    definition: RemoteFieldDefinition,
    choices: HashSet<Text>,
}

impl FieldCollector {
    fn add(&mut self, spec: Option<&'static RemoteFieldSpec>, name: &Text, raw: &str) {
        let name = spec.map_or(name.as_str(), |spec| spec.name);
        let kind = json::kind(raw);
        match spec.map(|spec| spec.kind) {
            Some(RemoteKind::CustomFields { label, data_type }) => {
                for (id, raw) in json::members(raw).unwrap_or_default().0 {
                    self.add_custom(name, &id, raw.get(), label, data_type);
                }
            }
            Some(RemoteKind::Choice) => {
                let value = json::string(raw).and_then(|text| kept_text(&text));
                let Some(field) = self.field(name, None) else { return };
                field.see(kind);
                if let Some(value) = value.filter(|_| field.choices.len() < MOST_CHOICES)
                    && field.choices.insert(value.clone())
                {
                    field.definition.choices.push(FieldChoice::of(value));
                }
            }
            _ => {
                if let Some(field) = self.field(name, None) {
                    field.see(kind);
                }
            }
        }
    }

    fn add_custom(&mut self, name: &str, id: &str, raw: &str, label: &str, data_type: &str) {
        let Some(field) = self.field(name, Some(id)) else { return };
        let shown = json::members(raw).unwrap_or_default();
        let text = |key: &str| shown.get(key).and_then(|raw| json::string(raw.get()));
        let definition = &mut field.definition;
        definition.label = definition.label.take().or_else(|| text(label).and_then(|text| kept_label(&text)));
        definition.data_type =
            definition.data_type.take().or_else(|| text(data_type).and_then(|text| kept_text(&text)));
    }

    /// The field, unless there are too many.
    fn field(&mut self, name: &str, custom: Option<&str>) -> Option<&mut CollectedField> {
        let key = (field_key(name), custom.map(str::to_owned));
        if let Some(index) = self.known.get(&key) {
            return self.fields.get_mut(*index);
        }
        let (name, custom_field_id) = (kept_text(name)?, custom.map(kept_text));
        if self.fields.len() >= MOST_FIELDS || custom_field_id == Some(None) {
            return None;
        }
        self.known.insert(key, self.fields.len());
        let custom_field_id = custom_field_id.flatten();
        let definition = RemoteFieldDefinition { name, custom_field_id, ..RemoteFieldDefinition::default() };
        self.fields.push(CollectedField { definition, choices: HashSet::new() });
        self.fields.last_mut()
    }
}

impl CollectedField {
    /// The type of the first value that is not null; none if another value has another type.
    fn see(&mut self, kind: Kind) {
        let Some(word) = kind.json_type().map(Text::from_static) else { return };
        match &self.definition.json_type {
            None => self.definition.json_type = Some(word),
            Some(known) if *known != word => self.definition.json_type = Some(Text::from_static("mixed")),
            Some(_) => {}
        }
    }
}

impl Decoded for RemoteFieldDefinition {
    fn without_secrets(self, secrets: &Secrets, struck: bool) -> Result<Self> {
        Ok(Self {
            name: self.name.without_secrets(secrets, struck)?,
            custom_field_id: self.custom_field_id.without_secrets(secrets, struck)?,
            label: self.label.without_secrets(secrets, struck)?,
            data_type: self.data_type.without_secrets(secrets, struck)?,
            choices: self.choices.without_secrets(secrets, struck)?,
            ..self
        })
    }
}

impl Decoded for FieldChoice {
    fn without_secrets(self, secrets: &Secrets, struck: bool) -> Result<Self> {
        let Self { value, label, within } = self;
        Ok(Self {
            value: value.without_secrets(secrets, struck)?,
            label: label.without_secrets(secrets, struck)?,
            within: within.without_secrets(secrets, struck)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::hint::black_box;

    use tokio::time::{advance, sleep};

    use super::*;
    use crate::adapters::spec;
    use crate::domain::{RawJson, RemoteFields, RemoteId};
    use crate::instructions::linear;

    fn context() -> CallContext {
        CallContext::within(Duration::from_hours(1), "test".into())
    }

    /// A source that counts its reads and shows their number.
    #[derive(Default)]
    struct CountedSource {
        reads: Cell<usize>,
        fails: Cell<bool>,
    }

    impl CountedSource {
        async fn read(&self) -> Result<usize> {
            sleep(Duration::from_millis(10)).await;
            self.reads.set(self.reads.get() + 1);
            if self.fails.get() { Err(Failure::internal("not readable")) } else { Ok(self.reads.get()) }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_definition_is_kept_for_five_minutes_and_a_failure_for_ten_seconds() {
        let (kept, source) = (RecentDefinitions::default(), CountedSource::default());
        let recent = async || kept.recent(&context(), "a", source.read()).await.map(|value| *value).ok();
        assert_eq!((recent().await, recent().await), (Some(1), Some(1)));
        advance(Duration::from_secs(299)).await;
        assert_eq!(recent().await, Some(1));
        advance(Duration::from_secs(2)).await;
        assert_eq!(recent().await, Some(2));
        let other = kept.recent(&context(), "b", source.read()).await.unwrap();
        assert_eq!((*other, recent().await), (3, Some(2)));
        source.fails.set(true);
        advance(KEPT_FOR).await;
        assert_eq!((recent().await, recent().await, source.reads.get()), (None, None, 4));
        advance(FAILURE_KEPT_FOR).await;
        source.fails.set(false);
        assert_eq!(recent().await, Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_requests_share_one_read_and_each_has_its_own_deadline() {
        let (kept, source) = (RecentDefinitions::default(), CountedSource::default());
        let context = context();
        let all = (0..50).map(|_| kept.recent(&context, "", source.read()));
        let all = futures_util::future::join_all(all).await;
        assert!(all.into_iter().all(|value| value.is_ok_and(|value| *value == 1)));
        // One that must be fresh shares the read of another that began after it was asked for.
        advance(Duration::from_secs(1)).await;
        let fresh = || kept.get(&context, "", Age::Now, source.read());
        let (one, other) = tokio::join!(fresh(), fresh());
        assert_eq!((*one.unwrap().value, *other.unwrap().value), (2, 2));
        let hanging = async { kept.recent(&context, "x", std::future::pending::<Result<usize>>()).await };
        let hurried = CallContext::within(Duration::from_millis(50), "test".into());
        let late = async {
            sleep(Duration::from_millis(1)).await;
            kept.recent(&hurried, "y", source.read()).await
        };
        tokio::select! {
            _ = hanging => unreachable!(),
            late = late => assert_eq!(late.unwrap_err().kind, FailureKind::GatewayTimeout),
        }
    }

    #[tokio::test]
    async fn only_a_refusal_by_a_kept_definition_reads_again() {
        use futures_util::FutureExt;
        for (kept, now, is_kept, outcome, reads) in [
            (1, 1, true, Ok(1), vec![Age::Kept]),
            (0, 1, true, Ok(1), vec![Age::Kept, Age::Now]),
            (0, 0, true, Err(()), vec![Age::Kept, Age::Now]),
            (0, 1, false, Err(()), vec![Age::Kept]),
        ] {
            let asked = RefCell::new(Vec::new());
            let read = |age: Age| {
                asked.borrow_mut().push(age);
                std::future::ready(Ok((if age == Age::Kept { kept } else { now }, is_kept))).boxed()
            };
            let judge = |value: &i32| if *value > 0 { Ok(*value) } else { Err(Failure::internal("refused")) };
            assert_eq!(judged(read, judge).await.map_err(drop), outcome);
            assert_eq!(*asked.borrow(), reads);
        }
    }

    /// Somebody with `n` fields and `n` custom fields.
    fn contact(n: usize) -> Contact {
        let field = |name: String, value: String| (name.into(), RawJson::from_validated(value.into()));
        let custom: Vec<_> = (0..n).map(|n| format!("\"id{n}\":{{\"name\":\"Field {n}\"}}")).collect();
        let mut fields: Vec<_> = (0..n).map(|n| field(format!("f{n}"), "1".to_owned())).collect();
        fields.push(field("customFields".to_owned(), format!("{{{}}}", custom.join(","))));
        fields.push(field("contactType".to_owned(), format!("\"Type {n}\"")));
        Contact { remote_fields: RemoteFields(fields), ..Contact::bare(RemoteId::from("abc123")) }
    }

    #[test]
    fn seeing_fields_takes_linear_work() {
        linear(
            "adapters::definitions::tests::seeing_fields_takes_linear_work",
            &[
                ("fields of one contact", 300, |n| {
                    let contacts = [contact(n)];
                    Box::new(move || drop(black_box(SeenFields::of(spec("aptly").unwrap(), &contacts))))
                }),
                ("contacts", 100, |n| {
                    let contacts: Vec<Contact> = (0..n).map(|_| contact(5)).collect();
                    Box::new(move || drop(black_box(SeenFields::of(spec("aptly").unwrap(), &contacts))))
                }),
            ],
        );
    }

    #[test]
    fn of_values_only_those_of_choices_are_kept() {
        let raw = |text: &str| RawJson::from_validated(text.into());
        let fields = vec![
            ("Contact Type".into(), raw("\"Tenant\"")),
            ("title".into(), raw("\"Countess\"")),
            ("note".into(), raw("null")),
            ("score".into(), raw("3")),
            (
                "customFields".into(),
                raw(r#"{"id1":{"name":"Role","dataType":"text","value":"Guest"},"id2":5}"#),
            ),
        ];
        let one = Contact { remote_fields: RemoteFields(fields), ..Contact::bare(RemoteId::from("abc123")) };
        let other = vec![("score".into(), raw("\"high\"")), ("contactType".into(), raw("\"Tenant\""))];
        let other = Contact { remote_fields: RemoteFields(other), ..Contact::bare(RemoteId::from("abc124")) };
        let seen = SeenFields::of(spec("aptly").unwrap(), [&one, &other]);
        let shown: Vec<_> = seen
            .fields
            .iter()
            .map(|field| {
                let part = |text: &Option<Text>| text.as_deref().unwrap_or("-").to_owned();
                let choices: Vec<&str> = field.choices.iter().map(|choice| choice.value.as_str()).collect();
                [
                    field.name.as_str().to_owned(),
                    part(&field.custom_field_id),
                    part(&field.label),
                    part(&field.json_type),
                    part(&field.data_type),
                    choices.join(","),
                ]
                .join(" ")
            })
            .collect();
        assert_eq!(
            shown,
            [
                "contactType - - string - Tenant",
                "title - - string - ",
                "note - - - - ",
                "score - - mixed - ",
                "customFields id1 Role - text ",
                "customFields id2 - - - ",
            ]
        );
        assert_eq!(seen.values("contactType").map(Text::as_str).collect::<Vec<_>>(), ["Tenant"]);
    }
}
