//! System calls on behalf of a stopped program.

use std::io;

use crate::sys::process::{self, Change};
use crate::sys::ptrace::{self, Registers};

/// All signals but SIGTRAP, by which single steps are reported: a blocked one would lose its disposition.
const ALL_SIGNALS_BUT_TRAP: u64 = !(1 << (libc::SIGTRAP - 1));
/// A stop for each stopping signal, one for the call itself, and some to spare.
const MAX_STEPS: usize = 16;

/// The program has ended. Its end is left to be waited for.
#[derive(Debug)]
pub(crate) struct Gone;

/// A program borrowed for a while: its registers and its signal mask come back with [`Remote::leave`].
pub(crate) struct Remote {
    pid: i32,
    registers: Registers,
    mask: u64,
    /// Where there is an instruction that calls the system.
    at: u64,
    /// Whether a SIGSTOP, which cannot be blocked, has been taken off it.
    stop: bool,
}

impl Remote {
    /// Borrows a program that is stopped, with these registers.
    pub(crate) fn enter(pid: i32, registers: Registers, at: u64) -> io::Result<Remote> {
        let mask = ptrace::signal_mask(pid)?;
        ptrace::set_signal_mask(pid, ALL_SIGNALS_BUT_TRAP)?;
        Ok(Remote { pid, registers, mask, at, stop: false })
    }

    /// Has it call the system. The inner result is what the call said.
    pub(crate) fn call(&mut self, number: i64, arguments: [u64; 6]) -> Result<io::Result<u64>, Gone> {
        match self.step_through(number, arguments) {
            Ok(registers) => Ok(returned(registers.returned())),
            Err(Some(error)) if error.raw_os_error() != Some(libc::ESRCH) => Ok(Err(error)),
            Err(_) => Err(Gone),
        }
    }

    /// No error is an end of the program.
    fn step_through(&mut self, number: i64, arguments: [u64; 6]) -> Result<Registers, Option<io::Error>> {
        ptrace::set_registers(self.pid, &self.registers.calling(self.at, number, arguments)).map_err(Some)?;
        for _ in 0..MAX_STEPS {
            ptrace::step(self.pid).map_err(Some)?;
            match process::wait_change(self.pid).map_err(Some)? {
                Change::Stopped { signal: libc::SIGSTOP, .. } => self.stop = true,
                Change::Stopped { .. } => {}
                Change::Ended(_) => return Err(None),
            }
            let now = ptrace::registers(self.pid).map_err(Some)?;
            if let Some(now) = now.filter(|now| now.instruction_pointer() == self.at + Registers::SYSTEM_CALL_BYTES) {
                return Ok(now);
            }
        }
        Err(Some(io::Error::from_raw_os_error(libc::ELOOP)))
    }

    /// Gives it back as it was.
    pub(crate) fn leave(self) -> io::Result<()> {
        if self.stop {
            // It will stop as soon as it is let go.
            process::signal(self.pid, libc::SIGSTOP)?;
        }
        ptrace::set_registers(self.pid, &self.registers)?;
        ptrace::set_signal_mask(self.pid, self.mask)
    }
}

fn returned(value: i64) -> io::Result<u64> {
    if (-4095..0).contains(&value) { Err(io::Error::from_raw_os_error(-value as i32)) } else { Ok(value as u64) }
}
