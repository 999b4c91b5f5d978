//! The machine code that a program's clock readings go through: position-independent, copied into each program behind
//! the address of the kernel's own functions and of the state page.
//!
//! It calls the kernel's function, looks up in the [state page](super::page) whether this clock is another one here, and
//! if so rewrites the result by the arithmetic of [`Group::at`](super::page::Group::at), to the nanosecond. It
//! uses no memory but its stack (64 bytes and what the kernel's function takes), calls no system, takes no lock, so it may be
//! interrupted, forked and read from any number of threads at any point.
//!
//! Beside it stand the [detours](Detour), which no function of the program leads to: the [agent](super::waits) sends a
//! thread there that waits until a time on a skewed clock.

use super::page;

/// The code, and where in it things are, bytes from its start.
pub(crate) struct Stub {
    pub(crate) code: &'static [u8],
    pub(crate) clock_gettime: usize,
    pub(crate) gettimeofday: usize,
    /// Architectures without the vDSO function have none.
    pub(crate) time: Option<usize>,
    /// Words to be filled in: the kernel's functions, and the state page.
    real_clock_gettime: usize,
    real_gettimeofday: usize,
    page: usize,
}

/// What the code has to know of the program it is copied into: addresses.
#[derive(Clone, Copy)]
pub(crate) struct Links {
    pub(crate) clock_gettime: u64,
    pub(crate) gettimeofday: u64,
    pub(crate) page: u64,
}

impl Stub {
    /// The code with its words filled in.
    pub(crate) fn linked(&self, links: Links) -> Vec<u8> {
        let mut code = self.code.to_vec();
        let words = [
            (self.real_clock_gettime, links.clock_gettime),
            (self.real_gettimeofday, links.gettimeofday),
            (self.page, links.page),
        ];
        for (at, word) in words {
            code[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        code
    }
}

/// A way round a system call: the same call, until another time. It is entered with the time in `rcx` (seconds) and `r11`
/// (nanoseconds), which every system call overwrites, and the address after the original call in `rax`. It puts the time on the
/// stack, below the 128 bytes that the program may use without saying so; calls the system; puts back the register that held the
/// address of the original time; and goes on after the original call. Nothing else is changed, not even a flag.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detour {
    /// Of the system call.
    pub(crate) number: i64,
    /// Where it begins, bytes from the start of the code, and where in it the system is called.
    pub(crate) start: u64,
    pub(crate) call: u64,
    /// Words on the stack below the register that is put back, while the system is called.
    pub(crate) words: u64,
    /// Which register that is.
    pub(crate) register: Held,
}

/// Where a call has the address of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) enum Held {
    /// `rdx`.
    Third,
    /// `r10`.
    Fourth,
}

/// The detours of this architecture. None for aarch64, where going on at an address takes a register, and the program may be using
/// all of them.
#[cfg(target_arch = "x86_64")]
pub(crate) fn detours() -> Vec<Detour> {
    let offset = |symbol: *const u8| (symbol as usize - &raw const splitbrain_clock_begin as usize) as u64;
    let detour = |number, start, call, words, register| {
        let (start, call) = (offset(start), offset(call));
        Detour { number, start, call, words, register }
    };
    let (futex, sleep) = (&raw const splitbrain_wait_futex, &raw const splitbrain_wait_sleep);
    let (timer, timerfd) = (&raw const splitbrain_wait_timer, &raw const splitbrain_wait_timerfd);
    vec![
        detour(libc::SYS_futex, futex, &raw const splitbrain_wait_futex_call, 2, Held::Fourth),
        detour(libc::SYS_clock_nanosleep, sleep, &raw const splitbrain_wait_sleep_call, 2, Held::Third),
        detour(libc::SYS_timer_settime, timer, &raw const splitbrain_wait_timer_call, 4, Held::Third),
        detour(libc::SYS_timerfd_settime, timerfd, &raw const splitbrain_wait_timerfd_call, 4, Held::Third),
    ]
}

