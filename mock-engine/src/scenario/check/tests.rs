use super::*;

fn errors(text: &str) -> Vec<String> {
    match parse("s.toml", text, None) {
        Ok(_) => Vec::new(),
        Err(error) => error.to_string().lines().map(str::to_owned).collect(),
    }
}

const PEOPLE: &str = r#"
[contacts.alice]
phone = "5511999990001"
[contacts.bob]
phone = "5511999990002"
[groups.team]
id = "120363041234567890"
participants = ["alice"]
"#;

fn step_errors(step: &str) -> Vec<String> {
    errors(&format!("{PEOPLE}[[timeline]]\n{step}"))
}

fn traffic_errors(text: &str) -> Vec<String> {
    errors(&format!("[traffic]\ncontacts = 5\ngroups = 2\ngroup_size = 2\n{text}"))
}

#[test]
fn an_unknown_name_is_named_with_its_place_and_the_nearest() {
    let all = step_errors("at = \"1s\"\nwho = \"alcie\"\ndoes = \"typing\"\nin = \"tem\"");
    assert_eq!(
        all,
        [
            "s.toml:11:7: there is no contact \"alcie\"; did you mean \"alice\"?",
            "s.toml:13:6: there is no group \"tem\"; did you mean \"team\"?",
        ]
    );
}

#[test]
fn an_unknown_field_or_word_is_answered_with_the_nearest() {
    let all = step_errors("at = \"1s\"\nwho = \"alice\"\ndose = \"typing\"");
    assert!(all[0].starts_with("s.toml:12:1: unknown field `dose`, expected one of"), "{all:?}");
    assert!(all[0].ends_with("did you mean \"does\"?"), "{all:?}");
    let all = step_errors("at = \"1s\"\nwho = \"alice\"\ndoes = \"typin\"");
    assert!(all[0].starts_with("s.toml:12:8: unknown variant `typin`"), "{all:?}");
    assert!(all[0].ends_with("did you mean \"typing\"?"), "{all:?}");
}

#[test]
fn a_step_says_exactly_one_thing() {
    let all = step_errors("at = \"1s\"");
    assert!(all[0].contains("this one says nothing"), "{all:?}");
    let all = step_errors("at = \"1s\"\nwho = \"alice\"\ndoes = \"online\"\nconnection = \"open\"");
    assert!(all[0].ends_with("this one says who and connection"), "{all:?}");
    let all = step_errors("at = \"1s\"\nwho = \"alice\"");
    assert!(all[0].ends_with("does is missing: who and does belong together"), "{all:?}");
    let all = step_errors("at = \"1s\"\nconnection = \"open\"\ntext = \"x\"");
    assert_eq!(all, ["s.toml:12:8: text belongs to a step with who"]);
}

#[test]
fn times_numbers_and_nodes_are_looked_at() {
    let all = step_errors("at = \"soon\"\nwho = \"alice\"\ndoes = \"online\"");
    assert!(all[0].starts_with("s.toml:10:6: invalid duration \"soon\""), "{all:?}");
    let all = errors("[contacts.a]\nphone = \"+55 11\"\n[contacts.b]\n");
    assert!(all[0].starts_with("s.toml:2:9: invalid number \"+55 11\""), "{all:?}");
    assert_eq!(all[1], "s.toml:3:11: a contact needs a phone or a lid");
    let all = step_errors("at = \"1s\"\nstanza = { tag = \"presence\", attrs = { from = [] } }");
    assert!(all[0].contains("$.attrs.from: expected a string or a number, found []"), "{all:?}");
    let all = step_errors("at = \"1s\"\nwho = \"bob\"\ndoes = \"typing\"\nin = \"team\"");
    assert_eq!(all, ["s.toml:13:6: \"bob\" is not a participant of \"team\""]);
}

