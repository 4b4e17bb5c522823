//! The progress bar of a command that moves many contacts: shown on a terminal, and nowhere else.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often it is drawn while nothing happens.
const TICK: Duration = Duration::from_millis(200);

pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar for `total` contacts, or without an end if nobody knows how many there are.
    pub(super) fn new(total: Option<u64>) -> Self {
        let bar = ProgressBar::new(total.unwrap_or_default());
        let template = match total {
            Some(_) => "{bar:30} {human_pos} of {human_len}, {per_sec}, {eta} left {wide_msg}",
            None => "{spinner} {human_pos} contacts, {per_sec} {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Self(bar)
    }

    pub(super) fn advance(&self, contacts: u64) {
        self.0.inc(contacts);
    }

    /// What it is waiting for; empty if it does not wait.
    pub(super) fn tell(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