/// The detours of this architecture: see the other one.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn detours() -> Vec<Detour> {
    Vec::new()
}

macro_rules! symbols {
    ($($name:ident),+) => {
        unsafe extern "C" { $(static $name: u8;)+ }
    };
}

symbols!(
    splitbrain_clock_begin,
    splitbrain_clock_gettime,
    splitbrain_clock_gettimeofday,
    splitbrain_clock_real_gettime,
    splitbrain_clock_real_gettimeofday,
    splitbrain_clock_page,
    splitbrain_clock_end
);
#[cfg(target_arch = "x86_64")]
symbols!(
    splitbrain_clock_time,
    splitbrain_wait_futex,
    splitbrain_wait_futex_call,
    splitbrain_wait_sleep,
    splitbrain_wait_sleep_call,
    splitbrain_wait_timer,
    splitbrain_wait_timer_call,
    splitbrain_wait_timerfd,
    splitbrain_wait_timerfd_call
);

/// The stub of this architecture.
pub(crate) fn stub() -> Stub {
    let begin = &raw const splitbrain_clock_begin;
    let offset = |symbol: *const u8| symbol as usize - begin as usize;
    let length = offset(&raw const splitbrain_clock_end);
    #[cfg(target_arch = "x86_64")]
    let time = Some(offset(&raw const splitbrain_clock_time));
    #[cfg(not(target_arch = "x86_64"))]
    let time = None;
    Stub {
        // SAFETY: the assembler put all of it between these two symbols, and nobody writes to it.
        code: unsafe { std::slice::from_raw_parts(begin, length) },
        clock_gettime: offset(&raw const splitbrain_clock_gettime),
        gettimeofday: offset(&raw const splitbrain_clock_gettimeofday),
        time,
        real_clock_gettime: offset(&raw const splitbrain_clock_real_gettime),
        real_gettimeofday: offset(&raw const splitbrain_clock_real_gettimeofday),
        page: offset(&raw const splitbrain_clock_page),
    }
}

/// Bytes of the state page that the code reads; a change of the page's layout is a change of the code.
const _: () = assert!(page::BYTES == 4096);

// Registers in `skew`: rax the machine's ns, then the host's; ecx the clock; rdi the machine's ns; r8 the page; r9 the
// sequence; r10 the slot, then the group; rsi the time passed. Division by 10⁹ is a multiplication: ⌊x / 10⁹⌋ =
// ⌊(x / 2⁹) × 19342813113834067 / 2⁷⁵⌋ for all x below 2⁶⁴ (Granlund and Montgomery, PLDI 1994).
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.splitbrain_clock, "a", @progbits
    .balign 64
    .globl splitbrain_clock_begin
splitbrain_clock_begin:

    // int clock_gettime(edi clock, rsi timespec)
    .globl splitbrain_clock_gettime
splitbrain_clock_gettime:
    push rbx
    push r12
    sub rsp, 8
    mov rbx, rsi
    mov r12d, edi
    call qword ptr [rip + splitbrain_clock_real_gettime]
    test eax, eax
    jnz 9f
    mov ecx, r12d
    imul rax, qword ptr [rbx], 1000000000
    add rax, qword ptr [rbx + 8]
    call 50f
    jc 8f
    mov qword ptr [rbx], rdx
    mov qword ptr [rbx + 8], rax
8:  xor eax, eax
9:  add rsp, 8
    pop r12
    pop rbx
    ret

    // int gettimeofday(rdi timeval, rsi timezone)
    .balign 16
    .globl splitbrain_clock_gettimeofday
