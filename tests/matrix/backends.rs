//! The variants of the two CRMs: what they show and take, as a table.

use contacts_gateway::simulators::Running;
use contacts_gateway::simulators::aptly::{self, Dialect, Me, RowShape};
use contacts_gateway::simulators::pipeline::{self, Envelope, ListPhones};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Aptly,
    Pipeline,
}

/// One variant of a CRM with the settings of its credential.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) provider: Provider,
    /// Aptly's `writeFormat`; nothing for the default.
    write_format: Option<&'static str>,
    /// Whether several addresses, numbers of one type and their order can be written in the format that a gateway may use.
    pub(crate) native: bool,
    /// Whether some reading shows the company of a person.
    pub(crate) shows_account: bool,
    /// Whether rows show whole lists of addresses and numbers.
    pub(crate) whole_rows: bool,
    aptly: Option<fn() -> aptly::AptlyOptions>,
    pipeline: Option<fn() -> pipeline::PipelineOptions>,
}

const fn aptly(name: &'static str, options: fn() -> aptly::AptlyOptions) -> Backend {
    Backend {
        name,
        provider: Provider::Aptly,
        write_format: None,
        native: true,
        shows_account: true,
        whole_rows: true,
        aptly: Some(options),
        pipeline: None,
    }
}

const fn pipeline(name: &'static str, options: fn() -> pipeline::PipelineOptions) -> Backend {
    Backend {
        name,
        provider: Provider::Pipeline,
        write_format: None,
        native: true,
        shows_account: true,
        whole_rows: true,
        aptly: None,
        pipeline: Some(options),
    }
}

fn v3() -> aptly::AptlyOptions {
    aptly::AptlyOptions { dialect: Dialect::V3, ..aptly::AptlyOptions::empty() }
}

fn lists(envelope: Envelope, list_phones: ListPhones) -> pipeline::PipelineOptions {
    pipeline::PipelineOptions { envelope, list_phones, ..pipeline::PipelineOptions::empty() }
}

/// All variants.
pub(crate) static BACKENDS: &[Backend] = &[
    aptly("aptly-v2", aptly::AptlyOptions::empty),
    Backend { native: false, ..aptly("aptly-v2-legacy-only", aptly::AptlyOptions::legacy_only) },
    Backend { write_format: Some("native"), ..aptly("aptly-v2-set-native", aptly::AptlyOptions::empty) },
    aptly("aptly-v3", v3),
    Backend { native: false, write_format: Some("legacy"), ..aptly("aptly-v3-set-legacy", v3) },
    Backend { shows_account: false, ..aptly("aptly-published", aptly::AptlyOptions::published) },
    Backend {
        shows_account: false,
        whole_rows: false,
        ..aptly("aptly-published-rows-alone", || aptly::AptlyOptions {
            rows: RowShape::Alone,
            ..aptly::AptlyOptions::published()
        })
    },
    // It looks like v3 and loses what is written natively.
    Backend {
        native: false,
        ..aptly("aptly-native-lost", || aptly::AptlyOptions {
            me: Me::Account,
            ..aptly::AptlyOptions::legacy_only()
        })
    },
    aptly("aptly-resolves", || aptly::AptlyOptions { resolves: true, ..v3() }),
    pipeline("pipeline-v2", pipeline::PipelineOptions::empty),
    pipeline("pipeline-v1", || lists(Envelope::V1, ListPhones::Text)),
    pipeline("pipeline-v2-text", || lists(Envelope::V2, ListPhones::Text)),
    pipeline("pipeline-v2-primary-text", || lists(Envelope::V2, ListPhones::PrimaryText)),
    pipeline("pipeline-v2-only-primary", || lists(Envelope::V2, ListPhones::OnlyPrimary)),
    pipeline("pipeline-whole-answers", || pipeline::PipelineOptions {
        update_with_contact: true,
        create_answer: pipeline::CreateAnswer::WithContact,
        ..pipeline::PipelineOptions::empty()
    }),
    pipeline("pipeline-resolves", || pipeline::PipelineOptions {
        resolves: true,
        ..pipeline::PipelineOptions::empty()
    }),
];

impl Backend {
    pub(crate) async fn start(&self) -> Running {
        match (self.aptly, self.pipeline) {
            (Some(options), _) => aptly::AptlySimulator::start(options()).await.unwrap(),
            (None, Some(options)) => pipeline::PipelineSimulator::start(options()).await.unwrap(),
            (None, None) => panic!("no CRM behind {}", self.name),
        }
    }

    pub(crate) const fn provider_name(&self) -> &'static str {
        match self.provider {
            Provider::Aptly => "aptly",
            Provider::Pipeline => "pipeline",
        }
    }

    pub(crate) fn settings(&self) -> Value {
        self.write_format.map_or_else(|| json!({}), |format| json!({ "writeFormat": format }))
    }

    pub(crate) fn is_aptly(&self) -> bool {
        self.provider == Provider::Aptly
    }
}
