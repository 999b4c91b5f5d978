//! Each kind of contradiction of a collection is found and told, and what almost is one is not.

mod collections_support;

use checkers::AnomalyType;
use checkers::analysis::Analyzer;
use checkers::linearizability::collections::{counter, fifo_queue, list, priority_queue, queue, set, stack};
use collections_support::found;
use histories::notation;

/// The anomaly of this kind, and no other, is found in the text; its operations and its words.
fn told(check: Analyzer, text: &str, kind: AnomalyType) -> (Vec<u32>, String) {
    let found = found(check, &notation::history(text));
    assert_eq!(found.groups.keys().collect::<Vec<_>>(), [&kind], "{text}\n{found:#?}");
    let case = &found.groups[&kind].cases[0];
    (case.operations.clone(), case.explanation.clone())
}

fn valid(check: Analyzer, text: &str) {
    let found = found(check, &notation::history(text));
    assert!(found.groups.is_empty() && found.doubts.is_empty(), "{text}\n{found:#?}");
}

#[test]
fn an_item_overtakes_another() {
    let (operations, words) = told(fifo_queue::check, "1:ex1 2:ex2 3:dx2 4:dx1", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [0, 2, 4, 6]);
    assert_eq!(
        words,
        "1 was enqueued before 2 was (#0 was completed before #2 was invoked), yet 2 was dequeued by #4 before the \
         dequeue of 1 (#6) began: 2 overtook 1."
    );
    // The dequeues overlap, or the enqueues do.
    valid(fifo_queue::check, "1:ex1 2:ex2 3<dx 4<dx 3>dx2 4>dx1");
    valid(fifo_queue::check, "1<ex1 2:ex2 1> 3:dx2 4:dx1");
    // It is no contradiction for an unordered queue.
    valid(queue::check, "1:ex1 2:ex2 3:dx2 4:dx1");
}

#[test]
fn an_item_is_left_behind() {
    told(fifo_queue::check, "1:ex1 2:ex2 3:dx2", AnomalyType::Nonlinearizable);
    // It may have been taken out by the dequeue that was not answered, if that began in time.
    valid(fifo_queue::check, "1:ex1 2:ex2 4<dx 3:dx2");
    valid(fifo_queue::check, "1:ex1 2:ex2 4:dx? 3:dx2");
    told(fifo_queue::check, "1:ex1 2:ex2 3:dx2 4<dx", AnomalyType::Nonlinearizable);
    // Two were left behind, and one dequeue was not answered.
    let (operations, words) = told(fifo_queue::check, "1:ex1 1:ex2 1:ex3 4<dx 3:dx3", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [2, 0, 4, 7, 6]);
    assert!(words.contains("2 items (2 and 1) went in ahead of 3"), "{words}");
}

#[test]
fn an_item_from_nowhere() {
    let (operations, words) = told(queue::check, "1:ex1 2:dx7", AnomalyType::UnexpectedElement);
    assert_eq!(operations, [2]);
    assert!(words.contains("no put of 7 took effect"), "{words}");
    told(queue::check, "1:ex7! 2:dx7", AnomalyType::UnexpectedElement);
    valid(queue::check, "1:ex7? 2:dx7");
    // Out before it went in.
    told(queue::check, "2:dx7 1:ex7", AnomalyType::Nonlinearizable);
    valid(queue::check, "2<dx 1<ex7 2>dx7 1>");
}

#[test]
fn an_item_comes_out_twice() {
    for check in [queue::check, fifo_queue::check, priority_queue::check] {
        let (operations, _) = told(check, "1:ex1 2:dx1 3:dx1", AnomalyType::DoubleDequeue);
        assert_eq!(operations, [0, 2, 4]);
    }
    told(stack::check, "1:px1 2:ox1 3:ox1", AnomalyType::DoubleDequeue);
    valid(queue::check, "1:ex1 2:dx1 3:ex1 3:dx1");
}

#[test]
fn an_item_is_lost() {
    for check in [queue::check, fifo_queue::check, priority_queue::check] {
        let (operations, words) = told(check, "1:ex1 2:dx", AnomalyType::LostItem);
        assert_eq!(operations, [0, 2]);
        assert!(words.contains("1 was inside from the end of #0 on"), "{words}");
        valid(check, "1<ex1 2:dx 1>");
        valid(check, "1:ex1? 2:dx");
        valid(check, "1:ex1 3<dx 2:dx");
    }
    told(stack::check, "1:px1 2:ox", AnomalyType::LostItem);
    valid(stack::check, "1<px1 2:ox 1>");
}

