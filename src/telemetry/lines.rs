//! The queue of log lines: bounded, with one thread that writes to standard error, so that a slow reader never blocks the
//! process. It is written by hand because channels limit the number of lines and not their bytes.

use std::io::{self, Write};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How many bytes may wait. The writer may hold as many again.
const WAITING_MOST: usize = 512 * 1024;
/// The longest line. A longer one is cut: one line must not push out thousands.
const LINE_MOST: usize = 16 * 1024;

pub(super) struct LogLines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

struct LinesState {
    waiting: Vec<u8>,
    dropped: u64,
    /// Whether the writer has taken lines that it has not written yet.
    writing: bool,
}

impl LogLines {
    pub(super) const fn new() -> Self {
        let state = LinesState { waiting: Vec::new(), dropped: 0, writing: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues one whole line, or drops and counts it if the queue is full. Never blocks on the reader.
    pub(super) fn push(&self, line: &[u8], json: bool) {
        let cut = (line.len() > LINE_MOST).then(|| cut(line, json));
        let line = cut.as_deref().unwrap_or(line);
        let mut state = self.state.lock();
        if state.waiting.len() + line.len() > WAITING_MOST {
            state.dropped += 1;
        } else {
            state.waiting.extend_from_slice(line);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Writes queued lines to `output`, forever. Reports the number of dropped lines at the position where they are missing.
    /// Errors of the output are ignored: there is nowhere to report them.
    pub(super) fn write_to(&self, mut output: impl Write, json: bool) {
        loop {
            let (lines, dropped) = self.take();
            // One write per line, because other processes may write to the same pipe.
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let _ = output.write_all(line);
            }
            if dropped > 0 {
                let _ = output.write_all(&told(dropped, json));
            }
            let _ = output.flush();
            self.state.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn take(&self) -> (Vec<u8>, u64) {
        let nothing = |state: &mut LinesState| state.waiting.is_empty() && state.dropped == 0;
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, nothing);
        state.writing = true;
        (std::mem::take(&mut state.waiting), std::mem::take(&mut state.dropped))
    }

    /// Waits until everything is written, but no longer than `time`.
    pub(super) fn flush(&self, time: Duration) {
        let open = |state: &mut LinesState| state.writing || !state.waiting.is_empty() || state.dropped > 0;
        // The result does not matter: the process ends either way.
        self.changed.wait_while_for(&mut self.state.lock(), open, time);
    }
}

/// The writer that the log formatter uses; each write is one line.
pub(super) struct LineWriter {
    pub(super) lines: &'static LogLines,
    pub(super) json: bool,
}

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.push(line, self.json);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shortens a line that is too long. In JSON its beginning becomes a field of a new object, so that it still parses.
fn cut(line: &[u8], json: bool) -> Vec<u8> {
    let begin = String::from_utf8_lossy(&line[..LINE_MOST / 4]);
    let bytes = line.len();
    let mut cut = if json {
        serde_json::json!({ "timestamp": now(), "level": "WARN", "message": "a log line was too long and was cut",
            "bytes": bytes, "begin": begin })
        .to_string()
    } else {
        format!("{begin}… (cut; the line has {bytes} bytes)")
    };
    cut.push('\n');
    cut.into_bytes()
}

fn told(dropped: u64, json: bool) -> Vec<u8> {
    let message = "log lines were dropped: standard error was not read fast enough";
    let mut line = if json {
        serde_json::json!({ "timestamp": now(), "level": "WARN", "message": message, "lines": dropped })
            .to_string()
    } else {
        format!("{}  WARN {dropped} {message}", now())
    };
    line.push('\n');
    line.into_bytes()
}

fn now() -> String {
    crate::clock::now().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// An output that accepts a line only when told to, and records it.
    struct StalledReader(mpsc::Receiver<()>, mpsc::Sender<String>);

    impl Write for StalledReader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1
                .send(String::from_utf8_lossy(bytes).into_owned())
                .map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_told_where_it_is_missing() {
        static LINES: LogLines = LogLines::new();
        let ((go, stalled), (sender, read)) = (mpsc::channel(), mpsc::channel());
        std::thread::spawn(move || LINES.write_to(StalledReader(stalled, sender), true));
        LINES.push(b"first\n", true);
        while !LINES.state.lock().writing {
            std::thread::yield_now();
        }
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        for _ in 0..WAITING_MOST / 1024 + 7 {
            LINES.push(&line, true);
        }
        LINES.flush(Duration::from_millis(1)); // Returns although the reader is stalled.
        drop(go);
        LINES.flush(Duration::from_secs(20));
        let read: Vec<String> = read.try_iter().collect();
        assert_eq!((read.len(), read[0].as_str()), (WAITING_MOST / 1024 + 2, "first\n"));
        let last: serde_json::Value = serde_json::from_str(read.last().unwrap()).unwrap();
        assert_eq!((&last["lines"], &last["level"]), (&7.into(), &"WARN".into()));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_and_still_one_line() {
        let line = format!("{{\"message\":\"{}é\"}}\n", "é\\\"".repeat(LINE_MOST));
        for json in [true, false] {
            let cut = String::from_utf8(cut(line.as_bytes(), json)).unwrap();
            assert!(cut.len() < LINE_MOST && cut.ends_with('\n') && cut.matches('\n').count() == 1, "{cut}");
            let parsed = serde_json::from_str::<serde_json::Value>(&cut);
            assert_eq!(parsed.is_ok_and(|parsed| parsed["bytes"] == line.len()), json);
        }
    }
}
