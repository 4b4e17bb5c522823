//! When keys were last used, in whole minutes: recorded in memory and written in the background, so that requests do not wait for the
//! database.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::domain::{KeyId, Result, Timestamp};
use crate::store::{KeyStore, now};

const MINUTE: i64 = 60;

/// The last use of keys.
#[derive(Default)]
pub(super) struct LastUsed {
    /// The last minute of each key's use, and whether it is still to be written. A key that was not used since the last write is
    /// removed by the next one.
    noted: Mutex<HashMap<KeyId, (i64, bool)>>,
}

impl LastUsed {
    /// Notes that the key is used now.
    pub(super) fn note(&self, id: &KeyId) {
        let minute = now().as_second() / MINUTE;
        let mut noted = self.noted.lock();
        match noted.get_mut(id) {
            Some((known, _)) if *known == minute => {}
            Some(known) => *known = (minute, true),
            None => drop(noted.insert(id.clone(), (minute, true))),
        }
    }

    /// Writes the recorded uses. A use that cannot be written is recorded again.
    pub(super) async fn write(&self, keys: &KeyStore) -> Result<()> {
        for (id, minute) in self.waiting() {
            let Ok(at) = Timestamp::from_second(minute * MINUTE) else { continue };
            if let Err(failure) = keys.note_use(&id, at).await {
                self.noted.lock().entry(id).or_insert((minute, true)).1 = true;
                return Err(failure);
            }
        }
        Ok(())
    }

    fn waiting(&self) -> Vec<(KeyId, i64)> {
        let mut noted = self.noted.lock();
        noted.retain(|_, (_, waits)| *waits);
        let waiting = noted.iter_mut().map(|(id, (minute, waits))| {
            *waits = false;
            (id.clone(), *minute)
        });
        waiting.collect()
    }
}
