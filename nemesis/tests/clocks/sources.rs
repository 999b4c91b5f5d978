//! Programs of other kinds, that say what their clocks show every ten milliseconds: "realtime monotonic", ns.
//!
//! They are compiled once, by what compilers the machine has.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::lab::{Scratch, own_program};
use crate::peers;

/// A kind of program, and how to start it, or why it is not here.
pub struct Kind {
    pub name: &'static str,
    pub argv: Result<Vec<String>, String>,
}

const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long long ns(clockid_t clock) { struct timespec t; clock_gettime(clock, &t); return t.tv_sec * 1000000000LL + t.tv_nsec; }
int main(void) {
    for (;;) {
        struct timeval day;
        long long before = ns(CLOCK_REALTIME);
        gettimeofday(&day, NULL);
        long long of_day = day.tv_sec * 1000000LL + day.tv_usec;
        long long after = ns(CLOCK_REALTIME);
        long long coarse = ns(CLOCK_REALTIME_COARSE), seconds = time(NULL);
        /* All four agree, or nothing is said; a strobe may turn between them. */
        int agree = before / 1000 <= of_day && of_day <= after / 1000 && llabs(coarse - after) < 60000000LL
            && llabs(seconds - after / 1000000000LL) <= 1;
        if (agree) printf("%lld %lld\n", ns(CLOCK_REALTIME), ns(CLOCK_MONOTONIC));
        fflush(stdout);
        usleep(10000);
    }
}
"#;

const GO: &str = r#"
package main
import ("os"; "strconv"; "syscall"; "time"; "unsafe")
func main() {
    go func() { for { time.Sleep(time.Millisecond) } }()
    for {
        var t syscall.Timespec
        real := time.Now().UnixNano()
        syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
        os.Stdout.WriteString(strconv.FormatInt(real, 10) + " " + strconv.FormatInt(t.Nano(), 10) + "\n")
        time.Sleep(10 * time.Millisecond)
    }
}
"#;

const PYTHON: &str =
    "import time\nwhile True: print(time.time_ns(), time.monotonic_ns(), flush=True); time.sleep(0.01)\n";

const JAVA: &str = r#"
public class Tell {
    public static void main(String[] none) throws Exception {
        while (true) {
            java.time.Instant now = java.time.Instant.now();
            long monotonic = System.nanoTime();
            System.out.println((now.getEpochSecond() * 1000000000L + now.getNano()) + " " + monotonic);
            Thread.sleep(10);
        }
    }
}
"#;

/// Asks the kernel for the time without a C library or a vDSO, in three ways that must agree.
#[cfg(target_arch = "x86_64")]
const RAW: &str = r#"
static long call(long n, long a, long b, long c) {
    long r; __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory"); return r;
}
static char *put(char *at, long n) {
    char digits[24]; int i = 0;
    do digits[i++] = '0' + n % 10; while (n /= 10);
    while (i) *at++ = digits[--i];
    return at;
}
void _start(void) {
    for (;;) {
        long t[2], pause[2] = {0, 10000000}; char line[64], *at = line;
        call(96, (long)t, 0, 0); long micros = t[0] * 1000000 + t[1], seconds = call(201, (long)(t + 1), 0, 0);
        call(228, 0, (long)t, 0);
        int agree = t[0] * 1000000 + t[1] / 1000 - micros < 1000000 && t[0] - seconds < 2 && seconds - t[0] < 2;
        if (!agree) { call(35, (long)pause, 0, 0); continue; }
        at = put(at, t[0] * 1000000000 + t[1]); *at++ = ' ';
        call(228, 1, (long)t, 0); at = put(at, t[0] * 1000000000 + t[1]); *at++ = '\n';
        call(1, 1, (long)line, at - line);
        call(35, (long)pause, 0, 0);
    }
}
"#;

/// A 32-bit program that waits.
#[cfg(target_arch = "x86_64")]
const OLD: &str = r#"
void _start(void) { for (;;) __asm__ volatile("int $0x80" : : "a"(29)); }
"#;

