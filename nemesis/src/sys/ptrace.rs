//! Tracing: by the system call itself, because `nix` and `libc` know only parts of it, and its `PTRACE_SEIZE` kind only.

use std::io;

use libc::user_regs_struct;

use crate::clock::stub::Held;

const NT_PRSTATUS: usize = 1;
/// The event of a stop that ends in a new program, and of a stop that was asked for (or a group's).
pub(crate) const EVENT_EXEC: i32 = libc::PTRACE_EVENT_EXEC;
pub(crate) const EVENT_STOP: i32 = 128;

/// The registers of a 64-bit program.
#[derive(Clone, Copy)]
pub(crate) struct Registers(user_regs_struct);

/// Becomes the tracer of a thread, without stopping it. It will stop when it has become another program.
pub(crate) fn seize(thread: i32) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, thread, 0, libc::PTRACE_O_TRACEEXEC as usize)
}

/// Has it stop before the next instruction of its program.
pub(crate) fn interrupt(thread: i32) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, thread, 0, 0)
}

/// Lets it go on until its next stop, with this signal (0: none).
pub(crate) fn proceed(thread: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT, thread, 0, signal as usize)
}

/// Lets it execute one instruction.
pub(crate) fn step(thread: i32) -> io::Result<()> {
    request(libc::PTRACE_SINGLESTEP, thread, 0, 0)
}

/// Stops being the tracer of a stopped thread, which goes on with this signal (0: none).
pub(crate) fn detach(thread: i32, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, thread, 0, signal as usize)
}

/// What an event says: for [`EVENT_EXEC`], the number that the thread had.
pub(crate) fn event_message(thread: i32) -> io::Result<u64> {
    let mut message: libc::c_ulong = 0;
    request(libc::PTRACE_GETEVENTMSG, thread, 0, &raw mut message as usize)?;
    Ok(message)
}

/// The signals that it blocks.
pub(crate) fn signal_mask(thread: i32) -> io::Result<u64> {
    let mut mask = 0u64;
    request(libc::PTRACE_GETSIGMASK, thread, 8, &raw mut mask as usize)?;
    Ok(mask)
}

/// Sets the signals that it blocks.
pub(crate) fn set_signal_mask(thread: i32, mask: u64) -> io::Result<()> {
    request(libc::PTRACE_SETSIGMASK, thread, 8, &raw const mask as usize)
}

/// Its registers; none for a 32-bit program.
pub(crate) fn registers(thread: i32) -> io::Result<Option<Registers>> {
    // SAFETY: all zero is a valid set of integers.
    let mut registers: user_regs_struct = unsafe { std::mem::zeroed() };
    let mut part = part_of(&mut registers);
    request(libc::PTRACE_GETREGSET, thread, NT_PRSTATUS, &raw mut part as usize)?;
    Ok((part.iov_len == size_of::<user_regs_struct>()).then_some(Registers(registers)))
}

/// Sets its registers.
pub(crate) fn set_registers(thread: i32, registers: &Registers) -> io::Result<()> {
    let mut registers = *registers;
    let part = part_of(&mut registers.0);
    request(libc::PTRACE_SETREGSET, thread, NT_PRSTATUS, &raw const part as usize)
}

fn part_of(registers: &mut user_regs_struct) -> libc::iovec {
    libc::iovec { iov_base: std::ptr::from_mut(registers).cast(), iov_len: size_of::<user_regs_struct>() }
}

/// One word of its memory.
pub(super) fn peek(thread: i32, address: u64) -> io::Result<u64> {
    let mut word = 0u64;
    request(libc::PTRACE_PEEKDATA, thread, address as usize, &raw mut word as usize)?;
    Ok(word)
}

/// Sets one word of its memory.
pub(super) fn poke(thread: i32, address: u64, word: u64) -> io::Result<()> {
    request(libc::PTRACE_POKEDATA, thread, address as usize, word as usize)
}