splitbrain_clock_gettimeofday:
    push rbx
    mov rbx, rdi
    call qword ptr [rip + splitbrain_clock_real_gettimeofday]
    test eax, eax
    jnz 9f
    test rbx, rbx
    jz 9f
    imul rax, qword ptr [rbx], 1000000000
    imul rcx, qword ptr [rbx + 8], 1000
    add rax, rcx
    xor ecx, ecx
    call 50f
    jc 8f
    mov qword ptr [rbx], rdx
    xor edx, edx
    mov ecx, 1000
    div ecx
    mov qword ptr [rbx + 8], rax
8:  xor eax, eax
9:  pop rbx
    ret

    // time_t time(rdi time_t): the seconds of CLOCK_REALTIME_COARSE, as the kernel's own
    .balign 16
    .globl splitbrain_clock_time
splitbrain_clock_time:
    push rbx
    sub rsp, 16
    mov rbx, rdi
    mov edi, 5
    mov rsi, rsp
    call splitbrain_clock_gettime
    mov rax, qword ptr [rsp]
    test rbx, rbx
    jz 9f
    mov qword ptr [rbx], rax
9:  add rsp, 16
    pop rbx
    ret

    // rax machine's ns, ecx clock -> carry: untouched; else rdx seconds, rax nanoseconds of the host's clock
    .balign 16
50: cmp ecx, 15
    ja 57f
    mov rdi, rax
    mov r8, qword ptr [rip + splitbrain_clock_page]
51: mov r9, qword ptr [r8]
    mov r10d, r9d
    and r10d, 1
    shl r10d, 9
    lea r10, [r8 + r10 + 64]
    movzx edx, byte ptr [r10 + rcx]
    test edx, edx
    jz 57f
    lea r10, [r10 + rdx * 8]
    mov rsi, rdi
    sub rsi, qword ptr [r10]
    mov rax, rsi
    imul qword ptr [r10 + 16]
    shrd rax, rdx, 32
    add rax, qword ptr [r10 + 8]
    mov r11, qword ptr [r10 + 32]
    test r11, r11
    jz 53f
    test rsi, rsi
    js 53f
    xchg rax, rsi
    xor edx, edx
    div r11
    test al, 1
    mov rax, rsi
    jz 53f
    add rax, qword ptr [r10 + 24]
53: cmp r9, qword ptr [r8]
    jne 51b
    xor edx, edx
    test rax, rax
    cmovs rax, rdx
    mov rcx, rax
    shr rax, 9
    movabs rdx, 19342813113834067
    mul rdx
    shr rdx, 11
    imul rax, rdx, 1000000000
    sub rcx, rax
    mov rax, rcx
    clc
    ret
57: stc
    ret

    // The detours. Those of timers also take along the interval, which comes before the time.
    .balign 16
    .globl splitbrain_wait_futex
splitbrain_wait_futex:
    lea rsp, [rsp - 128]
    push rax
    push r10
    push r11
    push rcx
    mov r10, rsp
    mov eax, 202
    .globl splitbrain_wait_futex_call
splitbrain_wait_futex_call:
    syscall
    lea rsp, [rsp + 16]
    pop r10
    ret 128

    .balign 16
    .globl splitbrain_wait_sleep
splitbrain_wait_sleep:
    lea rsp, [rsp - 128]
    push rax
    push rdx
    push r11
    push rcx
    mov rdx, rsp
    mov eax, 230
    .globl splitbrain_wait_sleep_call
splitbrain_wait_sleep_call:
    syscall
    lea rsp, [rsp + 16]
    pop rdx
    ret 128

    .balign 16
    .globl splitbrain_wait_timer
splitbrain_wait_timer:
    lea rsp, [rsp - 128]
    push rax
    push rdx
    push r11
    push rcx
    push qword ptr [rdx + 8]
    push qword ptr [rdx]
    mov rdx, rsp
    mov eax, 223
    .globl splitbrain_wait_timer_call
splitbrain_wait_timer_call:
    syscall
    lea rsp, [rsp + 32]
    pop rdx
    ret 128

    .balign 16
    .globl splitbrain_wait_timerfd
