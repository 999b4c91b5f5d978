//! Changing a program that is about to execute its first instruction.
//!
//! The program is stopped by its tracer and has nothing but what the kernel gave it. A few system calls on its behalf map
//! a page for the [stub](super::stub), the state page, and a copy of the vDSO; an instruction that calls the system is found in
//! its vDSO, so nothing is written over its own code, and its registers and its signal mask are put back afterwards.
//!
//! ```text
//!   vDSO of the kernel          what is mapped                            stack
//!   ┌──────────────┐  real   ┌──────┬────────────┬────────────────────┐   auxiliary vector
//!   │clock_gettime │◀────────│ stub │ state page │ shadow of the vDSO │◀── AT_SYSINFO_EHDR
//!   │getcpu …      │◀─┐      └──────┴────────────┴────────────────────┘
//!   └──────────────┘  │         ▲                   │  │
//!                     │         └── clock_gettime ──┘  │
//!                     └──────────── getcpu … ──────────┘
//! ```
//!
//! The C library, Go's runtime and everybody else look the functions up in the image that `AT_SYSINFO_EHDR` points to. So the
//! *shadow* variant changes one word of the stack. Where that fails, *dynsym* changes the symbols of the program's own copy
//! of the vDSO, which takes the right to write to protected memory.

use std::io;

use super::coverage::{InjectionStep as Step, Uncovered, Variant};
use super::page;
use super::remote::{Gone, Remote};
use super::stub::{Links, Stub, stub};
use super::vdso::{self, Function, Vdso};
use crate::hosts::filter;
use crate::sys::ptrace::{self, Registers};
use crate::sys::{memory, process};

const AT_NULL: u64 = 0;
const AT_SYSINFO_EHDR: u64 = 33;
/// Arguments and environment are bounded by a quarter of the stack, so this many words are never reached.
const MAX_STACK_WORDS: u64 = 8 << 20;

/// How to make programs read a host's clock.
pub(crate) struct Injector {
    /// Where programs find the state page.
    pub(crate) path: std::ffi::CString,
    /// What that page's second word says.
    pub(crate) number: u64,
    /// This one or none; `None` is the best that works.
    pub(crate) variant: Option<Variant>,
}

/// Why a program is not changed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It has ended. Its end is left to be waited for.
    Gone,
    Uncovered(Uncovered),
}

impl From<Uncovered> for Failure {
    fn from(why: Uncovered) -> Self {
        Failure::Uncovered(why)
    }
}

impl From<Gone> for Failure {
    fn from(_: Gone) -> Self {
        Failure::Gone
    }
}

/// Names the step at which the kernel said no.
trait During<T> {
    fn during(self, step: Step) -> Result<T, Failure>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, step: Step) -> Result<T, Failure> {
        self.map_err(|error| match error.raw_os_error() {
            Some(libc::ESRCH) => Failure::Gone,
            errno => Failure::Uncovered(Uncovered::Failed { step, errno }),
        })
    }
}

/// A program as it is found.
struct Fresh {
    pid: i32,
    registers: Registers,
    /// Where the auxiliary vector says where the vDSO is.
    entry: u64,
    base: u64,
    vdso: Vdso,
}

/// Where things have been mapped.
struct Mapped {
    stub: u64,
    page: u64,
    shadow: u64,
    /// Bytes from `stub` on.
    bytes: u64,
}

impl Injector {
    /// Changes a program that is stopped by this process, its tracer, before its first instruction.
    pub(crate) fn inject(&self, pid: i32) -> Result<Variant, Failure> {
        let fresh = Fresh::look(pid)?;
        let at = fresh.base + fresh.vdso.system_call();
        let mut remote = Remote::enter(pid, fresh.registers, at).during(Step::Read)?;
        let done = self.change(&fresh, &mut remote);
        remote.leave().during(Step::Write)?;
        done
    }

