//! A schedule written by hand is read, or refused with its file, its line and what to write instead.

use std::fs;
use std::path::Path;

use nemesis::fault::{Fault, Target};
use nemesis::schedule::{Action, Heal, LivenessAsked, Repeat, Schedule, ScheduleError, Severity, Step, Trigger};

fn nodes(count: usize) -> Vec<String> {
    (1..=count).map(|node| format!("n{node}")).collect()
}

fn parse(text: &str) -> Result<Schedule, ScheduleError> {
    Schedule::parse("my.toml", text, &nodes(3))
}

#[test]
fn every_example_is_good_for_five_nodes() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/schedules");
    let mut count = 0;
    for entry in fs::read_dir(dir).expect("there are examples") {
        let path = entry.expect("they can be listed").path();
        let text = fs::read_to_string(&path).expect("they can be read");
        let name = path.display().to_string();
        let schedule =
            Schedule::parse(&name, &text, &nodes(5)).unwrap_or_else(|error| panic!("{error}\nhelp: {}", error.remedy));
        assert_eq!(schedule.validate(5, Some(30_000)), vec![], "{name}");
        Schedule::parse_liveness(&name, &text, &nodes(5)).unwrap_or_else(|error| panic!("{error}"));
        let json = serde_json::to_string(&schedule).expect("a schedule is plain data");
        assert_eq!(serde_json::from_str::<Schedule>(&json).expect("it reads back"), schedule, "{name}");
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn the_example_of_every_field_has_every_fault_family() {
    let text = include_str!("../../examples/schedules/every-field.toml");
    let names = Schedule::parse("every-field.toml", text, &nodes(5)).expect("it is good").fault_names();
    for family in ["partition", "clients-cut", "kill", "crash", "pause", "partition-ring", "bridge", "one-way"] {
        assert!(names.contains(&family), "{family} is missing in {names:?}");
    }
}

#[test]
fn each_field_says_what_it_says() {
    let text = "[[step]]\nname = 'a'\nat = '1.5s'\nafter = '20ms'\nfault = 'kill'\ntarget = ['n3', 'n1']\nevery = '1m'\n\
                [[step]]\non-output = 'x+'\noutput-of = 'n2'\nheal = 'a'";
    let first = Step {
        name: Some("a".to_owned()),
        when: Trigger::TimeMs(1500),
        after_ms: 20,
        action: Action::Inject(Fault::Kill { target: Target::Nodes(vec![2, 0]) }),
        for_ms: None,
        until: None,
        repeat: Some(Repeat { every_ms: Some(60_000), times: None }),
    };
    let second = Step {
        name: None,
        when: Trigger::Output { node: Some(1), pattern: "x+".to_owned() },
        after_ms: 0,
        action: Action::Heal(Heal::Step(0)),
        for_ms: None,
        until: None,
        repeat: None,
    };
    let schedule = parse(text).expect("it is good");
    assert_eq!(schedule.steps, [first, second]);
    let said: Vec<_> = schedule.steps.iter().map(Step::to_string).collect();
    assert_eq!(said, ["at 1.5s + 20ms: kill n3 n1, again every 60s", "when n2 prints /x+/: heal step 1"]);
}

#[test]
fn clocks_and_disks_are_written_with_their_amounts() {
    let said = |text: &str| parse(&format!("[[step]]\nat = '1s'\n{text}")).expect(text).steps[0].to_string();
    assert_eq!(said("fault = 'clock-jump'\ntarget = 'n1'\nby = '-2s'"), "at 1s: clock-jump n1 (-2000 ms)");
    assert_eq!(
        said("fault = 'clock-drift'\ntarget = 'all'\nppm = 500000"),
        "at 1s: clock-drift all nodes (+500000 ppm)"
    );
    assert_eq!(
        said("fault = 'clock-strobe'\ntarget = 'n2'\nby = '200ms'\nperiod = '5ms'"),
        "at 1s: clock-strobe n2 (+200 ms every other 5 ms)"
    );
    assert_eq!(
        said("fault = 'clock-monotonic-jump'\ntarget = 'n1'\nby = '2s'"),
        "at 1s: clock-monotonic-jump n1 (+2000 ms)"
    );
    assert_eq!(
        said("fault = 'clock-monotonic-drift'\ntarget = 'leader'\nppm = -7"),
        "at 1s: clock-monotonic-drift the leader (-7 ppm)"
    );
    assert_eq!(
        said("fault = 'clock-monotonic-freeze'\ntarget = 'all'"),
        "at 1s: clock-monotonic-freeze all nodes (still)"
    );
    assert_eq!(
        said("fault = 'power-cut'\ntarget = ['n1', 'n2']\nmode = 'subset'\nkeep = '25%'"),
        "at 1s: power-cut n1 n2 (25 % of the sectors are kept)"
    );
    assert_eq!(
        said(
            "fault = 'disk-error'\ntarget = 'leader'\nerror = 'EIO'\noperations = ['fsync']\nprobability = '50%'\nat-most = 3"
        ),
        "at 1s: disk-error the leader (EIO, [fsync], 50 %, 3 times)"
    );
    assert_eq!(
        said("fault = 'disk-slow'\ntarget = 'n3'\ndelay = '20ms'\njitter = '10ms'\npath = 'wal'"),
        "at 1s: disk-slow n3 (20 to 30 ms, [write, fsync], at wal)"
    );
    assert_eq!(said("fault = 'cpu-throttle'\ntarget = 'n1'\ncpu = '5%'"), "at 1s: cpu-throttle n1 (5 % of the time)");
    assert_eq!(
        said("fault = 'memory-limit'\ntarget = 'leader'"),
        "at 1s: memory-limit the leader (16777216 bytes more)"
    );
    assert_eq!(
        said("fault = 'descriptor-limit'\ntarget = 'all'\nheadroom = 0"),
        "at 1s: descriptor-limit all nodes (0 descriptors more)"
    );
    assert_eq!(said("fault = 'wipe'\ntarget = ['n1', 'n3']"), "at 1s: wipe n1 n3");
    assert_eq!(said("fault = 'rollback'\ntarget = 'leader'\nfor = '3s'"), "at 1s: rollback the leader, for 3s");
    assert_eq!(
        said("fault = 'file-damage'\ntarget = 'n2'\ndamage = 'copy-chunks'\npath = 'wal*'\ncount = 3\nseed = 9"),
        "at 1s: file-damage n2 (3 copy-chunks, at wal*)"
    );
    assert_eq!(
        said("fault = 'crash-loop'\ntarget = 'n1'"),
        "at 1s: crash-loop n1, for 150ms, again every 400ms, 5 times in all"
    );
    assert_eq!(
        said("fault = 'crash-loop'\ntarget = 'n1'\nfor = '1s'\nevery = '3s'"),
        "at 1s: crash-loop n1, for 1s, again every 3s"
    );
    assert_eq!(
        said("fault = 'lossy'\nloss = '5%'\ncorrelation = '75%'"),
        "at 1s: lossy all nodes (5 % lost in bursts)"
    );
    assert_eq!(
        said("fault = 'jitter'\ntarget = 'n1'\ndirection = 'in'\npeers = 'all'\njitter = '1500us'\nshape = 'normal'"),
        "at 1s: jitter nodes and clients → n1 (10 ms late, 1500 µs normal jitter)"
    );
}

#[test]
fn bad_schedules_name_the_line_and_the_remedy() {
    let faults = "faults are partition-one, partition-halves, partition-ring, bridge, one-way, partition-random, \
                  leader-isolated, leader-minority, follower-minority, clients-cut, slow, jitter, lossy, duplicate, reorder, corrupt, corrupt-unnoticed, \
                  rate-limit, hold, reset, flapping, stop, kill, kill-leader, crash, crash-leader, pause, pause-leader, power-cut, clock-jump, clock-drift, \
                  clock-strobe, clock-freeze, clock-monotonic-jump, clock-monotonic-drift, clock-monotonic-freeze, disk-error, disk-full, disk-slow, disk-hang, lying-fsync, fsyncgate, bit-flips, \
                  misdirected-read, misdirected-write, stale-read, crash-loop, cpu-throttle, memory-limit, descriptor-limit, \
                  wipe, rollback, file-damage";
    let guide = "docs/guide/schedules.md shows every field";
    let time = "expected a time in quotes with its unit, such as \"2s\", \"250ms\" or \"1.5m\"";
    let cases: &[(&str, &str, &str)] = &[
        ("", "my.toml:1: the schedule has no step", "begin each step with [[step]]"),
        ("[[step]]\nat = ", "my.toml:2: string values must be quoted, expected literal string", guide),
        (
            "[[step]]\non-ledaer = 'any'",
            "my.toml:2: unknown field `on-ledaer`",
            "did you mean `on-leader`? docs/guide/schedules.md shows every field",
        ),
        (
            "steps = []",
            "my.toml:1: unknown field `steps`",
            "did you mean `step`? docs/guide/schedules.md shows every field",
        ),
        ("[[step]]\nat = 2", &format!("my.toml:2: invalid type: integer `2`, {time}"), guide),
        ("[[step]]\n\nat = '2 sec'", &format!("my.toml:3: invalid value: string \"2 sec\", {time}"), guide),
        ("[[step]]\nat = '2'", &format!("my.toml:2: invalid value: string \"2\", {time}"), guide),
        ("[[step]]\nat = '99999999m'", &format!("my.toml:2: invalid value: string \"99999999m\", {time}"), guide),
        ("[[step]]\nat = '2s'", "my.toml:1: this step does nothing", "add fault = \"…\" or heal = \"…\""),
        (
            "[[step]]\nfault = 'kill-leader'",
            "my.toml:1: this step never comes: it waits for nothing",
            "add at = \"2s\", at-operation = 500, at-acknowledged = 500, on-output = \"…\", on-leader = \"any\", on-begin-of or on-end-of",
        ),
        (
            "[[step]]\nat = '2s'\nat-operation = 5\nfault = 'kill-leader'",
            "my.toml:1: this step waits for several things",
            "keep one of `at` and `at-operation`",
        ),
        (
            "[[step]]\nat = '2s'\noutput-of = 'n1'\nfault = 'kill-leader'",
            "my.toml:3: `output-of` without `on-output`",
            "add the pattern to wait for: on-output = \"…\"",
        ),
        ("[[step]]\nat = '2s'\nfault = 'explode'", "my.toml:3: there is no fault 'explode'", faults),
        (
            "[[step]]\nat = '2s'\nfault = 'kil'",
            "my.toml:3: there is no fault 'kil'",
            "did you mean 'kill'? `splitbrain list faults` shows all",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'disk'\ntarget = 'n1'",
            "my.toml:3: 'disk' is a group of faults, and a step injects one",
            "name one of disk-error, disk-full, disk-slow, disk-hang",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill'\ntarget = 'n1'\nduration = '1s'",
            "my.toml:5: unknown field `duration`",
            "did you mean `for`? docs/guide/schedules.md shows every field",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill'",
            "my.toml:3: kill does not say where",
            "add target = \"n1\", [\"n1\", \"n2\"], \"leader\" or \"all\"",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill'\ntarget = 'n4'",
            "my.toml:4: no node is called 'n4'",
            "the nodes are n1 to n3",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill'\ntarget = 1",
            "my.toml:4: invalid type: integer `1`, expected a node such as \"n1\", a list of nodes, \"leader\" or \"all\"",
            guide,
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill'\ntarget = ['n1', 'n1']",
            "my.toml:4: 'n1' is named twice",
            "name each node once",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'bit-flips'\ntarget = 'n1'\nbits = 4000000000",
            "my.toml:5: 4000000000 bits of a read is not between 1 and 65536",
            "give another number of bits",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'clock-jump'\ntarget = 'n1'\nby = '0s'",
            "my.toml:5: a clock-jump of nothing leaves the clock as it is",
            "say how wrong it is to be",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'clock-monotonic-jump'\ntarget = 'n1'\nby = '-1s'",
            "my.toml:5: a monotonic clock never goes back",
            "give a time without a minus",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill-leader'\ntarget = 'n1'",
            "my.toml:4: kill-leader takes no `target`",
            "it takes fallback",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'partition-ring'\norder = ['n1', 'n2']",
            "my.toml:4: `order` has 2 of 3 nodes",
            "name every node once, or leave `order` away",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill-leader'\nheal = 'all'",
            "my.toml:4: a step either injects a fault or heals one",
            "make two steps of it, or give the duration with `for`",
        ),
        (
            "[[step]]\nat = '2s'\nheal = 'cut'",
            "my.toml:3: heal: no earlier step is called 'cut'",
            "give an earlier step a name and use that; or heal = \"all\"",
        ),
        (
            "[[step]]\nname = 'cat'\nat = '2s'\nfault = 'kill-leader'\n[[step]]\nat = '2s'\nheal = 'cut'",
            "my.toml:7: heal: no earlier step is called 'cut'",
            "earlier steps are called 'cat'; or heal = \"all\"",
        ),
        (
            "[[step]]\nname = 'a'\nat = '2s'\nfault = 'kill-leader'\n[[step]]\nname = 'a'\nat = '2s'\nheal = 'a'",
            "my.toml:6: step 1 is called 'a' already",
            "give each step a name of its own, or none",
        ),
        (
            "[[step]]\nname = 'all'\nat = '2s'\nfault = 'kill-leader'",
            "my.toml:2: no step can be called 'all': that is what heal = \"all\" means",
            "give it another name",
        ),
        (
            "[[step]]\nat = '2s'\nheal = 'all'\nfor = '1s'",
            "my.toml:1: step 1: a heal lasts no time",
            "put the duration on the step that injects",
        ),
        (
            "[[step]]\nname = 'a'\nat = '2s'\nheal = 'all'\n[[step]]\nat = '3s'\nheal = 'a'",
            "my.toml:5: step 2: heals step 1, which injects nothing",
            "name a step that injects a fault",
        ),
        (
            "[[step]]\nat = '2s'\nfault = 'kill-leader'\ntimes = 3",
            "my.toml:1: step 1: repeats, but its time comes only once",
            "say how often: every = \"5s\"",
        ),
        (
            "[[step]]\non-output = 'a('\nfault = 'kill-leader'",
            "my.toml:1: step 1: 'a(' is no regular expression: found open group without closing ')'",
            "escape characters that are meant literally",
        ),
    ];
    for (text, message, remedy) in cases {
        let error = parse(text).expect_err(text);
        assert_eq!((error.to_string().as_str(), error.remedy.as_str()), (*message, *remedy), "{text}");
    }
}

#[test]
fn what_looks_wrong_is_a_warning() {
    let cases = [
        (
            "[[step]]\nat = '30s'\nfault = 'kill-leader'",
            "step 1: is due at 30s, but the run ends at 20s",
            "make it earlier or shorter, or the run longer (--duration)",
        ),
        (
            "[[step]]\nat = '18s'\nfault = 'kill-leader'\nfor = '2500ms'",
            "step 1: lasts until 20.5s, but the run ends at 20s",
            "it is healed when the run ends; make it earlier or shorter, or the run longer",
        ),
        (
            "[[step]]\nat = '1s'\nfault = 'one-way'\ntarget = 'all'",
            "step 1: one-way all nodes touches no link among 3 nodes",
            "leave some nodes on each side",
        ),
        (
            "[[step]]\nat = '1s'\nheal = 'all'",
            "step 1: heals, and no step injects a fault",
            "add a step with fault = \"…\"",
        ),
    ];
    for (text, message, remedy) in cases {
        let problems = parse(text).expect("it can run").validate(3, Some(20_000));
        let [problem] = &problems[..] else { panic!("{text}: {problems:?}") };
        assert_eq!(problem.severity, Severity::Warning);
        assert_eq!((problem.to_string().as_str(), problem.remedy.as_str()), (message, remedy));
    }
}

#[test]
fn a_plan_for_more_nodes_than_there_are_is_an_error() {
    let schedule = Schedule { steps: vec![Step::inject(1000, Fault::Kill { target: Target::Node(4) }, 1000)] };
    let problems = schedule.validate(3, None);
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "step 1: no node is called 'n5'");
    assert_eq!(problems[0].severity, Severity::Error);
}