splitbrain_wait_timerfd:
    lea rsp, [rsp - 128]
    push rax
    push rdx
    push r11
    push rcx
    push qword ptr [rdx + 8]
    push qword ptr [rdx]
    mov rdx, rsp
    mov eax, 286
    .globl splitbrain_wait_timerfd_call
splitbrain_wait_timerfd_call:
    syscall
    lea rsp, [rsp + 32]
    pop rdx
    ret 128

    .balign 8
    .globl splitbrain_clock_real_gettime
splitbrain_clock_real_gettime: .quad 0
    .globl splitbrain_clock_real_gettimeofday
splitbrain_clock_real_gettimeofday: .quad 0
    .globl splitbrain_clock_page
splitbrain_clock_page: .quad 0
    .globl splitbrain_clock_end
splitbrain_clock_end:
    .popsection
"#
);

// Registers in `skew`: x0 the machine's ns, then the host's; w1 the clock; x8 the page; x9 the sequence; x10 the slot,
// then the group; x15 the machine's ns; x16 the time passed.
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.splitbrain_clock, "a", %progbits
    .balign 64
    .globl splitbrain_clock_begin
splitbrain_clock_begin:

    // int clock_gettime(w0 clock, x1 timespec)
    .globl splitbrain_clock_gettime
splitbrain_clock_gettime:
    stp x29, x30, [sp, #-32]!
    mov x29, sp
    stp x19, x20, [sp, #16]
    mov w19, w0
    mov x20, x1
    ldr x16, splitbrain_clock_real_gettime
    blr x16
    cbnz w0, 9f
    ldp x2, x3, [x20]
    movz x4, #0xCA00
    movk x4, #0x3B9A, lsl #16
    madd x0, x2, x4, x3
    mov w1, w19
    bl 50f
    cbz w1, 8f
    stp x2, x0, [x20]
8:  mov w0, #0
9:  ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #32
    ret

    // int gettimeofday(x0 timeval, x1 timezone)
    .globl splitbrain_clock_gettimeofday
splitbrain_clock_gettimeofday:
    stp x29, x30, [sp, #-32]!
    mov x29, sp
    str x20, [sp, #16]
    mov x20, x0
    ldr x16, splitbrain_clock_real_gettimeofday
    blr x16
    cbnz w0, 9f
    cbz x20, 9f
    ldp x2, x3, [x20]
    movz x4, #0xCA00
    movk x4, #0x3B9A, lsl #16
    mov x5, #1000
    mul x3, x3, x5
    madd x0, x2, x4, x3
    mov w1, #0
    bl 50f
    cbz w1, 8f
    mov x5, #1000
    udiv x0, x0, x5
    stp x2, x0, [x20]
8:  mov w0, #0
9:  ldr x20, [sp, #16]
    ldp x29, x30, [sp], #32
    ret

    // x0 machine's ns, w1 clock -> w1 0: untouched; else x2 seconds, x0 nanoseconds of the host's clock
50: cmp w1, #15
    b.hi 57f
    mov x15, x0
    ldr x8, splitbrain_clock_page
51: ldar x9, [x8]
    and x10, x9, #1
    add x10, x8, x10, lsl #9
    add x10, x10, #64
    ldrb w11, [x10, w1, uxtw]
    cbz w11, 57f
    add x10, x10, x11, lsl #3
    ldp x11, x12, [x10]
    ldp x13, x14, [x10, #16]
    ldr x17, [x10, #32]
    sub x16, x15, x11
    smulh x2, x16, x13
    mul x0, x16, x13
    extr x0, x2, x0, #32
    add x0, x0, x12
    cbz x17, 53f
    tbnz x16, #63, 53f
    udiv x2, x16, x17
    tbz x2, #0, 53f
    add x0, x0, x14
53: dmb ishld
    ldr x2, [x8]
    cmp x2, x9
    b.ne 51b
    cmp x0, #0
    csel x0, xzr, x0, lt
    movz x4, #0xCA00
    movk x4, #0x3B9A, lsl #16
    udiv x2, x0, x4
    msub x0, x2, x4, x0
    mov w1, #1
    ret
57: mov w1, #0
    ret

    .balign 8
    .globl splitbrain_clock_real_gettime
splitbrain_clock_real_gettime: .quad 0
    .globl splitbrain_clock_real_gettimeofday
splitbrain_clock_real_gettimeofday: .quad 0
    .globl splitbrain_clock_page
splitbrain_clock_page: .quad 0
    .globl splitbrain_clock_end
splitbrain_clock_end:
    .popsection
"#
);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    use proptest::prelude::*;

    use super::super::page::{Group, Slot, TRUE_RATE, prepare, publish};
    use super::*;
    use crate::sys::mapping::{self, Words};

    const BILLION: i64 = 1_000_000_000;

    thread_local! {
        static REAL: Cell<i64> = const { Cell::new(0) };
    }

    /// Stands for the kernel's function. Clock 3 fails.
    extern "C" fn real_clock_gettime(clock: i32, to: *mut libc::timespec) -> i32 {
        let real = REAL.get();
        // SAFETY: the callers below hand in a timespec.
        unsafe { *to = libc::timespec { tv_sec: real.div_euclid(BILLION), tv_nsec: real.rem_euclid(BILLION) } };
        if clock == 3 { -22 } else { 0 }
    }

    extern "C" fn real_gettimeofday(to: *mut libc::timeval, _zone: *mut libc::c_void) -> i32 {
        let real = REAL.get();
        if !to.is_null() {
            // SAFETY: the callers below hand in a timeval or null.
            unsafe {
                *to = libc::timeval { tv_sec: real.div_euclid(BILLION), tv_usec: real.rem_euclid(BILLION) / 1000 }
            };
        }
        0
    }

    /// The stub in this process, with a page of its own.
    struct Here {
        words: Words,
        code: mapping::Code,
        stub: Stub,
    }

    impl Here {
        fn new() -> Here {
            let file = nix::sys::memfd::memfd_create(c"page", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).unwrap();
            nix::unistd::ftruncate(&file, page::BYTES as i64).unwrap();
            let words = mapping::shared(&file).unwrap();
            prepare(&words, 1);
            let stub = stub();
            let links = Links {
                clock_gettime: real_clock_gettime as *const () as u64,
                gettimeofday: real_gettimeofday as *const () as u64,
                page: words.as_ptr() as u64,
            };
            let code = mapping::Code::new(&stub.linked(links)).unwrap();
            Here { words, code, stub }
        }

        fn clock_gettime(&self, clock: i32) -> (i32, i64) {
            let mut time = libc::timespec { tv_sec: -1, tv_nsec: -1 };
            // SAFETY: the stub has this signature.
            let function: extern "C" fn(i32, *mut libc::timespec) -> i32 =
                unsafe { std::mem::transmute(self.code.at(self.stub.clock_gettime)) };
            let returned = function(clock, &raw mut time);
            assert!(returned != 0 || (0..BILLION).contains(&time.tv_nsec));
            (returned, time.tv_sec * BILLION + time.tv_nsec)
        }

        fn gettimeofday(&self) -> i64 {
            let mut time = libc::timeval { tv_sec: -1, tv_usec: -1 };
            // SAFETY: the stub has this signature.
            let function: extern "C" fn(*mut libc::timeval, *mut libc::c_void) -> i32 =
                unsafe { std::mem::transmute(self.code.at(self.stub.gettimeofday)) };
            assert_eq!(function(std::ptr::null_mut(), std::ptr::null_mut()), 0);
            assert_eq!(function(&raw mut time, std::ptr::null_mut()), 0);
            assert!((0..1_000_000).contains(&time.tv_usec));
            time.tv_sec * BILLION + time.tv_usec * 1000
        }

        fn time(&self) -> Option<i64> {
            // SAFETY: the stub has this signature.
            let function: extern "C" fn(*mut i64) -> i64 =
                unsafe { std::mem::transmute(self.code.at(self.stub.time?)) };
            let mut stored = -1;
            assert_eq!(function(std::ptr::null_mut()), function(&raw mut stored));
            Some(stored)
        }
    }

    /// Times from 1970 to 2262, and groups with all kinds of words, sensible ones more often than not.
    fn times() -> impl Strategy<Value = i64> {
        prop_oneof![0..=4_000_000_000 * BILLION, 0..=i64::MAX]
    }

    fn groups() -> impl Strategy<Value = Group> {
        let rate = prop_oneof![Just(0), Just(TRUE_RATE), Just(TRUE_RATE * 3 / 2), 0..TRUE_RATE * 1000, any::<i64>()];
        let period = prop_oneof![Just(0), 1..10 * BILLION as u64, any::<u64>()];
        let origin = prop_oneof![times(), any::<i64>()];
        (times(), origin, rate, any::<i64>(), period).prop_map(|(reference, origin, rate, strobe_by, strobe_period)| {
            Group { reference, origin, rate, strobe_by, strobe_period }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The machine code does what the Rust function says, for every clock.
        #[test]
        fn the_machine_code_is_the_arithmetic_of_the_page(
            real in times(),
            realtime in proptest::option::weighted(0.9, groups()),
            monotonic in proptest::option::weighted(0.5, [groups(), groups(), groups(), groups()]),
        ) {
            thread_local! { static HERE: Here = Here::new(); }
            HERE.with(|here| {
                publish(&here.words, &Slot { realtime, monotonic });
                REAL.set(real);
                let expected = |group: Option<Group>, real| group.map_or(real, |group| group.at(real));
                let each = |i: usize| monotonic.map(|groups| groups[i]);
                let real_time = [0, 5, 11].map(|clock| (clock, realtime));
                let others = [(1, each(0)), (4, each(1)), (6, each(2)), (7, each(3))];
                for (clock, group) in real_time.into_iter().chain(others) {
                    prop_assert_eq!(here.clock_gettime(clock), (0, expected(group, real)));
                }
                for clock in [2, 8, 16, 99, -1] {
                    prop_assert_eq!(here.clock_gettime(clock), (0, real));
                }
                prop_assert_eq!(here.clock_gettime(3), (-22, real));
                let micros = real / 1000 * 1000;
                prop_assert_eq!(here.gettimeofday(), expected(realtime, micros) / 1000 * 1000);
                if let Some(seconds) = here.time() {
                    prop_assert_eq!(seconds, expected(realtime, real) / BILLION);
                }
                Ok(())
            })?;
        }
    }

    #[test]
    fn no_reading_mixes_two_publications() {
        let here = Here::new();
        // Each slot alone gives the same seconds as nanoseconds; no mixture does.
        let slot =
            |k: i64| Group { reference: k, origin: k * BILLION + k, rate: TRUE_RATE, strobe_by: 0, strobe_period: 0 };
        publish(&here.words, &Slot { realtime: Some(slot(0)), monotonic: None });
        let (done, flips) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    let k = flips.fetch_add(1, Relaxed) as i64 % 1000;
                    publish(&here.words, &Slot { realtime: Some(slot(k)), monotonic: None });
                }
            });
            let readings = if cfg!(debug_assertions) { 1_000_000 } else { 5_000_000 };
            for _ in 0..readings {
                // The machine's time is 1000 ns: origin + 1000 − reference.
                REAL.set(1000);
                let (_, host) = here.clock_gettime(0);
                assert_eq!(host % BILLION, 1000, "a mixture: {host}");
            }
            done.store(true, Relaxed);
        });
        assert!(flips.load(Relaxed) > 1000, "the writer hardly ran");
    }
}