#[test]
fn never_empty_although_items_come_and_go() {
    let text = "1:ex1 9<dx 2:ex2 3:dx1 9>dx 4:dx2";
    let (operations, words) = told(queue::check, text, AnomalyType::Nonlinearizable);
    assert_eq!(operations, [0, 5, 3, 8, 2]);
    assert!(words.contains("at no moment of it was there nothing inside"), "{words}");
    // Here 1 can be out before 2 goes in.
    valid(queue::check, "1:ex1 9<dx 2<ex2 3:dx1 2> 9>dx 4:dx2");
}

#[test]
fn a_drain_takes_all() {
    valid(queue::check, r#"1:ex1 1:ex2 2:~drain("x")[2,1]"#);
    told(queue::check, r#"1:ex1 1:ex2 2:~drain("x")[2]"#, AnomalyType::LostItem);
    told(queue::check, r#"1:ex1 1:ex2 2:~drain("x")[2,1,3]"#, AnomalyType::UnexpectedElement);
    told(queue::check, r#"1:ex1 1:ex2 3:dx1 2:~drain("x")[2,1]"#, AnomalyType::DoubleDequeue);
    // What goes in while it runs need not come out; what was not answered may have taken the rest.
    valid(queue::check, r#"1:ex1 2<~drain("x") 1:ex2 2>~drain("x")[1]"#);
    valid(queue::check, r#"1:ex1 1:ex2 3:~drain("x")? 2:dx"#);
    // It keeps the order of a queue that has one.
    valid(fifo_queue::check, r#"1:ex1 1:ex2 2:~drain("x")[1,2]"#);
    told(fifo_queue::check, r#"1:ex1 1:ex2 2:~drain("x")[2,1]"#, AnomalyType::Nonlinearizable);
}

#[test]
fn something_larger_was_inside() {
    let (operations, words) = told(priority_queue::check, "1:ex1 1:ex5 2:dx1 3:dx5", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [2, 6, 0, 4]);
    assert!(words.contains("something larger was inside, which goes first: 5 was inside"), "{words}");
    valid(priority_queue::check, "1:ex1 1:ex5 2<dx 3:dx5 2>dx1");
    valid(priority_queue::check, "1:ex1 2<ex5 1:dx1 2> 3:dx5");
    // First one, then another larger item, and never none.
    let chain = "1:ex1 1:ex6 2<dx 1:ex5 3:dx6 2>dx1 3:dx5";
    let (operations, _) = told(priority_queue::check, chain, AnomalyType::Nonlinearizable);
    assert_eq!(operations, [2, 7, 5, 10, 0, 4]);
}

#[test]
fn an_item_comes_out_from_under_another() {
    let (operations, words) = told(stack::check, "1:px1 2:px2 3:ox1 4:ox2", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [0, 4, 2, 6]);
    assert_eq!(
        words,
        "1 was pushed before 2 was (#0 was completed before #2 was invoked), so 2 lay above it; yet 1 was popped by #4 \
         before the pop of 2 (#6) began: 1 came out from under 2."
    );
    valid(stack::check, "1:px1 2<px2 3:ox1 2> 4:ox2");
    valid(stack::check, "1:px1 2:px2 3<ox 4<ox 3>ox1 4>ox2");
    valid(stack::check, "1:px1 2:px2 3:ox2 4:ox1");
    // The pop that was not answered took 2.
    valid(stack::check, "1:px1 2:px2 4<ox 3:ox1");
    told(stack::check, "1:px1 2:px2 3:ox1 4<ox", AnomalyType::Nonlinearizable);
}

#[test]
fn nothing_can_lie_at_the_bottom() {
    // Any two of the three items can be put in order; all three cannot.
    let text = "0:px1 1<px2 2<ox 1> 2>ox1 3<px3 4<ox 3> 4>ox2 5:ox3";
    valid(stack::check, text);
    let text = "0:px1 1:px2 2<px3 3<ox 3>ox1 2> 4:ox2 5:ox3";
    let (_, words) = told(stack::check, text, AnomalyType::Nonlinearizable);
    assert!(words.contains("1 came out from under 2"), "{words}");
}

#[test]
fn an_element_is_seen_too_early_or_too_late() {
    let (operations, words) = told(set::check, "1:+x1 2:hx1/", AnomalyType::LostElement);
    assert_eq!(operations, [0, 2]);
    assert!(words.contains("nobody ever removed 1, yet process 2 did not find 1 in x (#2)"), "{words}");
    told(set::check, "1:hx1= 2:+x1", AnomalyType::Nonlinearizable);
    told(set::check, "1:hx1= 2:hx2/", AnomalyType::UnexpectedElement);
    valid(set::check, "1<hx1 2<+x1 1>hx1= 2>");
    valid(set::check, "1:+x1? 2:hx1/ 3:hx1=");
    told(set::check, "1:+x1? 2:hx1= 3:hx1/", AnomalyType::Nonlinearizable);
    // Gone although nobody removed it yet; there although it was removed.
    told(set::check, "1:+x1 2:hx1/ 3:-x1", AnomalyType::Nonlinearizable);
    valid(set::check, "1:+x1 3<-x1 2:hx1/ 3>");
    told(set::check, "1:+x1 3:-x1 2:hx1=", AnomalyType::Nonlinearizable);
    valid(set::check, "1:+x1 3:-x1 1:+x1 2:hx1=");
}

#[test]
fn reads_of_a_set_that_grows() {
    valid(set::check, "0:+x1 1<+x2 2:rx[1] 3:rx[1,2] 1>");
    let (operations, _) = told(set::check, "0:+x1 0:+x2 2:rx[1] 3:rx[1,2]", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [2, 4]);
    told(set::check, "0:+x1 0:+x2 2:rx[1]", AnomalyType::LostElement);
    told(set::check, "0<+x1 1<+x2 2:rx[1] 3:rx[2]", AnomalyType::Nonlinearizable);
    told(set::check, "0:+x1 2:rx[1,1]", AnomalyType::DuplicateElements);
    told(set::check, "0:+x1 2:rx[1,7]", AnomalyType::UnexpectedElement);
    // Elements that are removed come and go together with reads of all of them.
    valid(set::check, "0:+x1 0:-x1 2:rx[] 0:+x2 2:rx[2]");
    told(set::check, "0<+x1 1<+x2 3<-x1 4<-x2 2:rx[1] 2:rx[2] 2:rx[1]", AnomalyType::Nonlinearizable);
}

#[test]
fn a_counter_is_behind_or_ahead() {
    let (operations, words) = told(counter::check, "0:ix1 1:ix1 2:rx1", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [0, 2, 4]);
    assert!(words.contains("2 increments were acknowledged, which is 2"), "{words}");
    valid(counter::check, "0:ix1 1<ix1 2:rx1 1>");
    told(counter::check, "0:ix1 2:rx2 1:ix1", AnomalyType::OutOfBounds);
    valid(counter::check, "0:ix1? 2:rx0 2:rx1");
    told(counter::check, "0:ix1? 2:rx1 2:rx0", AnomalyType::Nonlinearizable);
    // The first read needed one of two, and the one that ended is it.
    valid(counter::check, "0<ix1 1<ix1 2:rx1 0> 2:rx1 1>");
    told(counter::check, "0<ix1 1<ix1 2:rx1 0> 1> 2:rx1", AnomalyType::Nonlinearizable);
    // Sums of some of several.
    valid(counter::check, "0<ix3 1<ix5 2:rx5 0> 1> 2:rx8");
    told(counter::check, "0<ix3 1<ix5 2:rx4 0> 1>", AnomalyType::Nonlinearizable);
    told(counter::check, "0:ix3 1:ix-5 2:rx3", AnomalyType::OutOfBounds);
}

#[test]
fn reads_of_a_list_have_one_order() {
    valid(list::check, "0:ax1 1<ax2 2:rx1 2:rx12 1>");
    let (operations, words) = told(list::check, "0:ax1 1:ax2 2:rx1", AnomalyType::Nonlinearizable);
    assert_eq!(operations, [2, 4]);
    assert!(words.contains("which does not show that element"), "{words}");
    told(list::check, "0<ax1 1<ax2 2:rx12 3:rx21", AnomalyType::IncompatibleOrder);
    told(list::check, "0:ax1 1:ax2 2:rx21", AnomalyType::Nonlinearizable);
    told(list::check, "0:ax1 2:rx11", AnomalyType::DuplicateElements);
    told(list::check, "0:ax1! 2:rx1", AnomalyType::UnexpectedElement);
    valid(list::check, "0:ax1? 2:rx 2:rx1");
    told(list::check, "0:ax1? 2:rx1 2:rx", AnomalyType::Nonlinearizable);
}

#[test]
fn keys_do_not_meet() {
    valid(fifo_queue::check, "1:ex1 2:ey1 3:dx1 4:dy1");
    let found = found(fifo_queue::check, &notation::history("1:ex1 2:ey1 3:dx1 4:dy"));
    let cases: Vec<_> = found.groups.values().flat_map(|group| &group.cases).collect();
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].key.as_deref(), Some("y"));
    assert_eq!((found.checked["operations"], found.checked["keys"]), (4, 2));
}

#[test]
fn what_is_not_understood_is_a_doubt() {
    for (check, text) in [
        (fifo_queue::check as Analyzer, "ex1 dx1 wx3"),
        (priority_queue::check, r#"ex"blue" dx"blue""#),
        (counter::check, r#"ix1 rx"blue""#),
        (list::check, "ax1 rx(12)"),
        (queue::check, "ex_"),
        (queue::check, "1>ex1"),
    ] {
        let found = found(check, &notation::history(text));
        assert!(found.groups.is_empty() && !found.doubts.is_empty(), "{text}\n{found:#?}");
    }
}
