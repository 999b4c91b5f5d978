//! Which system calls of a host's processes its agent hears of: one seccomp filter for all that the host's faults need.
//!
//! A chain of filters can have one listener only (seccomp(2)), and every process of a host inherits the filter of its
//! first one. So whoever wants to hear of a call adds a rule here, instead of installing a filter.
//!
//! The kernel remembers which calls a filter always lets pass, and does not run it for these; a rule costs those calls only that
//! it names.

use libc::{sock_filter, sock_fprog};

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
/// In `struct seccomp_data`.
const NUMBER_OFFSET: u32 = 0;
const ARCHITECTURE_OFFSET: u32 = 4;
const ARGUMENTS_OFFSET: u32 = 16;

/// An architecture whose system calls this machine's programs make, as the audit subsystem numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// That of this program.
    Native,
    /// Its 32-bit forerunner.
    Forerunner,
}

impl Architecture {
    pub(crate) const fn number(self) -> u32 {
        match (self, cfg!(target_arch = "x86_64")) {
            (Architecture::Native, true) => 0xc000_003e,
            (Architecture::Forerunner, true) => 0x4000_0003,
            (Architecture::Native, false) => 0xc000_00b7,
            (Architecture::Forerunner, false) => 0x4000_0028,
        }
    }
}

/// A call to hear of.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) architecture: Architecture,
    pub(crate) call: u32,
    /// Only if this argument, counted from 0, has one of these values in its lower 32 bits.
    pub(crate) only: Option<(u32, Vec<u32>)>,
    /// Only if this argument, counted from 0, is not null.
    pub(crate) given: Option<u32>,
    /// Only if the upper half of this argument, of which the kernel uses the lower one only, is not [`MARK`].
    pub(crate) unmarked: Option<u32>,
}

/// By this an agent has programs make calls that it cannot be asked about.
pub(crate) const MARK: u32 = 0x7362_6d61;

impl Rule {
    /// Every one of these calls.
    pub(crate) fn every(architecture: Architecture, call: u32) -> Rule {
        Rule { architecture, call, only: None, given: None, unmarked: None }
    }

    /// Those of this program's own calls whose argument has one of these values.
    pub(crate) fn only(call: libc::c_long, argument: u32, values: Vec<u32>) -> Rule {
        Rule { only: Some((argument, values)), ..Rule::every(Architecture::Native, call as u32) }
    }
}

/// The filter's program. Calls that no rule names are let pass.
pub(crate) fn program(rules: &[Rule]) -> Vec<sock_filter> {
    let mut program = vec![load(ARCHITECTURE_OFFSET)];
    for architecture in [Architecture::Native, Architecture::Forerunner] {
        let block = block(rules.iter().filter(|rule| rule.architecture == architecture));
        program.push(if_equal(architecture.number(), 1, 0));
        program.push(instruction(JUMP, 0, 0, block.len() as u32));
        program.extend(block);
    }
    program.push(answer(ALLOW));
    program
}

/// The rules of one architecture; it always ends with an answer.
fn block<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<sock_filter> {
    let mut block = vec![load(NUMBER_OFFSET)];
    for rule in rules {
        let body = body(rule);
        block.push(if_equal(rule.call, 0, body.len() as u8));
        block.extend(body);
    }
    block.push(answer(ALLOW));
    block
}

fn body(rule: &Rule) -> Vec<sock_filter> {
    // The lower half of an argument comes first: both architectures are little-endian.
    let mut body = match rule.unmarked {
        Some(argument) => vec![load(ARGUMENTS_OFFSET + 8 * argument + 4), if_equal(MARK, 0, 1), answer(ALLOW)],
        None => Vec::new(),
    };
    let Some((argument, values)) = &rule.only else {
        body.extend(named(rule));
        return body;
    };
    body.push(load(ARGUMENTS_OFFSET + 8 * argument));
    let count = values.len() as u8;
    body.extend((0..).zip(values).map(|(i, value)| if_equal(*value, count - i, 0)));
    body.push(answer(ALLOW));
    body.extend(named(rule));
    body
}

/// What becomes of a call that has the value.
fn named(rule: &Rule) -> Vec<sock_filter> {
    let Some(argument) = rule.given else { return vec![answer(NOTIFY)] };
    let half = |half: u32| load(ARGUMENTS_OFFSET + 8 * argument + 4 * half);
    vec![half(0), if_equal(0, 0, 2), half(1), if_equal(0, 1, 0), answer(NOTIFY), answer(ALLOW)]
}

