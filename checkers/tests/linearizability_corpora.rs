//! The histories that come with Porcupine and Knossos have the verdicts that those give them.

mod linearizability_support;

use std::path::Path;

use checkers::linearizability::{key_value, multi_register, registers};
use checkers::{Assumptions, Budget, Question};
use histories::file::InputFormat;
use histories::{History, Scalar};
use linearizability_support::{foreign, question, verdict};

/// The logs of etcd that are linearizable, after `porcupine_test.go`; the others are not.
const LINEARIZABLE: [u32; 11] = [2, 18, 38, 48, 56, 76, 80, 92, 98, 100, 102];

fn register(history: &History) -> bool {
    verdict(history, &registers::check(history, &question(), &Budget::default()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[test]
fn logs_of_etcd() {
    let files = foreign::corpus("porcupine/jepsen");
    assert_eq!(files.len(), 52);
    for path in files {
        let number: u32 = name(&path)[5..8].parse().expect("a number");
        let linearizable = register(&foreign::recorded(&path, InputFormat::JepsenLog));
        assert_eq!(linearizable, LINEARIZABLE.contains(&number), "{}", name(&path));
    }
}

#[test]
fn registers_of_knossos() {
    for (folder, expected, count) in [("bad", false, 4), ("good", true, 56)] {
        let files = foreign::corpus(&format!("knossos/cas-register/{folder}"));
        assert_eq!(files.len(), count);
        for path in files {
            assert_eq!(register(&foreign::recorded(&path, InputFormat::Edn)), expected, "{}", name(&path));
        }
    }
}

#[test]
fn multi_register_of_knossos() {
    let files = foreign::corpus("knossos/multi-register/good");
    assert_eq!(files.len(), 1);
    let history = foreign::recorded(&files[0], InputFormat::Edn);
    let assume = Assumptions { initial: Some(Scalar::Int(0)), ..Assumptions::default() };
    let zero = Question { assume, ..question() };
    assert!(verdict(&history, &multi_register::check(&history, &zero, &Budget::default())));
    assert!(!verdict(&history, &multi_register::check(&history, &question(), &Budget::default())), "it begins with 0");
}

#[test]
fn maps_of_strings() {
    let files = foreign::corpus("porcupine/kv");
    assert_eq!(files.len(), 3);
    for path in files {
        let history = foreign::recorded(&path, InputFormat::Edn);
        let linearizable = verdict(&history, &key_value::check(&history, &question(), &Budget::default()));
        assert!(!linearizable, "{}", name(&path));
    }
}