#[test]
fn a_file_may_ask_for_a_core_that_is_left_to_itself() {
    let step = "[[step]]\nat = '2s'\nfault = 'kill-leader'\nfor = '1s'\n";
    let asked = |table: &str| Schedule::parse_liveness("my.toml", &format!("{step}{table}"), &nodes(5));
    assert_eq!(asked("").expect("a schedule"), None);
    assert_eq!(asked("[liveness]").expect("a schedule"), Some(LivenessAsked::default()));
    let both = LivenessAsked { core: Some(vec![1, 3]), within_ms: Some(5_000) };
    assert_eq!(asked("[liveness]\ncore = ['n2', 'n4']\nwithin = '5s'").expect("a schedule"), Some(both));
    for (table, what) in [
        ("[liveness]\ncore = ['n9']", "my.toml:6: no node is called 'n9'"),
        ("[liveness]\ncore = []", "my.toml:6: a core of no nodes"),
        ("[liveness]\ncore = ['n1', 'n1']", "my.toml:6: 'n1' is named twice"),
        ("[liveness]\nnodes = ['n1']", "my.toml:6: unknown field `nodes`, expected `core` or `within`"),
    ] {
        assert_eq!(asked(table).map_err(|error| error.to_string()), Err(what.to_owned()));
    }
}
