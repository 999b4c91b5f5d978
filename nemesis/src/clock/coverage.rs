//! Which processes of a host live by its clock, and why the others do not.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a program was made to read the host's clock, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// It was handed a copy of the vDSO. Needs no right to write to protected memory.
    Shadow,
    /// The symbols of its own vDSO were changed.
    Dynsym,
}

impl Variant {
    /// As in files: `shadow`.
    pub fn name(self) -> &'static str {
        match self {
            Variant::Shadow => "shadow",
            Variant::Dynsym => "dynsym",
        }
    }
}

/// Whether a process reads the host's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Its vDSO functions lead to the host's clock.
    Covered,
    /// It reads the machine's clock.
    Uncovered(Uncovered),
}

/// Why a process reads the machine's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncovered {
    /// A 32-bit program: another vDSO, which is left alone.
    ThirtyTwoBit,
    /// The program was not given a vDSO, or one without the functions that read clocks.
    NoVdso,
    /// The program could not be changed.
    Failed {
        /// At what.
        step: InjectionStep,
        /// What the kernel said.
        errno: Option<i32>,
    },
    /// Nothing is known about its start.
    Unseen,
}

/// The steps of changing a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InjectionStep {
    /// Becoming its tracer. Another tracer, or a security module, may be in the way.
    Attach,
    /// Reading its registers or its memory.
    Read,
    /// A system call on its behalf.
    Call,
    /// Opening the state page: it must be visible after a `chroot`, too, and a descriptor must be free.
    OpenPage,
    /// Mapping the state page.
    MapPage,
    /// Writing to its memory.
    Write,
    /// Reading back what was written.
    Verify,
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Uncovered::ThirtyTwoBit => f.write_str("it is a 32-bit program"),
            Uncovered::NoVdso => f.write_str("it has no vDSO with clocks in it"),
            Uncovered::Failed { step, errno: None } => write!(f, "cannot {}", step.words()),
            Uncovered::Failed { step, errno: Some(errno) } => {
                write!(f, "cannot {}: {}", step.words(), std::io::Error::from_raw_os_error(*errno))
            }
            Uncovered::Unseen => f.write_str("its start was not seen"),
        }
    }
}

impl InjectionStep {
    fn words(self) -> &'static str {
        match self {
            InjectionStep::Attach => "trace it",
            InjectionStep::Read => "read its memory",
            InjectionStep::Call => "call the system on its behalf",
            InjectionStep::OpenPage => "open the state page in it",
            InjectionStep::MapPage => "map the state page into it",
            InjectionStep::Write => "write to its memory",
            InjectionStep::Verify => "find in it what was written",
        }
    }
}

/// One process of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessClock {
    /// Its pid inside the host.
    pub pid: i32,
    /// Its name, as the kernel shows it: at most 15 bytes.
    pub name: String,
    /// Whether it is the process started by [`Hosts::spawn`](crate::hosts::Hosts::spawn).
    pub main: bool,
    /// Whether it reads the host's clock.
    pub coverage: Coverage,
}
