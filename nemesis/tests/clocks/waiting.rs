//! Programs of other kinds that wait until a time, and say how long that took: by the clock that they see, and by the machine's.
//!
//! A line is "kind, the machine's time at the beginning, how long by the machine's clock, how late by the program's own", ns. The
//! machine's clock is read by a call that a host lets pass.

use crate::lab::own_program;
use crate::peers;
use crate::sources::{Kind, c, go, java, python_file};

/// The upper half of a clock's number that asks for the machine's own.
pub const OF_MACHINE: u64 = 0x7362_6d63 << 32;

const C: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
typedef struct timespec T;
static long ns(T t) { return t.tv_sec * 1000000000L + t.tv_nsec; }
static T at(long n) { T t = {n / 1000000000L, n % 1000000000L}; return t; }
static long shown(clockid_t c) { T t; clock_gettime(c, &t); return ns(t); }
static long machine(void) { T t; syscall(SYS_clock_gettime, 0x73626d6300000001UL, &t); return ns(t); }
static void by_sleep(clockid_t c, T until) { while (clock_nanosleep(c, TIMER_ABSTIME, &until, 0)) {} }
static void by_timerfd(clockid_t c, T until) {
    int fd = timerfd_create(c, 0); unsigned long n; struct itimerspec s = {{0, 0}, until}, old;
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, &old) || ns(old.it_value)) abort();
    while (read(fd, &n, 8) != 8) {}
    close(fd);
}
static void by_timer(clockid_t c, T until) {
    struct sigevent e; memset(&e, 0, sizeof e); e.sigev_notify = SIGEV_SIGNAL; e.sigev_signo = SIGUSR1;
    sigset_t set; sigemptyset(&set); sigaddset(&set, SIGUSR1); sigprocmask(SIG_BLOCK, &set, 0);
    timer_t t; timer_create(c, &e, &t); struct itimerspec s = {{0, 0}, until};
    if (timer_settime(t, TIMER_ABSTIME, &s, 0)) abort();
    int got; sigwait(&set, &got); timer_delete(t);
}
/* Waits as a C library that passes the time on to the kernel: on a condition that does not come. */
static void by_cond(clockid_t c, T until) {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_cond_t d; pthread_condattr_t a;
    pthread_condattr_init(&a); pthread_condattr_setclock(&a, c); pthread_cond_init(&d, &a);
    T before = until;
    pthread_mutex_lock(&m); while (!pthread_cond_timedwait(&d, &m, &until)) {} pthread_mutex_unlock(&m);
    if (memcmp(&before, &until, sizeof until)) abort();
}
/* A time that cannot be written to. */
static void by_futex(clockid_t c, T until) {
    static int word; long op = 9 | 128 | (c == CLOCK_REALTIME ? 256 : 0);
    register long r10 __asm__("r10") = (long)&until, r8 __asm__("r8") = 0, r9 __asm__("r9") = 0xffffffff, result;
    __asm__ volatile("syscall" : "=a"(result), "+r"(r10) : "a"(202L), "D"(&word), "S"(op), "d"(0L), "r"(r8), "r"(r9)
        : "rcx", "r11", "memory");
    if (result != -110 || r10 != (long)&until) abort();
}
static void by_sem(clockid_t c, T until) { sem_t s; sem_init(&s, 0, 0); (void)c; while (sem_timedwait(&s, &until)) if (shown(c) >= ns(until)) break; }
int main(int n, char **a) {
    clockid_t c = strcmp(a[1], "realtime") ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    setvbuf(stdout, 0, _IOLBF, 0);
    for (int i = 0; ; i++) {
        char *kind = a[3 + i % (n - 3)];
        long began = machine(), until = shown(c) + atol(a[2]) * 1000000L;
        printf("begin %s\n", kind);
        if (!strcmp(kind, "sleep")) by_sleep(c, at(until));
        else if (!strcmp(kind, "timerfd")) by_timerfd(c, at(until));
        else if (!strcmp(kind, "timer")) by_timer(c, at(until));
        else if (!strcmp(kind, "cond")) by_cond(c, at(until));
        else if (!strcmp(kind, "futex")) by_futex(c, at(until));
        else if (!strcmp(kind, "sem")) by_sem(c, at(until));
        else abort();
        long late = shown(c) - until;
        printf("%s %ld %ld %ld\n", kind, began, machine() - began, late);
    }
}
"#;

