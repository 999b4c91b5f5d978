//! Ctrl-C and SIGTERM: the first ends what is under way in good order (a run heals, stops, saves and still checks); the
//! second leaves at once. Neither leaves anything behind: hosts and nodes go away with this process, however it ends.

use tokio::sync::watch;

use crate::failure::{Failure, HARNESS};

/// What is said, and how it ends.
#[derive(Clone, Copy)]
pub struct Words {
    /// At the first signal.
    pub first: &'static str,
    /// At the second.
    pub second: &'static str,
    /// The exit code at the second.
    pub code: u8,
}

/// Of a run.
pub const OF_A_RUN: Words = Words {
    first: "stopping: healing, saving, checking what was recorded (again to leave at once)",
    second: "leaving at once; `splitbrain check RUN` judges what was recorded",
    code: HARNESS,
};

/// Starts listening. The receiver turns true at the first signal.
pub fn listen(words: Words) -> Result<watch::Receiver<bool>, Failure> {
    let broken = |e: std::io::Error| Failure::harness("cannot listen for signals").because(&e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(broken)?;
    let (sender, receiver) = watch::channel(false);
    let guard = runtime.enter();
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    drop(guard);
    let listening = std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            let mut count = 0;
            loop {
                tokio::select! {
                    Some(()) = interrupt.recv() => {}
                    Some(()) = terminate.recv() => {}
                    else => return,
                }
                count += 1;
                if count > 1 {
                    anstream::eprintln!("{}", words.second);
                    std::process::exit(i32::from(words.code));
                }
                anstream::eprintln!("{}", words.first);
                let _ = sender.send(true);
            }
        });
    });
    listening.map_err(broken)?;
    Ok(receiver)
}