#[test]
fn names_sessions_and_subscriptions_are_bounded() {
    let name = "a".repeat(101);
    let all = errors(&format!("[contacts.{name}]\nphone = \"1001\""));
    assert_eq!(all, ["s.toml:1:11: the name has 101 bytes; expected at most 100"]);
    let sessions =
        |count: usize| (0..count).map(|it| format!("[sessions.s{it}]\n")).collect::<String>();
    assert_eq!(errors(&sessions(1_000)), [""; 0]);
    let all = errors(&sessions(1_001));
    assert_eq!(all, ["s.toml:1:11: expected at most 1000 sessions, found 1001"]);
    let all = errors(&format!("{}[traffic]\ncontacts = 10000", sessions(101)));
    assert_eq!(
        all,
        ["s.toml:1:11: sessions times subscribed chats: expected at most 1000000, found 1010000; \
          subscribe to fewer with `subscribe`"]
    );
    let some = format!("subscribe = []\n{}[traffic]\ncontacts = 10000", sessions(101));
    assert_eq!(errors(&some), [""; 0]);
}

#[test]
fn a_hundred_errors_are_listed() {
    let step = "[[timeline]]\nat = \"1s\"\nwho = \"eve\"\ndoes = \"online\"\n";
    let all = errors(&step.repeat(101));
    assert_eq!(all.len(), 100);
    assert_eq!(all[98], "s.toml:395:7: there is no contact \"eve\"");
    assert!(all[99].ends_with("\"eve\"; further errors are not listed"), "{}", all[99]);
}

#[test]
fn what_could_not_be_played_is_wrong() {
    let said = [
        errors("start = 9223372036854775807"),
        errors("[sessions.'a b']"),
        errors("[sessions.a]\nengine = \"NOWEBB\""),
        errors(&format!("{PEOPLE}[groups.other]\nid = \"120363041234567890\"")),
        errors(&PEOPLE.replace("[\"alice\"]", "[\"alice\", \"alice\"]")),
        errors("[traffic]\ncontacts = 0"),
        errors("[traffic]\ncontacts = 1000000"),
        errors("[traffic]\ncontacts = 5\ngroups = 1000000"),
        errors("[traffic]\ncontacts = 20000\ngroups = 1000\ngroup_size = 20000"),
        errors("[traffic]\ncontacts = 5\ngroups = 1\ngroup_size = 6"),
        errors("[traffic]\ncontacts = 5\nspells_per_hour = nan"),
        errors("[traffic]\ncontacts = 5\nhidden = 1.5"),
        errors("[traffic]\ncontacts = 5\nsleep = [25, 7]"),
        step_errors("at = \"1s\"\nexpect = { status = \"WORKNG\" }"),
        step_errors("at = \"1s\"\nexpect = {}"),
        step_errors("at = \"1s\"\nconnection = \"open\"\ncode = 428"),
        step_errors("at = \"1s\"\nsubscribe = [\"alice\"]\nrepeat = { every = \"1s\", times = 0 }"),
        step_errors("at = \"1s\"\nfault = { disconnect = { every = \"0s\" } }"),
        step_errors("at = \"99999999999d\"\nsubscribe = [\"alice\"]"),
        step_errors("at = 1\nsubscribe = [\"alice\"]"),
        step_errors("at = \"1s\"\nwho = \"alice\"\ndoes = \"online\"\nin = \"team\""),
        step_errors("at = \"1s\"\nstanza = { tag = \"presence\", attrs = { from = \"1@zzz\" } }"),
        step_errors("at = \"1s\"\nevent = \"connection.update\"\ndata = { at = 2024-01-01 }"),
        step_errors("at = \"1s\"\nstanza = { tag = \"presence\", attrs = { last = inf } }"),
        errors("duration = \"5s\"\ntimeline = [{ at = \"7s\", connection = \"close\" }]"),
        errors(
            "timeline = [{ at = \"1s\", session = \"w\", fault = {} }]\n[sessions.w]\nengine = \"WPP\"",
        ),
        errors(&format!("{PEOPLE}[contacts.team]\nphone = \"1009\"")),
        errors(&format!("{PEOPLE}[groups.other]\nid = \"5511999990001\"")),
        errors(&format!("{PEOPLE}[contacts.carol]\nphone = \"1009\"\nlid = \"1009\"")),
        traffic_errors("[contacts.person-1]\nphone = \"1009\""),
        traffic_errors("[groups.group-1]\nid = \"1009\""),
        traffic_errors("[contacts.alice]\nphone = \"5511900000001\""),
        traffic_errors("[groups.team]\nid = \"1009\"\nparticipants = [\"person-6\", \"group-1\"]"),
        traffic_errors(
            "[[timeline]]\nat = \"1s\"\nwho = \"person-3\"\ndoes = \"typing\"\nin = \"group-1\"",
        ),
        traffic_errors("[[timeline]]\nat = \"1s\"\nwho = \"group-1\"\ndoes = \"online\""),
        traffic_errors(
            "[[timeline]]\nat = \"1s\"\nwho = \"person-2\"\ndoes = \"typing\"\nin = \"group-1\"",
        ),
    ];
    insta::assert_snapshot!(said.concat().join("\n"));
}

