//! Points at which a debug build can kill itself, for the crash tests.
//!
//! `GATEWAY_CRASH_AT=sent` kills the process the first time it passes [`crash_point`]`("sent")`, `sent:3` the third time.
//! Release builds have neither the points nor the variable.

/// Kills this process as `kill -9` does, if the environment names this point.
#[cfg(debug_assertions)]
pub fn crash_point(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ORDERED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    let Some((wanted, time)) = ORDERED.get_or_init(|| parse(&std::env::var_os(VARIABLE)?.to_string_lossy()))
    else {
        return;
    };
    if wanted == name && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *time {
        // As in a power failure, nothing is flushed, no destructor runs, and all threads stop.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Does nothing in release builds.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn crash_point(_name: &str) {}

/// The name of the point, and after a colon the number of the passing.
#[cfg(debug_assertions)]
const VARIABLE: &str = "GATEWAY_CRASH_AT";

#[cfg(debug_assertions)]
fn parse(text: &str) -> Option<(String, u32)> {
    let (name, time) = text.split_once(':').unwrap_or((text, "1"));
    Some((name.to_owned(), time.parse().ok()?)).filter(|(name, _)| !name.is_empty())
}

/// Whether it is the variable of this file, which is not a setting.
pub(super) fn is_ours(variable: &str) -> bool {
    #[cfg(debug_assertions)]
    return variable == VARIABLE;
    #[cfg(not(debug_assertions))]
    return variable.is_empty();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_point_and_a_passing() {
        assert_eq!(parse("sent"), Some(("sent".to_owned(), 1)));
        assert_eq!(parse("sent:3"), Some(("sent".to_owned(), 3)));
        for text in ["", ":1", "sent:x", "sent:-1"] {
            assert_eq!(parse(text), None, "{text}");
        }
        crash_point("sent"); // Still here: this process has no order.
    }
}
