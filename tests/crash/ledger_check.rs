//! What the simulated CRMs say of every contact that was asked for: the judge of all runs.

use std::collections::HashMap;

use super::cluster::Cluster;
use super::create::Create;
use crate::reply::Reply;

/// What both CRMs made and hold, by last name; taken once, for thousands of creates.
pub(crate) struct LedgerCheck([HashMap<String, Entry>; 2]);

#[derive(Default)]
struct Entry {
    /// How many calls wrote this contact: Aptly's second create of one e-mail is an update, and as wrong.
    made: usize,
    /// The ids of those that bear the name.
    held: Vec<String>,
}

impl LedgerCheck {
    pub(crate) fn of(cluster: &Cluster) -> Self {
        Self([0, 1].map(|crm| {
            let mut entries: HashMap<String, Entry> = HashMap::new();
            let calls = cluster.crms[crm].calls().into_iter();
            for call in calls.filter(|call| call.applied.is_write()) {
                entries.entry(name(&call.body)).or_default().made += 1;
            }
            for contact in cluster.crms[crm].contacts() {
                let id = contact["_id"].as_str().map(str::to_owned);
                entries.entry(name(&contact.to_string())).or_default().held.extend(id);
            }
            entries
        }))
    }

    /// What is wrong with a final answer: its contact was made more than once, or is not there.
    pub(crate) fn wrong(&self, create: &Create, answer: &Reply) -> Option<String> {
        let none = Entry::default();
        let Entry { made, held } = self.0[create.crm].get(&create.name()).unwrap_or(&none);
        let named = &answer.json()["contact"]["remoteId"];
        let right = *made == 1 && held.len() == 1 && named.as_str() == Some(&held[0]);
        (!right)
            .then(|| format!("{}: made {made} times, held as {held:?}, answered as {named}", create.name()))
    }

    /// How many contacts were made in all.
    pub(crate) fn made(&self) -> usize {
        self.0.iter().flat_map(HashMap::values).map(|entry| entry.made).sum()
    }
}

/// The one last name in a text; all begin the same.
fn name(text: &str) -> String {
    let found = text.split("\"Number").nth(1).and_then(|rest| rest.split('"').next());
    found.map(|number| format!("Number{number}")).unwrap_or_default()
}
