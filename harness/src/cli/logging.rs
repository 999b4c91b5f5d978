//! The harness's log: everything into `controller.log` of the run, warnings and more to the terminal when asked.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::failure::{Failure, HARNESS};

/// The files that the log goes to: one a run; runs side by side share what cannot be told apart.
#[derive(Clone, Default)]
pub struct Logs {
    files: Arc<Mutex<Vec<File>>>,
}

impl Logs {
    /// Sets up logging for this process.
    pub fn install(verbose: u8) -> Logs {
        let logs = Logs::default();
        let files = logs.clone();
        let to_files = fmt::layer().with_ansi(false).with_writer(move || files.clone()).with_filter(LevelFilter::DEBUG);
        let level = match verbose {
            0 => LevelFilter::OFF,
            1 => LevelFilter::INFO,
            _ => LevelFilter::DEBUG,
        };
        let to_terminal = fmt::layer().with_writer(std::io::stderr).with_filter(level);
        let _ = tracing_subscriber::registry().with(to_files).with(to_terminal).try_init();
        logs
    }

    /// Also writes to this file from now on.
    pub fn also(&self, path: &Path) -> Result<(), Failure> {
        let file = File::create(path).map_err(|e| Failure::file(HARNESS, "write", path, &e))?;
        self.files.lock().unwrap_or_else(|p| p.into_inner()).push(file);
        Ok(())
    }

    /// Writes to none of the files any more.
    pub fn close(&self) {
        self.files.lock().unwrap_or_else(|p| p.into_inner()).clear();
    }
}

impl std::io::Write for Logs {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        for file in self.files.lock().unwrap_or_else(|p| p.into_inner()).iter_mut() {
            // A full disk shows in the history; the log is not worth a run.
            let _ = file.write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