/// Every use above hands in pointers to memory of its own that has the size that the request reads or writes.
fn request(request: impl Into<i64>, thread: i32, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: see above; addresses in the other process mean nothing in this one.
    match unsafe { libc::syscall(libc::SYS_ptrace, request.into(), thread, address, data) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub(crate) fn stack_pointer(&self) -> u64 {
        self.0.rsp
    }

    pub(crate) fn instruction_pointer(&self) -> u64 {
        self.0.rip
    }

    /// What a system call returned.
    pub(crate) fn returned(&self) -> i64 {
        self.0.rax as i64
    }

    /// As they are just before the instruction at `at` calls the system.
    pub(crate) fn calling(&self, at: u64, number: i64, arguments: [u64; 6]) -> Registers {
        let mut r = self.0;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9] = arguments;
        r.rip = at;
        r.rax = number as u64;
        // No system call is to be restarted.
        r.orig_rax = u64::MAX;
        Registers(r)
    }

    /// After a system call, as a [detour](crate::clock::stub::Detour) at `at` wants them.
    pub(crate) fn sent(&self, at: u64, seconds: u64, nanoseconds: u64) -> Option<Registers> {
        let mut r = self.0;
        r.rax = r.rip;
        (r.rcx, r.r11) = (seconds, nanoseconds);
        r.rip = at;
        // The call that was answered is not to be restarted.
        r.orig_rax = u64::MAX;
        Some(Registers(r))
    }

    /// Just before the instruction that called the system the first time: its end, the stack then, and the register that held the
    /// address of the time.
    pub(crate) fn called_back(&self, number: i64, end: u64, stack: u64, held: Option<(Held, u64)>) -> Registers {
        let mut r = self.0;
        (r.rip, r.rsp, r.rax) = (end - Self::SYSTEM_CALL_BYTES, stack, number as u64);
        match held {
            Some((Held::Third, address)) => r.rdx = address,
            Some((Held::Fourth, address)) => r.r10 = address,
            None => {}
        }
        r.orig_rax = u64::MAX;
        Registers(r)
    }

    /// The call that was interrupted and that the kernel would restart or go on with (`ERESTARTSYS` and its like, which no
    /// program sees): its number, and its second argument.
    pub(crate) fn interrupted_call(&self) -> Option<(i64, u64)> {
        let number = self.0.orig_rax as i64;
        (number >= 0 && (-516..=-512).contains(&self.returned())).then_some((number, self.0.rsi))
    }

    /// Bytes of the instruction that calls the system.
    pub(crate) const SYSTEM_CALL_BYTES: u64 = 2;
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    pub(crate) fn stack_pointer(&self) -> u64 {
        self.0.sp
    }

    pub(crate) fn instruction_pointer(&self) -> u64 {
        self.0.pc
    }

    /// What a system call returned.
    pub(crate) fn returned(&self) -> i64 {
        self.0.regs[0] as i64
    }

    /// As they are just before the instruction at `at` calls the system.
    pub(crate) fn calling(&self, at: u64, number: i64, arguments: [u64; 6]) -> Registers {
        let mut r = self.0;
        r.regs[..6].copy_from_slice(&arguments);
        r.regs[8] = number as u64;
        r.pc = at;
        Registers(r)
    }

    /// There are no detours here.
    pub(crate) fn sent(&self, _at: u64, _seconds: u64, _nanoseconds: u64) -> Option<Registers> {
        None
    }

    /// There are no detours here.
    pub(crate) fn called_back(&self, _number: i64, _end: u64, _stack: u64, _held: Option<(Held, u64)>) -> Registers {
        *self
    }

    /// There are no detours here.
    pub(crate) fn interrupted_call(&self) -> Option<(i64, u64)> {
        None
    }

    /// Bytes of the instruction that calls the system.
    pub(crate) const SYSTEM_CALL_BYTES: u64 = 4;
}