const PYTHON: &str = r#"
import ctypes, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
class T(ctypes.Structure): _fields_ = [("s", ctypes.c_long), ("n", ctypes.c_long)]
def machine():
    t = T(); libc.syscall(ctypes.c_long(228), ctypes.c_ulong(0x73626d6300000001), ctypes.byref(t))
    return t.s * 10**9 + t.n
pause = int(sys.argv[2]) / 1000
ways = {"sleep": time.sleep, "event": lambda s: threading.Event().wait(s)}
def lock(s):
    l = threading.Lock(); l.acquire(); l.acquire(timeout=s)
ways["lock"] = lock
while True:
    for kind in sys.argv[3:]:
        began, until = machine(), time.monotonic_ns() + int(sys.argv[2]) * 10**6
        print("begin", kind, flush=True)
        ways[kind](pause)
        late = time.monotonic_ns() - until
        print(kind, began, machine() - began, late, flush=True)
"#;

const JAVA: &str = r#"
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
public class Waits {
    public static void main(String[] a) throws Exception {
        Object monitor = new Object();
        BlockingQueue<Integer> queue = new ArrayBlockingQueue<>(4);
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
        timer.scheduleAtFixedRate(() -> queue.offer(1), 1, 2, TimeUnit.MILLISECONDS);
        Callable<?>[] ways = {
            () -> { LockSupport.parkNanos(1_000_000); return null; },
            () -> { synchronized (monitor) { monitor.wait(1); } return null; },
            () -> { queue.poll(3, TimeUnit.MILLISECONDS); return null; },
            () -> { Thread.sleep(1); byte[] garbage = new byte[100_000]; return garbage.length; },
        };
        Thread[] threads = new Thread[ways.length];
        for (int i = 0; i < ways.length; i++) {
            Callable<?> way = ways[i];
            threads[i] = new Thread(() -> {
                long last = System.nanoTime();
                for (int n = 0; n < 600; n++) {
                    try { way.call(); } catch (Exception e) { throw new RuntimeException(e); }
                    long now = System.nanoTime();
                    if (now < last) throw new RuntimeException("back");
                    last = now;
                }
                System.out.println("done");
            });
            threads[i].start();
        }
        for (Thread thread : threads) thread.join();
        timer.shutdownNow();
    }
}
"#;

const GO: &str = r#"
package main
import ("context"; "fmt"; "sync"; "time")
func main() {
	var group sync.WaitGroup
	ticker := time.NewTicker(2 * time.Millisecond)
	ways := []func(){
		func() { time.Sleep(time.Millisecond) },
		func() { <-time.After(time.Millisecond); _ = make([]byte, 100000) },
		func() { <-ticker.C },
		func() { c, cancel := context.WithTimeout(context.Background(), time.Millisecond); <-c.Done(); cancel() },
	}
	for _, way := range ways {
		group.Add(1)
		go func() {
			last := time.Now()
			for n := 0; n < 600; n++ {
				way()
				now := time.Now()
				if now.Sub(last) < 0 { panic("back") }
				last = now
			}
			fmt.Println("done")
			group.Done()
		}()
	}
	group.Wait()
}
"#;

/// Programs with runtimes of their own, that wait six hundred times in each of four ways.
pub fn runtimes() -> [Kind; 2] {
    [Kind { name: "Java", argv: java("Waits", JAVA) }, Kind { name: "Go", argv: go("waits", GO) }]
}

/// Programs that wait on the monotonic clock, and the ways in which they do.
pub fn kinds() -> Vec<(Kind, Vec<&'static str>)> {
    let rust = vec![own_program(), peers::ARGUMENT.to_owned(), "wait".to_owned()];
    let all = vec!["sleep", "timerfd", "timer", "cond", "futex"];
    // This C library turns the times of its conditions into whiles.
    let musl = vec!["sleep", "timerfd", "timer", "futex"];
    vec![
        (Kind { name: "C", argv: program() }, all.clone()),
        (Kind { name: "static C", argv: c("wait-static", C, "gcc", &["-O2", "-static", "-pthread"]) }, all),
        (Kind { name: "static musl", argv: c("wait-musl", C, "musl-gcc", &["-O2", "-static", "-pthread"]) }, musl),
        (Kind { name: "Rust", argv: Ok(rust) }, vec!["condvar", "channel", "park"]),
        (Kind { name: "Python", argv: python_file("wait.py", PYTHON) }, vec!["sleep", "event", "lock"]),
    ]
}

/// A dynamic C program; its arguments are the clock, milliseconds, and ways.
pub fn program() -> Result<Vec<String>, String> {
    c("wait", C, "gcc", &["-O2", "-pthread"])
}
