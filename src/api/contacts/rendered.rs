//! How writes of contacts are answered.

use std::sync::Arc;

use http::StatusCode;

use crate::api::answer;
use crate::api::extract::Keyed;
use crate::api::schema::{ContactAnswer, DeleteAnswer, UpsertAnswer};
use crate::domain::{CredentialId, Result};
use crate::gateway::contacts::{Render, Shown};
use crate::gateway::idempotency::Answer;

/// The contact, with the place where it can be read.
pub(super) fn created(credential: &CredentialId, keyed: Keyed) -> Render {
    let credential = credential.clone();
    answered(keyed, move |shown| {
        answer::written(StatusCode::OK, &ContactAnswer::of(shown), Some(place(&credential, shown)))
    })
}

/// The contact.
pub(super) fn updated(keyed: Keyed) -> Render {
    answered(keyed, |shown| answer::written(StatusCode::OK, &ContactAnswer::of(shown), None))
}

/// The contact and what was done, with the place where it can be read.
pub(super) fn upserted(credential: &CredentialId, keyed: Keyed) -> Render {
    let credential = credential.clone();
    answered(keyed, move |shown| {
        answer::written(StatusCode::OK, &UpsertAnswer::of(shown), Some(place(&credential, shown)))
    })
}

/// That it is gone.
pub(super) fn deleted(keyed: Keyed) -> Render {
    answered(keyed, |_| answer::written(StatusCode::OK, &DeleteAnswer { success: true }, None))
}

/// What was done as `done` writes it; a refusal of the CRM's as a problem.
fn answered(keyed: Keyed, done: impl Fn(&Shown) -> Result<Answer> + Send + Sync + 'static) -> Render {
    Arc::new(move |outcome| match outcome {
        Ok(shown) => done(shown),
        Err(failure) => Ok(answer::refused(failure, &keyed)),
    })
}

fn place(credential: &CredentialId, shown: &Shown) -> String {
    answer::place(&["crm", "contacts", &shown.id], Some(("credentialId", credential.as_str())))
}
