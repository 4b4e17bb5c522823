//! What can go wrong with a call, declared once: the type, its JSON, and the texts of the help and the guide.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Disruption, Fault, Shape};

/// One kind of fault, as it is documented.
#[derive(Debug)]
pub struct FaultDoc {
    /// The `kind` in JSON.
    pub name: &'static str,
    /// One or two sentences.
    pub about: &'static str,
    pub fields: &'static [FaultField],
}

/// A field of a fault.
#[derive(Debug)]
pub struct FaultField {
    pub name: &'static str,
    pub is_required: bool,
    pub takes: FieldType,
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    Number,
    /// The status of a response.
    Status,
    /// `true` or `false`.
    Flag,
    Text,
    /// Any value.
    Json,
}

impl FaultDoc {
    /// A field of this kind, or of every fault.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static FaultField> {
        self.all_fields().find(|field| field.name == name)
    }

    /// The fields of this kind, and those of every fault.
    pub fn all_fields(&self) -> impl Iterator<Item = &'static FaultField> + use<> {
        self.fields.iter().chain(Fault::LIMITS)
    }
}

impl FaultField {
    pub(super) const fn new<T: FaultValue>(name: &'static str, has_default: bool) -> Self {
        Self { name, is_required: !(has_default || T::IS_OPTIONAL), takes: T::TYPE }
    }
}

/// A Rust type of a field.
pub(super) trait FaultValue {
    const TYPE: FieldType;
    const IS_OPTIONAL: bool = false;
}

macro_rules! fault_values {
    ($($type:ident: $($rust:ty),+;)*) => {$($(
        impl FaultValue for $rust {
            const TYPE: FieldType = FieldType::$type;
        }
    )+)*};
}

fault_values! {
    Number: u32, u64, i64, usize;
    Status: u16;
    Flag: bool;
    Text: String, Shape;
    Json: Value, Map<String, Value>, Vec<(String, String)>;
}

impl<T: FaultValue> FaultValue for Option<T> {
    const TYPE: FieldType = T::TYPE;
    const IS_OPTIONAL: bool = true;
}

