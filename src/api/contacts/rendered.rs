//! How writes of contacts are answered.

use std::sync::Arc;

use http::StatusCode;

use crate::api::answer;
use crate::api::extract::Keyed;
use crate::api::schema::{ContactAnswer, DeleteAnswer, UpsertAnswer};
use crate::domain::CredentialId;
use crate::gateway::contacts::Render;

/// The contact, with the place where it can be read.
pub(super) fn created(credential: &CredentialId, keyed: Keyed) -> Render {
    let credential = credential.clone();
    Arc::new(move |outcome| match outcome {
        Ok(shown) => {
            let place =
                answer::place(&["crm", "contacts", &shown.id], Some(("credentialId", credential.as_str())));
            answer::written(StatusCode::OK, &ContactAnswer::of(shown), Some(place))
        }
        Err(failure) => Ok(answer::refused(failure, &keyed)),
    })
}

/// The contact.
pub(super) fn updated(keyed: Keyed) -> Render {
    Arc::new(move |outcome| match outcome {
        Ok(shown) => answer::written(StatusCode::OK, &ContactAnswer::of(shown), None),
        Err(failure) => Ok(answer::refused(failure, &keyed)),
    })
}

/// The contact and what was done, with the place where a new one can be read.
pub(super) fn upserted(credential: &CredentialId, keyed: Keyed) -> Render {
    let credential = credential.clone();
    Arc::new(move |outcome| match outcome {
        Ok(shown) => {
            let place =
                answer::place(&["crm", "contacts", &shown.id], Some(("credentialId", credential.as_str())));
            answer::written(StatusCode::OK, &UpsertAnswer::of(shown), Some(place))
        }
        Err(failure) => Ok(answer::refused(failure, &keyed)),
    })
}

/// That it is gone.
pub(super) fn deleted(keyed: Keyed) -> Render {
    Arc::new(move |outcome| match outcome {
        Ok(_) => answer::written(StatusCode::OK, &DeleteAnswer { success: true }, None),
        Err(failure) => Ok(answer::refused(failure, &keyed)),
    })
}