/// As the kernel takes it. Valid as long as the program lives.
pub(crate) fn raw(program: &mut [sock_filter]) -> sock_fprog {
    sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() }
}

fn load(offset: u32) -> sock_filter {
    instruction(LOAD_WORD, 0, 0, offset)
}

fn if_equal(value: u32, then_skip: u8, else_skip: u8) -> sock_filter {
    instruction(JUMP_IF_EQUAL, then_skip, else_skip, value)
}

fn answer(answer: u32) -> sock_filter {
    instruction(RETURN, 0, 0, answer)
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do: classic BPF over one call's data.
    fn run(program: &[sock_filter], architecture: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let word = |offset: u32| match offset {
            NUMBER_OFFSET => call,
            ARCHITECTURE_OFFSET => architecture,
            _ => {
                let at = offset - ARGUMENTS_OFFSET;
                (arguments[at as usize / 8] >> (at % 8 * 8)) as u32
            }
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match step.code {
                LOAD_WORD => accumulator = word(step.k),
                JUMP => at += step.k as usize,
                JUMP_IF_EQUAL => at += usize::from(if accumulator == step.k { step.jt } else { step.jf }),
                RETURN => return step.k,
                other => panic!("instruction {other}"),
            }
        }
    }

    #[test]
    fn only_what_a_rule_names_is_notified() {
        let only = |call, values: &[u32]| Rule::only(call, 1, values.to_vec());
        let rules = [
            Rule::every(Architecture::Native, 59),
            only(228, &[0, 5, 11]),
            Rule::every(Architecture::Forerunner, 11),
            Rule::every(Architecture::Native, 322),
        ];
        let program = program(&rules);
        let (native, forerunner) = (Architecture::Native.number(), Architecture::Forerunner.number());
        for call in 0..500 {
            for argument in [0u64, 1, 5, 11, 12, 1 << 32] {
                let arguments = [99, argument, 0, 0, 0, 0];
                let named = call == 59 || call == 322 || call == 228 && [0, 5, 11].contains(&(argument as u32));
                let expected = if named { NOTIFY } else { ALLOW };
                assert_eq!(run(&program, native, call, arguments), expected, "{call} {argument}");
                let expected = if call == 11 { NOTIFY } else { ALLOW };
                assert_eq!(run(&program, forerunner, call, arguments), expected, "{call} of the forerunner");
                assert_eq!(run(&program, 0x1234, call, arguments), ALLOW);
            }
        }
    }

    #[test]
    fn a_call_without_its_argument_passes() {
        let rules = [
            Rule { given: Some(3), ..Rule::only(202, 1, vec![9, 137]) },
            Rule { given: Some(2), ..Rule::every(Architecture::Native, 7) },
        ];
        let program = program(&rules);
        let answer = |call, arguments| run(&program, Architecture::Native.number(), call, arguments);
        for address in [1, 1 << 31, 1 << 32, u64::MAX] {
            assert_eq!(answer(202, [0, 137, 0, address, 0, 0]), NOTIFY, "{address:x}");
            assert_eq!(answer(202, [0, 1, 0, address, 0, 0]), ALLOW);
            assert_eq!(answer(7, [0, 0, address, 0, 0, 0]), NOTIFY);
        }
        assert_eq!([answer(202, [1, 9, 1, 0, 1, 1]), answer(7, [1, 1, 0, 1, 1, 1])], [ALLOW; 2]);
    }

    #[test]
    fn a_marked_call_passes() {
        let rules = [Rule { unmarked: Some(0), ..Rule::every(Architecture::Native, 257) }];
        let program = program(&rules);
        let answer = |first| run(&program, Architecture::Native.number(), 257, [first, 0, 0, 0, 0, 0]);
        let marked = u64::from(MARK) << 32 | 0xffff_ff9c;
        assert_eq!([answer(marked), answer(0xffff_ff9c), answer(u64::MAX - 99)], [ALLOW, NOTIFY, NOTIFY]);
    }

    #[test]
    fn no_rules_let_everything_pass() {
        assert_eq!(run(&program(&[]), Architecture::Native.number(), 59, [0; 6]), ALLOW);
    }

    #[test]
    fn many_rules_do_not_overflow_a_jump() {
        let rules: Vec<Rule> = (0..300).map(|call| Rule::every(Architecture::Native, call)).collect();
        let program = program(&rules);
        assert_eq!(run(&program, Architecture::Native.number(), 299, [0; 6]), NOTIFY);
        assert_eq!(run(&program, Architecture::Forerunner.number(), 299, [0; 6]), ALLOW);
    }
}
