//! The queue of log lines: bounded, with one thread that writes to standard error, so that a slow reader never blocks the
//! process. It is written by hand because channels limit the number of lines and not their bytes.

use std::io::{self, Write};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long the writer waits for further lines before it writes, so that a busy process wakes it seldom.
const GATHERED_FOR: Duration = Duration::from_millis(5);
/// Several lines are written at once up to this size, which a pipe takes whole: other processes may write to it.
const WRITTEN_AT_ONCE: usize = 4096;
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
    dropped_in_all: u64,
    /// Whether the writer has taken lines that it has not written yet.
    writing: bool,
}

impl LogLines {
    pub(super) const fn new() -> Self {
        let state = LinesState { waiting: Vec::new(), dropped: 0, dropped_in_all: 0, writing: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues one whole line, or drops and counts it if the queue is full. Never blocks on the reader.
    pub(super) fn push(&self, line: &[u8], json: bool) {
        let cut = (line.len() > LINE_MOST).then(|| cut(line, json));
        let line = cut.as_deref().unwrap_or(line);
        let mut state = self.state.lock();
        let was_empty = state.waiting.is_empty();
        if state.waiting.len() + line.len() > WAITING_MOST {
            state.dropped += 1;
            state.dropped_in_all += 1;
        } else {
            state.waiting.extend_from_slice(line);
        }
        drop(state);
        // Otherwise the writer was woken before.
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// How many lines were dropped since the start.
    pub(super) fn lost(&self) -> u64 {
        self.state.lock().dropped_in_all
    }

    /// Writes queued lines to `output`, forever. Reports the number of dropped lines at the position where they are missing.
    /// Lines that cannot be written, because the disk is full, are counted as dropped and reported once lines can be written again.
    pub(super) fn write_to(&self, output: impl Write, json: bool) {
        let mut output = LineOutput { output, is_torn: false };
        let mut unreported = 0;
        loop {
            let (lines, dropped) = self.take();
            unreported += dropped;
            for part in parts(&lines) {
                let lost = output.write(part);
                unreported += lost;
                self.state.lock().dropped_in_all += lost;
            }
            if unreported > 0 && output.write(&told(unreported, json)) == 0 {
                unreported = 0;
            }
            self.state.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn take(&self) -> (Vec<u8>, u64) {
        let nothing = |state: &mut LinesState| state.waiting.is_empty() && state.dropped == 0;
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, nothing);
        drop(state);
        std::thread::sleep(GATHERED_FOR);
        let mut state = self.state.lock();
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

/// An output that may refuse a part of a line.
struct LineOutput<W> {
    output: W,
    /// A line was written in part; the next one begins on a new line.
    is_torn: bool,
}

impl<W: Write> LineOutput<W> {
    /// Writes whole lines. Returns how many of them could not be written.
    fn write(&mut self, lines: &[u8]) -> u64 {
        if self.is_torn && self.output.write_all(b"\n").is_ok() {
            self.is_torn = false;
        }
        let mut rest = lines;
        while !rest.is_empty() && !self.is_torn {
            match self.output.write(rest) {
                Ok(0) => break,
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = self.output.flush();
        let written = &lines[..lines.len() - rest.len()];
        self.is_torn |= written.last().is_some_and(|last| *last != b'\n');
        let is_whole = |line: &&[u8]| line.ends_with(b"\n");
        rest.split_inclusive(|byte| *byte == b'\n').filter(is_whole).count() as u64
    }
}

/// Whole lines, as many at once as may be written at once.
fn parts(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = lines;
    std::iter::from_fn(move || {
        let fits = &rest[..rest.len().min(WRITTEN_AT_ONCE)];
        let end = fits.iter().rposition(|byte| *byte == b'\n');
        // A longer line is written alone.
        let end =
            end.or_else(|| rest.iter().position(|byte| *byte == b'\n')).unwrap_or(rest.len().wrapping_sub(1));
        let (part, others) = rest.split_at_checked(end.wrapping_add(1))?;
        rest = others;
        (!part.is_empty()).then_some(part)
    })
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
    let message = "log lines were dropped: standard error was not read fast enough, or could not be written";
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
    fn lines_are_written_whole_and_several_at_once() {
        let line = |length: usize| [vec![b'x'; length - 1], vec![b'\n']].concat();
        for (lengths, expected) in [
            (&[][..], &[][..]),
            (&[10], &[10]),
            (&[4000, 96, 1], &[4096, 1]),
            (&[4000, 97, 1], &[4000, 98]),
            (&[5000, 5000, 1, 2], &[5000, 5000, 3]),
        ] {
            let lines: Vec<u8> = lengths.iter().flat_map(|length| line(*length)).collect();
            assert_eq!(parts(&lines).map(<[u8]>::len).collect::<Vec<_>>(), expected, "{lengths:?}");
            assert_eq!(parts(&lines).collect::<Vec<_>>().concat(), lines);
        }
    }

    /// A disk with room for so many bytes.
    struct FullDisk(Vec<u8>, usize);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.1);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1 -= count;
            self.0.extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted_and_the_next_one_begins_on_a_new_line() {
        let mut output = LineOutput { output: FullDisk(Vec::new(), 7), is_torn: false };
        assert_eq!(output.write(b"one\ntwo and\nthree\n"), 2);
        assert_eq!(output.write(b"four\n"), 1);
        output.output.1 = 100;
        assert_eq!(output.write(b"five\n"), 0);
        assert_eq!(std::str::from_utf8(&output.output.0).unwrap(), "one\ntwo\nfive\n");
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
        let read: String = read.try_iter().collect();
        let read: Vec<&str> = read.split_inclusive('\n').collect();
        assert_eq!((read.len(), read[0]), (WAITING_MOST / 1024 + 2, "first\n"));
        let last: serde_json::Value = serde_json::from_str(read.last().unwrap()).unwrap();
        assert_eq!((&last["lines"], &last["level"]), (&7.into(), &"WARN".into()));
        assert_eq!(LINES.lost(), 7);
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
