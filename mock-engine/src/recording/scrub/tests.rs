use proptest::prelude::*;

use super::*;

fn recorded(data: Value) -> Recorded {
    let event = "messages.upsert".to_owned();
    Recorded { time: 1_686_719_326_000, session: "default".to_owned(), event, data }
}

#[test]
fn people_go_and_what_they_did_stays() {
    let mut scrubber = Scrubber::new(7);
    let presence = scrubber.scrub(Recorded {
        event: "presence.update".to_owned(),
        ..recorded(json!({
            "id": "120363041234567890@g.us",
            "presences": { "5511999990001:4@s.whatsapp.net": { "lastKnownPresence": "unavailable", "lastSeen": 1_686_719_326 } },
        }))
    });
    let message = scrubber.scrub(recorded(json!({
        "messages": [{
            "key": { "remoteJid": "120363041234567890@g.us", "id": "ABCDEF", "participant": "5511999990001@s.whatsapp.net" },
            "pushName": "Alice", "messageTimestamp": 1_686_719_326,
            "message": { "conversation": "call me: 5511999990001", "low": 5_511_999_990_001_u64 },
        }],
        "type": "notify",
    })));
    let group = presence.data["id"].as_str().unwrap();
    let (who, what) = presence.data["presences"].as_object().unwrap().iter().next().unwrap();
    let number = who.strip_suffix(":4@s.whatsapp.net").unwrap();
    assert_eq!(what, &json!({ "lastKnownPresence": "unavailable", "lastSeen": 1_686_719_326 }));
    let message = &message.data["messages"][0];
    assert_eq!(message["key"]["remoteJid"], group);
    assert_eq!(message["key"]["participant"], format!("{number}@s.whatsapp.net"));
    assert_eq!(message["pushName"], "Person 1");
    assert_eq!(message["messageTimestamp"], 1_686_719_326);
    assert_eq!(message["message"]["conversation"], "lorem ipsum dolor sit ");
    assert_eq!(message["message"]["low"], 0);
}

#[test]
fn one_person_stays_one_person_in_every_form() {
    let mut scrubber = Scrubber::new(7);
    let ids = json!(["5511999990001@c.us", "5511999990001@s.whatsapp.net", "5511999990001"]);
    let scrubbed = scrubber.scrub(recorded(ids)).data;
    let user = |index: usize| scrubbed[index].as_str().unwrap().split('@').next().unwrap();
    assert_eq!(user(0), user(1));
    assert_eq!(user(0), user(2));
}

#[test]
fn a_time_stays_and_a_number_in_the_place_of_a_time_goes() {
    let data = json!({ "t": "1686719326", "last": "1686719326000", "date": "5511999990001" });
    let scrubbed = Scrubber::new(7).scrub(recorded(data)).data;
    assert_eq!(
        (&scrubbed["t"], &scrubbed["last"]),
        (&json!("1686719326"), &json!("1686719326000"))
    );
    assert_ne!(scrubbed["date"], "5511999990001");
}

#[test]
fn a_place_goes_and_so_does_a_phone_number_where_a_count_stands() {
    let data = json!({
        "high": -23.55052,
        "count": 5_511_999_990_001_u64,
        "status": 4,
        "lastSeen": 1_686_719_326,
    });
    let scrubbed = Scrubber::new(7).scrub(recorded(data)).data;
    let expected = json!({ "high": 0, "count": 0, "status": 4, "lastSeen": 1_686_719_326 });
    assert_eq!(scrubbed, expected);
}

#[test]
fn the_same_seed_scrubs_the_same() {
    let scrub = |seed| {
        Scrubber::new(seed).scrub(recorded(json!({ "id": "5511999990001@c.us" }))).data.to_string()
    };
    assert_eq!(scrub(7), scrub(7));
    assert_ne!(scrub(7), scrub(8));
}

#[test]
fn words_and_small_numbers_stay_only_where_they_say_what_happens() {
    let data = json!({
        "presences": { "1@lid": { "lastKnownPresence": "johnsmith" } },
        "type": "notify",
        "status": "johnsmith",
        "messages": [{ "message": { "conversation": "1234", "johnsmith": "composing" } }],
        "count": 3,
        "pin": 1234,
    });
    let scrubbed = Scrubber::new(7).scrub(recorded(data)).data;
    let text = scrubbed.to_string();
    assert!(!text.contains("johnsmith") && !text.contains("1234"), "{text}");
    assert!(!text.contains("composing") && !text.contains("pin"), "{text}");
    assert_eq!((&scrubbed["type"], &scrubbed["count"]), (&json!("notify"), &json!(3)));
}

proptest! {
    #[test]
    fn no_number_gets_through_wherever_it_stands(
        // A field of times keeps what may be a time.
        number in "[1-8][0-9]{9,13}".prop_filter("a time", |number| !is_harmless(number)),
        before in "[ a-z+]{0,5}",
        field in prop_oneof![
            "[a-zA-Z]{1,10}",
            proptest::sample::select(NUMBERS.to_vec()).prop_map(str::to_owned),
            proptest::sample::select(FIELDS.to_vec()).prop_map(str::to_owned),
            proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned),
        ],
    ) {
        let text = format!("{before}{number}");
        let data = json!({
            field: text,
            text.clone(): [text, format!("{number}@c.us"), format!("{number}-1686719326@g.us")],
            format!("{number}:3@s.whatsapp.net"): number.parse::<u64>().unwrap(),
        });
        let mut scrubber = Scrubber::new(1);
        let scrubbed = scrubber.scrub(recorded(data)).data.to_string();
        prop_assert!(!scrubbed.contains(&number), "{scrubbed}");
    }
}
