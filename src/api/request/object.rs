//! Objects of request bodies as tables: each row declares how a field is read, validated and documented.

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, KnownFormat, Object as Described, ObjectBuilder, Schema,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use super::{FieldReader, under};
use crate::api::extract::timestamp;
use crate::domain::bounds::{EMAIL_ADDRESS_MOST, NAME_MOST, SENT_ENTRIES_MOST, TEXT_MOST};
use crate::domain::rules::{self, Lines};
use crate::domain::{Patch, Text, Timestamp};
use crate::json::{self, Kind, Members};

/// The fields of an object that is read into a `T`.
pub(super) struct BodyObject<T: 'static> {
    /// Its name in the OpenAPI document.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// Whether all values are new, so that the rules of new values apply here. Otherwise the rules apply only to values that
    /// differ from those of the CRM, and the gateway applies them after it has read the contact.
    pub(super) is_new: bool,
    pub(super) fields: &'static [BodyField<T>],
    /// Fields that are accepted and ignored.
    pub(super) ignored: &'static [&'static [&'static str]],
}

/// One field of an object.
pub(super) struct BodyField<T: 'static> {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) need: Presence,
    pub(super) shape: BodyValue<T>,
}

pub(super) const fn field<T>(
    name: &'static str,
    about: &'static str,
    need: Presence,
    shape: BodyValue<T>,
) -> BodyField<T> {
    BodyField { name, about, need, shape }
}

/// An optional text.
pub(super) const fn text<T>(
    name: &'static str,
    about: &'static str,
    lines: Lines,
    put: fn(&mut T, Patch<Text>),
) -> BodyField<T> {
    field(name, about, Presence::Optional, BodyValue::Text(lines, put))
}

/// An optional list of at most `most` elements.
pub(super) const fn list<T>(
    name: &'static str,
    about: &'static str,
    most: usize,
    element: fn() -> RefOr<Schema>,
    read: fn(&mut FieldReader<'_>, &str, &str, usize, &mut T),
) -> BodyField<T> {
    let list = BodyList { least: None, most, names_most: true, element, read };
    field(name, about, Presence::Optional, BodyValue::List(list))
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// `null` and blank values count as missing.
    Required,
    /// `null` counts as absent.
    Optional,
    /// May be absent, but `null` is a type error.
    NotNull,
}

/// The type of a field, and how its value is stored in the target.
pub(super) enum BodyValue<T: 'static> {
    Text(Lines, fn(&mut T, Patch<Text>)),
    EmailAddress(fn(&mut T, Text)),
    /// The name of a tenant, a key or a credential.
    Name(fn(&mut T, Text)),
    /// A word that the gateway validates later.
    Word(fn(&mut T, Text)),
    Time(fn(&mut T, Timestamp)),
    /// An object with a reader of its own.
    Any(fn(&mut FieldReader<'_>, &str, &str, &mut T)),
    List(BodyList<T>),
}

pub(super) struct BodyList<T: 'static> {
    pub(super) least: Option<usize>,
    pub(super) most: usize,
    /// Whether the document states the limit as `maxItems`.
    pub(super) names_most: bool,
    pub(super) element: fn() -> RefOr<Schema>,
    /// Reads the list, given its pointer, its text and its limit.
    pub(super) read: fn(&mut FieldReader<'_>, &str, &str, usize, &mut T),
}

impl<T> BodyObject<T> {
    /// Reads the fields into `target` in their order, and passes unknown ones to `other`. Then it reports missing fields.
    pub(super) fn read_with(
        &self,
        reader: &mut FieldReader<'_>,
        at: &str,
        members: &Members<'_>,
        target: &mut T,
        mut other: impl FnMut(&mut FieldReader<'_>, &str, &str, &str, &mut T),
    ) {
        for (name, raw) in &members.0 {
            let at = under(at, name);
            match self.field(name) {
                Some(field) => field.read(reader, &at, raw.get(), target),
                None => other(reader, &at, name, raw.get(), target),
            }
        }
        let given = |field: &BodyField<T>| members.0.iter().any(|(name, _)| name == field.name);
        for field in self.fields.iter().filter(|field| field.need == Presence::Required && !given(field)) {
            reader.required(&under(at, field.name));
        }
    }

    /// The same, but reports unknown fields first.
    pub(super) fn read(&self, reader: &mut FieldReader<'_>, at: &str, members: &Members<'_>, target: &mut T) {
        for (name, _) in members.0.iter().filter(|(name, _)| self.field(name).is_none()) {
            reader.unknown(&under(at, name), name, &self.names());
        }
        self.read_with(reader, at, members, target, |_, _, _, _, _| {});
    }

    fn field(&self, name: &str) -> Option<&BodyField<T>> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Reads an element of a list into `target`.
    pub(super) fn element(
        &self,
        reader: &mut FieldReader<'_>,
        at: &str,
        raw: &str,
        mut target: T,
    ) -> Option<T> {
        let members = reader.object(at, raw)?;
        self.read(reader, at, &members, &mut target);
        Some(target)
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.fields.iter().map(|field| field.name).collect()
    }

    pub(super) fn schema(&self) -> Schema {
        let mut object = ObjectBuilder::new().description(Some(self.about));
        for field in self.fields {
            object = object.property(field.name, field.schema(self.is_new));
            if field.need == Presence::Required {
                object = object.required(field.name);
            }
        }
        let ignored = || {
            let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue).read_only(true);
            any.description(Some("Accepted and ignored.")).build()
        };
        for name in self.ignored.iter().copied().flatten() {
            object = object.property(*name, ignored());
        }
        object.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false))).build().into()
    }

    pub(super) fn reference(&self) -> RefOr<Schema> {
        Ref::from_schema_name(self.name).into()
    }
}