/// All kinds that read the clock as programs do.
pub fn kinds() -> &'static [Kind] {
    static KINDS: OnceLock<Vec<Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let rust = vec![own_program(), peers::ARGUMENT.to_owned(), "tell".to_owned()];
        vec![
            Kind { name: "Rust", argv: Ok(rust) },
            Kind { name: "C", argv: c("c", C, "gcc", &["-O2"]) },
            Kind { name: "static C", argv: c("c-static", C, "gcc", &["-O2", "-static"]) },
            Kind { name: "static musl", argv: c("c-musl", C, "musl-gcc", &["-O2", "-static"]) },
            Kind { name: "static C without a vDSO", argv: raw() },
            Kind { name: "Go", argv: go("go", GO) },
            Kind { name: "Python", argv: python_file("tell.py", PYTHON) },
            Kind { name: "Java", argv: java("Tell", JAVA) },
        ]
    })
}

/// A static program that knows no vDSO.
#[cfg(target_arch = "x86_64")]
pub fn raw() -> Result<Vec<String>, String> {
    c("raw", RAW, "gcc", &["-O1", "-static", "-nostdlib", "-fno-stack-protector", "-fno-builtin"])
}

/// A 32-bit program.
#[cfg(target_arch = "x86_64")]
pub fn old() -> Result<Vec<String>, String> {
    c("old", OLD, "gcc", &["-O1", "-m32", "-static", "-nostdlib", "-fno-stack-protector", "-fno-pic", "-no-pie"])
}

/// What hosts must see.
pub fn keep() -> Vec<PathBuf> {
    vec![dir().to_owned()]
}

/// Removes what was compiled.
pub fn clean() {
    let _ = std::fs::remove_dir_all(dir());
}

fn dir() -> &'static Path {
    static DIR: OnceLock<Scratch> = OnceLock::new();
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| DIR.get_or_init(Scratch::new).path(""))
}

pub fn c(name: &str, text: &str, compiler: &str, flags: &[&str]) -> Result<Vec<String>, String> {
    let (source, program) = (dir().join(format!("{name}.c")), dir().join(name));
    std::fs::write(&source, text).map_err(|e| e.to_string())?;
    run(Command::new(compiler).args(flags).arg("-o").arg(&program).arg(&source))?;
    Ok(vec![program.display().to_string()])
}

/// A static Go program.
pub fn go(name: &str, text: &str) -> Result<Vec<String>, String> {
    let dir = dir();
    let (source, program) = (dir.join(format!("{name}.go")), dir.join(name));
    std::fs::write(&source, text).map_err(|e| e.to_string())?;
    let mut command = Command::new("go");
    command.args(["build", "-o"]).arg(&program).arg(&source).env("CGO_ENABLED", "0").env("GO111MODULE", "off");
    if std::env::var_os("HOME").is_none_or(|home| std::fs::metadata(home).map_or(true, |m| m.permissions().readonly()))
    {
        command.env("HOME", dir);
    }
    command.env("GOCACHE", std::env::var_os("GOCACHE").unwrap_or_else(|| dir.join("go-cache").into()));
    run(&mut command)?;
    Ok(vec![program.display().to_string()])
}

/// A Python program.
pub fn python_file(name: &str, text: &str) -> Result<Vec<String>, String> {
    run(Command::new("python3").arg("--version"))?;
    let source = dir().join(name);
    std::fs::write(&source, text).map_err(|e| e.to_string())?;
    Ok(vec!["python3".to_owned(), source.display().to_string()])
}

/// A Java program: the class has the name.
pub fn java(class: &str, text: &str) -> Result<Vec<String>, String> {
    let source = dir().join(format!("{class}.java"));
    std::fs::write(&source, text).map_err(|e| e.to_string())?;
    run(Command::new("javac").arg("-d").arg(dir()).arg(&source))?;
    Ok(["java", "-Xshare:auto", "-cp", &dir().display().to_string(), class].map(str::to_owned).to_vec())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.output() {
        Err(error) => Err(format!("{name}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}", said.lines().next().unwrap_or_default()))
        }
    }
}