#[test]
fn broken_toml_is_an_error_at_its_place() {
    let all = errors("name = \"x\n");
    assert!(all[0].starts_with("s.toml:1:"), "{all:?}");
}

#[test]
fn includes_are_read_beside_the_file_and_errors_name_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.toml");
    std::fs::write(folder.path().join("people.toml"), PEOPLE).unwrap();
    let text = "include = [\"people.toml\"]\n[[timeline]]\nat = \"1s\"\nwho = \"bob\"\ndoes = \"online\"\n";
    std::fs::write(&path, text).unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!((scenario.contacts.len(), scenario.steps.len()), (2, 1));
    std::fs::write(folder.path().join("people.toml"), "x = 1").unwrap();
    let error = Scenario::load(&path).unwrap_err().to_string();
    assert!(error.contains("people.toml:1:1: unknown field `x`"), "{error}");
    std::fs::write(&path, "include = [\"nobody.toml\"]").unwrap();
    let error = Scenario::load(&path).unwrap_err().to_string();
    assert!(error.contains("main.toml:1:12: failed to read"), "{error}");
}

#[test]
fn what_a_file_does_not_say_is_as_the_one_says_that_it_includes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("main.toml");
    let base = format!("seed = 3\nstart = 9\nduration = \"1m\"\nsubscribe = [\"bob\"]\n{PEOPLE}");
    std::fs::write(folder.path().join("base.toml"), base).unwrap();
    std::fs::write(&path, "include = [\"base.toml\"]\nseed = 4").unwrap();
    let scenario = Scenario::load(&path).unwrap();
    assert_eq!((scenario.seed, scenario.start), (Some(4), Some(9)));
    assert_eq!(scenario.duration, Some("1m".parse().unwrap()));
    assert_eq!(scenario.subscriptions(), ["bob"]);
    assert_eq!(scenario.name, "main");
}

#[test]
fn includes_go_round_in_circles_but_not_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = |number: usize| folder.path().join(format!("{number}.toml"));
    for number in 0..100 {
        std::fs::write(file(number), format!("include = [\"{}.toml\"]", number + 1)).unwrap();
    }
    std::fs::write(file(100), "include = [\"100.toml\", \"99.toml\"]").unwrap();
    let error = Scenario::load(&file(0)).unwrap_err().to_string();
    assert!(error.ends_with("32.toml:1:12: files include files 32 deep, and no deeper"), "{error}");
    assert!(Scenario::load(&file(90)).is_ok());
}

#[test]
fn each_step_knows_its_line() {
    let step = "[[timeline]]\nat = \"1s\"\nwho = \"alice\"\ndoes = \"online\"\n";
    let scenario = parse("s.toml", &format!("{step}\n{step}{PEOPLE}"), None).unwrap();
    let places: Vec<&str> = scenario.steps.iter().map(|step| step.source.as_str()).collect();
    assert_eq!(places, ["s.toml:1", "s.toml:6"]);
}
