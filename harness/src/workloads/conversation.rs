//! `conversation`: questions and answers. Somebody asks, somebody else sees the question and answers, everybody
//! reads both: nobody may see an answer without its question (consistent prefix, *Designing Data-Intensive
//! Applications*, chapter 5; Terry's "consistent prefix" in *Replicated Data Consistency Explained Through
//! Baseball*, CACM 2013).

use std::collections::BTreeMap;

use histories::{Completion, Guarantee, Micro, Operation, Scalar};
use nemesis::seed::ChaCha8Rng;
use rand::RngExt;
use systems_under_test::Function;

use super::{Rotation, Shape, Turn, Workload, WorkloadSpec, last_element, read};

/// Questions per conversation before a fresh one is begun.
const QUESTIONS: u32 = 32;

pub(super) const SPEC: WorkloadSpec = WorkloadSpec {
    name: "conversation",
    about: "questions and the answers that follow from them, read together through different replicas",
    story: "A conversation is two lists, questions and answers. Some processes append a question. Some read the \
            questions and append an answer to the newest one that they saw and that has no answer yet. Some read \
            answers and questions in one transaction. An answer whose question is missing breaks the consistent \
            prefix; an answer ordered before its question breaks writes-follow-reads.",
    needs: &[Function::Append, Function::Txn],
    judges: &[
        Guarantee::Durability,
        Guarantee::WritesFollowReads,
        Guarantee::ConsistentPrefix,
        Guarantee::MonotonicReads,
    ],
    make: |shape| Box::new(Conversation::new(shape)),
};

struct Conversation {
    talks: Rotation,
    /// The newest question that a session has seen and nobody has answered: talk and question.
    heard: BTreeMap<u32, (Scalar, Scalar)>,
    /// The newest question of each talk that somebody has set out to answer.
    answered: BTreeMap<Scalar, Scalar>,
}

impl Conversation {
    fn new(shape: Shape) -> Self {
        let talks = Rotation::new("talk", shape.key_count.min(3), QUESTIONS);
        Conversation { talks, heard: BTreeMap::new(), answered: BTreeMap::new() }
    }
}

fn questions(talk: &Scalar) -> Scalar {
    Scalar::from(format!("{talk}.questions"))
}

fn answers(talk: &Scalar) -> Scalar {
    Scalar::from(format!("{talk}.answers"))
}

impl Workload for Conversation {
    fn next(&mut self, turn: Turn, rng: &mut ChaCha8Rng) -> Operation {
        let choice = rng.random_range(0..10);
        if let Some((talk, question)) = self.heard.remove(&turn.session)
            && self.answered.get(&talk).is_none_or(|newest| *newest < question)
        {
            self.answered.insert(talk.clone(), question.clone());
            return Operation::Append { key: Some(answers(&talk)), value: question };
        }
        match choice {
            0..3 => {
                let (talk, question) = self.talks.element(rng);
                Operation::Append { key: Some(questions(&self.talks.name(talk))), value: question.into() }
            }
            3..6 => read(questions(&self.talks.name(self.talks.pick(rng)))),
            _ => {
                let talk = self.talks.name(self.talks.pick(rng));
                let both = [answers(&talk), questions(&talk)];
                Operation::Txn(both.into_iter().map(|key| Micro::Read { key, value: None }).collect())
            }
        }
    }

    fn observe(&mut self, turn: Turn, _operation: &Operation, completion: &Completion) {
        let Completion::Ok(Operation::Read { key: Some(Scalar::Text(key)), value: Some(value) }) = completion else {
            return;
        };
        let talk = key.strip_suffix(".questions").map(Scalar::from);
        if let (Some(talk), Some(question)) = (talk, last_element(value)) {
            self.heard.insert(turn.session, (talk, question.clone()));
        }
    }

    fn final_reads(&self) -> Vec<Operation> {
        let talks = (0..self.talks.made).map(|t| self.talks.name(t));
        talks.flat_map(|talk| [read(questions(&talk)), read(answers(&talk))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use histories::Value;
    use nemesis::seed::Seed;

    use super::*;

    #[test]
    fn who_saw_a_question_answers_it_once() {
        let shape = Shape { key_count: 1, concurrency: 2, transactions: true, compare_and_set: true };
        let mut workload = Conversation::new(shape);
        let mut rng = Seed(1).stream("test");
        let (first, second) = (Turn { worker: 0, process: 0, session: 0 }, Turn { worker: 1, process: 1, session: 1 });
        let seen =
            Operation::Read { key: Some("talk0.questions".into()), value: Some(Value::List(vec![1.into(), 2.into()])) };
        for turn in [first, second] {
            workload.observe(turn, &read("talk0.questions".into()), &Completion::Ok(seen.clone()));
        }
        let answer = Operation::Append { key: Some("talk0.answers".into()), value: 2.into() };
        assert_eq!(workload.next(first, &mut rng), answer);
        assert_ne!(workload.next(second, &mut rng), answer, "somebody else has answered");
    }
}
