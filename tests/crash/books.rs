//! What the simulated CRMs say of every contact that was asked for: the judge of all runs.

use std::collections::HashMap;

use contacts_gateway::simulators::Applied;
use serde_json::Value;

use super::create::Create;
use super::gateway::Reply;
use super::scene::Scene;

/// What both CRMs made and hold, by e-mail; taken once, for thousands of creates.
pub(crate) struct Books([HashMap<String, Entry>; 2]);

#[derive(Default)]
struct Entry {
    /// How many calls made a contact of this e-mail.
    made: usize,
    /// The ids of those that hold it.
    held: Vec<String>,
}

impl Books {
    pub(crate) fn of(scene: &Scene) -> Self {
        Self([0, 1].map(|crm| {
            let mut entries: HashMap<String, Entry> = HashMap::new();
            let calls = scene.crms[crm].calls().into_iter();
            for call in calls.filter(|call| matches!(call.applied, Applied::Created(_))) {
                entries.entry(email(&call.body)).or_default().made += 1;
            }
            for contact in scene.crms[crm].contacts() {
                let id = contact["_id"].as_str().map(str::to_owned);
                entries.entry(email(&contact.to_string())).or_default().held.extend(id);
            }
            entries
        }))
    }

    /// What is wrong with a final answer: its contact was made more than once, or is not there.
    pub(crate) fn wrong(&self, create: &Create, answer: &Reply) -> Option<String> {
        let none = Entry::default();
        let Entry { made, held } = self.0[create.crm].get(&create.email()).unwrap_or(&none);
        let named = &answer.json()["contact"]["remoteId"];
        let right = *made == 1 && held.len() == 1 && *named == Value::from(held[0].as_str());
        (!right)
            .then(|| format!("{}: made {made} times, held as {held:?}, answered as {named}", create.email()))
    }

    /// How many contacts were made in all.
    pub(crate) fn made(&self) -> usize {
        self.0.iter().flat_map(HashMap::values).map(|entry| entry.made).sum()
    }
}

/// The one e-mail in a text; they all begin and end the same.
fn email(text: &str) -> String {
    let found = text.find("person-").and_then(|from| Some((from, from + text[from..].find("@example.com")?)));
    found.map(|(from, to)| format!("{}@example.com", &text[from..to])).unwrap_or_default()
}
