//! The progress bar of a command that moves many contacts. Without a terminal it only says what the command waits for.

use std::fmt;
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};
use parking_lot::Mutex;

use super::output::Output;

/// How often it is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Bar {
    bar: ProgressBar,
    /// What was said last without a terminal.
    said: Mutex<String>,
}

impl Bar {
    /// A bar for `total` contacts, or without an end if nobody knows how many there are.
    pub(super) fn new(total: Option<u64>) -> Self {
        let bar = ProgressBar::new(total.unwrap_or_default());
        let template = match total {
            Some(_) => "{bar:30} {human_pos} of {human_len}, {per_sec}{left} {wide_msg}",
            None => "{spinner} {human_pos} contacts, {per_sec} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("left", left));
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self { bar, said: Mutex::default() }
    }

    pub(super) fn advance(&self, contacts: u64) {
        self.bar.inc(contacts);
    }

    /// What it is waiting for; empty if it does not wait.
    pub(super) fn tell(&self, message: &str) {
        if self.bar.is_hidden() && !message.is_empty() {
            let mut said = self.said.lock();
            if *said != message {
                Output::note(format!("waiting: {message}"));
                message.clone_into(&mut said);
            }
        }
        self.bar.set_message(message.to_owned());
    }
}

/// The time that is left, once there is a rate to tell it by.
fn left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        let _ = write!(out, ", {:#} left", HumanDuration(state.eta()));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