    fn change(&self, fresh: &Fresh, remote: &mut Remote) -> Result<Variant, Failure> {
        let mapped = self.map(fresh, remote)?;
        let connected = self.connect(fresh, &mapped).and_then(|variant| {
            self.verify(fresh, &mapped)?;
            Ok(variant)
        });
        if let Err(Failure::Uncovered(_)) = &connected {
            // What is left mapped if this fails harms nobody.
            let _ = remote.call(libc::SYS_munmap, [mapped.stub, mapped.bytes, 0, 0, 0, 0])?;
        }
        connected
    }

    /// Maps stub, state page and shadow.
    fn map(&self, fresh: &Fresh, remote: &mut Remote) -> Result<Mapped, Failure> {
        let page = page_bytes();
        let bytes = 2 * page + (fresh.vdso.len() as u64).next_multiple_of(page);
        let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let write = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let stub = remote.call(libc::SYS_mmap, [0, bytes, write, anonymous, u64::MAX, 0])?.during(Step::Call)?;
        let mapped = Mapped { stub, page: stub + page, shadow: stub + 2 * page, bytes };
        let filled = self.fill(fresh, remote, &mapped);
        if let Err(Failure::Uncovered(_)) = &filled {
            let _ = remote.call(libc::SYS_munmap, [stub, bytes, 0, 0, 0, 0])?;
        }
        filled.map(|()| mapped)
    }

    fn fill(&self, fresh: &Fresh, remote: &mut Remote, mapped: &Mapped) -> Result<(), Failure> {
        self.map_page(fresh.pid, remote, mapped)?;
        let stub = stub();
        let real = |function| fresh.vdso.offset(function).map_or(0, |offset| fresh.base + offset);
        let links = Links {
            clock_gettime: real(Function::ClockGettime),
            gettimeofday: real(Function::Gettimeofday),
            page: mapped.page,
        };
        memory::write(fresh.pid, mapped.stub, &stub.linked(links)).during(Step::Write)?;
        let shadow = fresh.vdso.shadow(fresh.base, mapped.shadow, |function| target(&stub, mapped.stub, function));
        memory::write(fresh.pid, mapped.shadow, &shadow).during(Step::Write)?;
        let (read, execute) = (libc::PROT_READ as u64, (libc::PROT_READ | libc::PROT_EXEC) as u64);
        let page = page_bytes();
        remote.call(libc::SYS_mprotect, [mapped.stub, page, execute, 0, 0, 0])?.during(Step::Call)?;
        let rest = mapped.bytes - 2 * page;
        remote.call(libc::SYS_mprotect, [mapped.shadow, rest, read, 0, 0, 0])?.during(Step::Call).map(drop)
    }

    /// Has the program open the state page and map it; the path stands where the stub will be.
    fn map_page(&self, pid: i32, remote: &mut Remote, mapped: &Mapped) -> Result<(), Failure> {
        memory::write(pid, mapped.stub, self.path.as_bytes_with_nul()).during(Step::Write)?;
        let flags = (libc::O_RDONLY | libc::O_CLOEXEC) as u64;
        // This process would wait for its own answer if it were asked about this call.
        let here = u64::from(filter::MARK) << 32 | u64::from(libc::AT_FDCWD as u32);
        let open = [here, mapped.stub, flags, 0, 0, 0];
        let file = remote.call(libc::SYS_openat, open)?.during(Step::OpenPage)?;
        let (read, shared) = (libc::PROT_READ as u64, (libc::MAP_SHARED | libc::MAP_FIXED) as u64);
        let map = [mapped.page, page::BYTES as u64, read, shared, file, 0];
        let done = remote.call(libc::SYS_mmap, map)?.during(Step::MapPage);
        let _ = remote.call(libc::SYS_close, [file, 0, 0, 0, 0, 0])?;
        done.map(drop)
    }

    /// Leads the program to the stub.
    fn connect(&self, fresh: &Fresh, mapped: &Mapped) -> Result<Variant, Failure> {
        let shadow = || {
            memory::write(fresh.pid, fresh.entry, &mapped.shadow.to_ne_bytes()).during(Step::Write)?;
            Ok(Variant::Shadow)
        };
        let dynsym = || {
            let stub = stub();
            for (at, value) in fresh.vdso.patches(fresh.base, |function| target(&stub, mapped.stub, function)) {
                memory::write(fresh.pid, at, &value.to_ne_bytes()).during(Step::Write)?;
            }
            Ok(Variant::Dynsym)
        };
        match self.variant {
            Some(Variant::Shadow) => shadow(),
            Some(Variant::Dynsym) => dynsym(),
            None => shadow().or_else(|failure: Failure| match failure {
                Failure::Gone => Err(failure),
                Failure::Uncovered(_) => dynsym(),
            }),
        }
    }

