//! Every log line of every test in this process, at trace level, and every panic, kept so that
//! planted secrets can be searched for.

use std::{
    io::Write,
    sync::{Mutex, Once, PoisonError},
};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RECORDING: Once = Once::new();

struct Tape;

impl Write for Tape {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        LINES.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        if std::env::var_os("CREDWRIGHT_TEST_LOG").is_some() {
            std::io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Begins to record, once.
pub(crate) fn record() {
    record_at("trace");
}

/// Begins to record only what is alarming, where hundreds of scenes would fill the memory.
pub(crate) fn record_only_warnings() {
    record_at("warn");
}

fn record_at(level: &str) {
    RECORDING.call_once(|| {
        let show = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let _ = writeln!(Tape, "{panic}");
            show(panic);
        }));
        let level =
            if std::env::var_os("CREDWRIGHT_TEST_LOG").is_some() { "credwright=debug" } else { level };
        tracing_subscriber::fmt().with_env_filter(level).with_ansi(false).with_writer(|| Tape).init();
    });
}

/// Everything that was logged so far.
pub(crate) fn text() -> String {
    String::from_utf8_lossy(&LINES.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}