impl<T> BodyField<T> {
    fn read(&self, reader: &mut FieldReader<'_>, at: &str, raw: &str, target: &mut T) {
        let is_null = json::kind(raw) == Kind::Null;
        match &self.shape {
            BodyValue::Text(lines, set) => match reader.text(at, raw, *lines) {
                Patch::Clear if self.need == Presence::Required => reader.required(at),
                text => set(target, text),
            },
            BodyValue::List(list) => (list.read)(reader, at, raw, list.most, target),
            _ if is_null && self.need == Presence::Required => reader.required(at),
            _ if is_null && self.need == Presence::Optional => {}
            BodyValue::EmailAddress(set) => {
                if let Some(text) = reader.required_text(at, Some(raw)) {
                    reader.judge(at, || rules::email_address(&text));
                    set(target, text);
                }
            }
            BodyValue::Word(set) => {
                if let Some(text) = reader.required_text(at, Some(raw)) {
                    set(target, text);
                }
            }
            BodyValue::Name(set) => {
                if let Some(name) = name(reader, at, raw) {
                    set(target, name);
                }
            }
            BodyValue::Time(set) => {
                if let Some(time) = time(reader, at, raw) {
                    set(target, time);
                }
            }
            BodyValue::Any(read) => read(reader, at, raw, target),
        }
    }

    fn schema(&self, is_new: bool) -> RefOr<Schema> {
        let most = |most: usize| is_new.then_some(most);
        let plain = || ObjectBuilder::new().schema_type(self.kind(Type::String));
        let mut described: Described = match &self.shape {
            BodyValue::Text(..) => {
                let least = (self.need == Presence::Required).then_some(1);
                plain().max_length(most(TEXT_MOST)).min_length(least).build()
            }
            BodyValue::EmailAddress(_) => {
                let email = is_new.then_some(SchemaFormat::KnownFormat(KnownFormat::Email));
                plain().max_length(most(EMAIL_ADDRESS_MOST)).format(email).build()
            }
            BodyValue::Name(_) => plain().max_length(Some(NAME_MOST)).min_length(Some(1)).build(),
            BodyValue::Word(_) => plain().build(),
            BodyValue::Time(_) => {
                plain().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build()
            }
            BodyValue::Any(_) => ObjectBuilder::new().schema_type(self.kind(Type::Object)).build(),
            BodyValue::List(list) => {
                let sent = if is_new { list.most } else { SENT_ENTRIES_MOST };
                let about = if is_new {
                    format!("{}.", self.about)
                } else {
                    format!(
                        "The whole list: {}. If an entry is new, at most {} entries.",
                        self.about, list.most
                    )
                };
                return ArrayBuilder::new()
                    .schema_type(self.kind(Type::Array))
                    .items((list.element)())
                    .description(Some(about))
                    .min_items(list.least)
                    .max_items(list.names_most.then_some(sent))
                    .build()
                    .into();
            }
        };
        described.description = Some(self.about.to_owned());
        Schema::from(described).into()
    }

    fn kind(&self, kind: Type) -> SchemaType {
        if self.need == Presence::Optional { SchemaType::from_iter([kind, Type::Null]) } else { kind.into() }
    }
}

/// Reads a name. Its length is measured after trimming.
fn name(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Text> {
    let text = Some(raw).filter(|raw| json::kind(raw) == Kind::String).and_then(json::string);
    if text.is_some_and(|text| text.trim().chars().count() > NAME_MOST) {
        reader.fault(at, "too_long", format!("Too long: at most {NAME_MOST} characters are allowed."));
        return None;
    }
    reader.required_text(at, Some(raw))
}

fn time(reader: &mut FieldReader<'_>, at: &str, raw: &str) -> Option<Timestamp> {
    let text: Patch<Text> = reader.text(at, raw, Lines::One);
    if json::kind(raw) != Kind::String {
        return None;
    }
    let read = timestamp(text.value().map_or("", Text::as_str));
    read.map_err(|detail| reader.fault(at, "malformed", detail)).ok()
}

/// Documents a `$body` by the table that reads it, and the elements of its lists by theirs.
macro_rules! documented {
    ($($body:ty: $object:expr, [$($inner:expr),*];)*) => { $(
        impl utoipa::PartialSchema for $body {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $object.schema().into()
            }
        }

        impl utoipa::ToSchema for $body {
            fn name() -> std::borrow::Cow<'static, str> {
                $object.name.into()
            }

            fn schemas(all: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
                let inner: &[(&str, fn() -> utoipa::openapi::Schema)] = &[$($inner),*];
                all.extend(inner.iter().map(|(name, schema)| ((*name).to_owned(), schema().into())));
            }
        }
    )* };
}

pub(super) use documented;