    /// Reads back that the state page is where it should be, and that the vDSO which the program will find leads to the
    /// stub.
    fn verify(&self, fresh: &Fresh, mapped: &Mapped) -> Result<(), Failure> {
        let word = |at| memory::read_word(fresh.pid, at).during(Step::Verify);
        let signature = [word(mapped.page + 8)?, word(mapped.page + 16)?];
        let base = word(fresh.entry)?;
        let found = read_vdso(fresh.pid, base)?.offset(Function::ClockGettime);
        let expected = target(&stub(), mapped.stub, Function::ClockGettime);
        if signature != page::signature(self.number) || found.map(|offset| base.wrapping_add(offset)) != expected {
            return Err(Uncovered::Failed { step: Step::Verify, errno: None }.into());
        }
        Ok(())
    }
}

impl Fresh {
    fn look(pid: i32) -> Result<Fresh, Failure> {
        let registers = ptrace::registers(pid).during(Step::Read)?.ok_or(Uncovered::ThirtyTwoBit)?;
        let entry = vdso_entry(pid, registers.stack_pointer())?;
        let base = memory::read_word(pid, entry).during(Step::Read)?;
        Ok(Fresh { pid, registers, entry, base, vdso: read_vdso(pid, base)? })
    }
}

/// Where the stack of a new program says where its vDSO is. The stack holds the number of arguments, their addresses and a
/// zero, the addresses of the environment and a zero, then pairs of words.
fn vdso_entry(pid: i32, stack: u64) -> Result<u64, Failure> {
    let mut words = Words { pid, page: 0, bytes: Vec::new() };
    let mut word = move |at: u64| words.at(at).during(Step::Read);
    let end = stack + 8 * MAX_STACK_WORDS;
    let mut at = stack + 8 * (word(stack)?.min(MAX_STACK_WORDS) + 2);
    while at < end && word(at)? != 0 {
        at += 8;
    }
    at += 8;
    while at < end {
        match word(at)? {
            AT_SYSINFO_EHDR => return Ok(at + 8),
            AT_NULL => break,
            _ => at += 16,
        }
    }
    Err(Uncovered::NoVdso.into())
}

/// Words of a process, read a page at a time: arguments and environments can be long.
struct Words {
    pid: i32,
    page: u64,
    bytes: Vec<u8>,
}

impl Words {
    fn at(&mut self, address: u64) -> io::Result<u64> {
        let page = address & !(page_bytes() - 1);
        if self.bytes.is_empty() || self.page != page {
            self.bytes.resize(page_bytes() as usize, 0);
            memory::read(self.pid, page, &mut self.bytes)?;
            self.page = page;
        }
        let start = (address - page) as usize;
        let word = self.bytes.get(start..start + 8).and_then(|word| word.try_into().ok());
        word.map(u64::from_ne_bytes).ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))
    }
}

fn read_vdso(pid: i32, base: u64) -> Result<Vdso, Failure> {
    let mut start = vec![0; page::BYTES];
    memory::read(pid, base, &mut start).during(Step::Read)?;
    let bytes = vdso::image_bytes(&start).ok_or(Uncovered::NoVdso)?;
    let mut image = vec![0; bytes.next_multiple_of(page_bytes() as usize)];
    memory::read(pid, base, &mut image).during(Step::Read)?;
    Ok(Vdso::parse(image)?)
}

fn target(stub: &Stub, at: u64, function: Function) -> Option<u64> {
    let offset = match function {
        Function::ClockGettime => Some(stub.clock_gettime),
        Function::Gettimeofday => Some(stub.gettimeofday),
        Function::Time => stub.time,
    };
    offset.map(|offset| at + offset as u64)
}

fn page_bytes() -> u64 {
    process::page_bytes()
}
