//! The users of the organisation, their tokens and their login.

use std::collections::BTreeMap;

use serde_json::{Value, json};

pub(super) const ORGANIZATION: &str = "64f0a1b2c3d4e5f6a7b8c9d3";

/// The valid tokens, each with its user.
pub(super) struct Sessions {
    tokens: BTreeMap<String, usize>,
    users: usize,
    logins: u64,
}

impl Sessions {
    /// A user for each token, and at least three users in all, so that `my` never matches all contacts.
    pub(super) fn new(tokens: &[String]) -> Self {
        let tokens: BTreeMap<_, _> =
            tokens.iter().enumerate().map(|(user, token)| (token.clone(), user)).collect();
        Self { users: tokens.len().max(3), tokens, logins: 0 }
    }

    pub(super) fn user(&self, token: Option<&str>) -> Option<usize> {
        token.and_then(|token| self.tokens.get(token)).copied()
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    /// Every login returns a new token; older ones stay valid.
    pub(super) fn log_in(&mut self, email: &str) -> Option<(String, usize)> {
        let user = (0..self.users).find(|user| address(*user) == email.trim().to_lowercase())?;
        self.logins += 1;
        let token = format!("session-{}-of-user-{}", self.logins, user + 1);
        self.tokens.insert(token.clone(), user);
        Some((token, user))
    }

    /// The response to `GET /api/user/list`.
    pub(super) fn shown(&self) -> Value {
        (0..self.users).map(shown).collect()
    }
}

/// The id of a user; the first is the user in the documentation's examples.
pub(super) fn id(user: usize) -> String {
    format!("64f0a1b2c3d4e5f6a7b8{:04x}", 0xc9d4 + user * 0x100)
}

pub(super) fn full_name(user: usize) -> String {
    let names = ["Robin Example", "Kim Sample", "Alex Placeholder"];
    names.get(user).map_or_else(|| format!("User {}", user + 1), |name| (*name).to_owned())
}

/// The user in the response to a login.
pub(super) fn logged_in(user: usize) -> Value {
    json!({ "id": id(user), "email": address(user), "fullName": full_name(user), "organizationId": ORGANIZATION,
        "accessRole": role(user) })
}

fn shown(user: usize) -> Value {
    json!({ "_id": id(user), "email": address(user), "fullName": full_name(user), "organizationId": ORGANIZATION,
        "accessRole": role(user) })
}

fn address(user: usize) -> String {
    format!("user{}@example.com", user + 1)
}

const fn role(user: usize) -> &'static str {
    if user == 0 { "ADMIN" } else { "SALES_REP" }
}
