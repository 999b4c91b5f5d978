//! Ctrl-C and SIGTERM: the first heals, stops, saves and still checks; the second leaves at once. Neither leaves
//! anything behind: hosts and nodes go away with this process, however it ends.

use tokio::sync::watch;

use crate::failure::{Failure, HARNESS};

/// Starts listening. The receiver turns true at the first signal.
pub fn listen() -> Result<watch::Receiver<bool>, Failure> {
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
                    anstream::eprintln!("leaving at once; `splitbrain check RUN` judges what was recorded");
                    std::process::exit(i32::from(HARNESS));
                }
                anstream::eprintln!("stopping: healing, saving, checking what was recorded (again to leave at once)");
                let _ = sender.send(true);
            }
        });
    });
    listening.map_err(broken)?;
    Ok(receiver)
}