/// Each variant with its documentation, the `kind` in JSON, and its fields. A field with a default in quotes may be left out.
macro_rules! fault_kinds {
    ($($(#[doc = $about:literal])+ $name:ident $kind:literal
        $({ $($field:ident: $type:ty $(= $default:literal)?),* })?;)*) => {
        /// What goes wrong. "Applied" means that the CRM did what was requested before the response failed.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum FaultKind {
            $(
                $(#[doc = $about])+
                #[serde(rename = $kind)]
                $name $({ $($(#[serde(default = $default)])? $field: $type),* })?,
            )*
            /// One field of the record is stored wrongly. Only affects calls that may write.
            #[serde(rename = "field")]
            Field(Disruption),
        }

        impl FaultKind {
            /// Every kind.
            pub const DOCS: &'static [FaultDoc] = &[
                $(FaultDoc {
                    name: $kind,
                    about: concat!($($about),+),
                    fields: &[$($(FaultField::new::<$type>(
                        stringify!($field),
                        matches!(&[$($default)?] as &[&str], [_]),
                    )),*)?],
                },)*
                FaultDoc {
                    name: "field",
                    about: " One field of the record is stored wrongly. Only affects calls that may write.",
                    fields: Disruption::FIELDS,
                },
            ];
        }
    };
}

impl FaultKind {
    /// The documentation of the kind with this name in JSON.
    #[must_use]
    pub fn doc(name: &str) -> Option<&'static FaultDoc> {
        Self::DOCS.iter().find(|doc| doc.name == name)
    }
}

fault_kinds! {
    /// Waits, then applies and responds; applied late even if the client has disconnected.
    Latency "latency" { ms: u64 };
    /// Applied at once; the response is late.
    LateAnswer "late_answer" { ms: u64 };
    /// Nothing applied; no response, and the connection stays open.
    NeverAnswer "never_answer";
    /// Applied; no response, and the connection stays open.
    AppliedNeverAnswers "applied_never_answers";
    /// Nothing applied; this response instead.
    Status "status" {
        code: u16,
        body: String = "String::new",
        content_type: String = "json_type",
        headers: Vec<(String, String)> = "Vec::new"
    };
    /// Nothing applied; "too many requests" in the CRM's own format.
    TooManyRequests "too_many_requests" { retry_after: Option<String> };
    /// Nothing applied; the connection is reset before the body is read.
    ResetBeforeReading "reset_before_reading";
    /// Applied; the connection is reset instead of a response.
    ResetAfterApplying "reset_after_applying";
    /// Applied; reset after the head of the response.
    ResetAfterHead "reset_after_head";
    /// Applied; reset in the body.
    ResetMidBody "reset_mid_body";
    /// Applied; half of the declared body, then a normal close.
    TruncatedBody "truncated_body";
    /// Applied; a correctly framed body with only half of the JSON.
    CutJson "cut_json";
    /// Applied; chunked, and cut inside a chunk.
    CutChunk "cut_chunk";
    /// Applied; a Content-Length that differs from the body by `by` bytes, then a normal close.
    WrongContentLength "wrong_content_length" { by: i64 };
    /// Applied; a body of `bytes` bytes, with or without a declared length.
    Oversized "oversized" { bytes: u64, declared: bool };
    /// Applied; one byte, a pause, one byte, …
    Drip "drip" { ms: u64 = "one_second" };
    /// Applied; one byte of the body, then nothing more.
    Stall "stall";
    /// Applied; a gzip body that unpacks to `bytes` bytes, about a thousand to one.
    GzipBomb "gzip_bomb" { bytes: u64 };
    /// Applied; the body with another content type, or with none.
    ContentType "content_type" { value: Option<String> };
    /// Applied; the body compressed `layers` times, while `Content-Encoding` says gzip once.
    Gzip "gzip" { layers: u32 };
    /// Applied; the whole response, then a reset.
    AnsweredThenReset "answered_then_reset";
    /// Applied; the whole response, then nothing; the connection stays open.
    AnsweredThenSilent "answered_then_silent";
    /// Applied; the body between two texts.
    Around "around" { before: String, after: String };
    /// Applied; the body with other fields: `only_ids`, `no_ids`, `more_fields`, `nulls`, `numbers_as_texts`,
    /// `values_for_lists`, `lists_for_texts`, `huge_numbers` or `beyond_numbers`.
    Reshape "reshape" { how: Shape };
    /// Applied; an HTML page.
    HtmlBody "html_body" { status: u16 };
    /// Applied; any text as the body, with status 200.
    Body "body" { text: String };
    /// Applied; any bytes (in base64) as a JSON body, with status 200.
    Bytes "bytes" { base64: String };
    /// Nothing applied; a redirect.
    Redirect "redirect" { status: u16, location: String };
    /// Nothing applied; `success: false` or the like with status 200.
    SuccessFalse "success_false" { message: String };
    /// Applied; status 200 with an empty body.
    EmptyAnswer "empty_answer";
    /// Applied; status 204.
    NoContent "no_content";
    /// Applied; then this status with the CRM's usual error body.
    AppliedThen "applied_then" { status: u16 };
    /// Applied twice, one response.
    AppliedTwice "applied_twice";
    /// Applied; a response after `count` responses with status 103.
    InformationalFlood "informational_flood" { count: u32 };
    /// Applied; a response with `count` additional headers.
    ManyHeaders "many_headers" { count: u32 };
    /// Applied; a response with one header of `bytes` bytes.
    HugeHeader "huge_header" { bytes: usize };
    /// Before the call is handled, another client changes these fields of the contact (by default the contact in the path).
    /// The call itself succeeds.
    Meanwhile "meanwhile" { contact: Option<String>, set: Map<String, Value> };
    /// Before the call is handled, another client merges `other` into `primary`. The call itself succeeds.
    MergedMeanwhile "merged_meanwhile" { primary: String, other: String };
}

fn json_type() -> String {
    "application/json".to_owned()
}

const fn one_second() -> u64 {
    1000
}
