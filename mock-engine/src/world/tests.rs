use super::*;

const NOW: u64 = 1_686_719_326;

fn world(rules: Rules) -> World {
    let mut world = World::new(7, rules);
    let alice = Contact {
        phone: Some("1001".to_owned()),
        lid: Some("9001".to_owned()),
        last_online: Some(50),
        ..Contact::default()
    };
    let bob = Contact {
        phone: Some("1002".to_owned()),
        last_seen_visible: Visibility::Nobody,
        ..Contact::default()
    };
    let carol = Contact {
        phone: Some("1003".to_owned()),
        online_visible: Visibility::Nobody,
        ..Contact::default()
    };
    let dave = Contact { phone: Some("1004".to_owned()), stranger: true, ..Contact::default() };
    for (name, contact) in [("alice", alice), ("bob", bob), ("carol", carol), ("dave", dave)] {
        world.add_contact(name, contact, NOW);
    }
    let participants = ["alice", "bob"].map(str::to_owned).into_iter().collect();
    world.add_group("team", Group { id: "12036".to_owned(), participants, ..Group::default() });
    world.add_session("default");
    world
}

fn connected() -> World {
    let mut world = world(Rules::default());
    world.connect("default", true);
    world
}

fn act<'a>(who: &'a str, does: Does) -> Act<'a> {
    Act { who, does, chat: None, text: None, session: None }
}

fn sees(world: &mut World, who: &str, does: Does) -> Vec<String> {
    let deliveries = world.act(act(who, does), NOW).unwrap();
    deliveries.iter().map(|delivery| delivery.stanza.to_string()).collect()
}

fn sends(world: &mut World, node: &Node) -> Vec<String> {
    world.receive("default", node).iter().map(Node::to_string).collect()
}

fn subscribe(world: &mut World, jid: &str) -> Vec<String> {
    sends(world, &Node::new("presence").attr("to", jid).attr("type", "subscribe"))
}

#[test]
fn online_is_seen_only_after_a_subscribe() {
    let mut world = connected();
    assert!(sees(&mut world, "alice", Does::Online).is_empty());
    let current = subscribe(&mut world, "1001@s.whatsapp.net");
    assert_eq!(current, [r#"<presence from="1001@s.whatsapp.net"/>"#]);
    assert_eq!(
        sees(&mut world, "alice", Does::Offline),
        [r#"<presence from="1001@s.whatsapp.net" type="unavailable" last="1686719326"/>"#]
    );
}

#[test]
fn a_subscribe_shows_since_when_somebody_is_gone() {
    let mut world = connected();
    let alice = r#"<presence from="1001@s.whatsapp.net" type="unavailable" last="50"/>"#;
    assert_eq!(subscribe(&mut world, "1001@s.whatsapp.net"), [alice]);
}

#[test]
fn hidden_last_seen_and_hidden_online_are_denied() {
    let mut world = connected();
    let bob = r#"<presence from="1002@s.whatsapp.net" type="unavailable" last="deny"/>"#;
    assert_eq!(subscribe(&mut world, "1002@s.whatsapp.net"), [bob]);
    assert_eq!(
        sees(&mut world, "bob", Does::Online),
        [r#"<presence from="1002@s.whatsapp.net"/>"#]
    );
    assert_eq!(sees(&mut world, "bob", Does::Offline), [bob]);
    let carol = r#"<presence from="1003@s.whatsapp.net" type="unavailable" last="deny"/>"#;
    assert_eq!(subscribe(&mut world, "1003@s.whatsapp.net"), [carol]);
    assert!(sees(&mut world, "carol", Does::Online).is_empty());
}

#[test]
fn a_stranger_stays_silent() {
    let mut world = connected();
    assert!(subscribe(&mut world, "1004@s.whatsapp.net").is_empty());
    for does in [Does::Online, Does::Typing, Does::Recording, Does::Offline] {
        assert!(sees(&mut world, "dave", does).is_empty());
    }
    assert_eq!(sees(&mut world, "dave", Does::Message).len(), 1);
}

#[test]
fn a_group_answers_with_a_count() {
    let mut world = connected();
    sees(&mut world, "bob", Does::Online);
    assert_eq!(subscribe(&mut world, "12036@g.us"), [r#"<presence from="12036@g.us" count="1"/>"#]);
}

#[test]
fn typing_needs_no_subscribe_but_a_session_that_is_online() {
    let mut world = connected();
    let typing = r#"<chatstate from="1001@s.whatsapp.net"><composing/></chatstate>"#;
    assert_eq!(sees(&mut world, "alice", Does::Typing), [typing]);
    let unavailable = Node::new("presence").attr("name", "me").attr("type", "unavailable");
    assert!(sends(&mut world, &unavailable).is_empty());
    assert!(sees(&mut world, "alice", Does::Typing).is_empty());
    sends(&mut world, &Node::new("presence").attr("name", "me").attr("type", "available"));
    assert_eq!(sees(&mut world, "alice", Does::Typing), [typing]);
}

#[test]
fn in_a_group_the_participant_is_named() {
    let mut world = connected();
    let typing = Act { chat: Some("team"), ..act("alice", Does::Recording) };
    let deliveries = world.act(typing, NOW).unwrap();
    assert_eq!(
        deliveries[0].stanza.to_string(),
        "<chatstate from=\"12036@g.us\" participant=\"1001@s.whatsapp.net\">\
         <composing media=\"audio\"/></chatstate>"
    );
    // Paused applies to the chat where they typed, without naming it.
    assert!(sees(&mut world, "alice", Does::Paused)[0].contains("12036@g.us"));
}

#[test]
fn a_reconnect_forgets_all_subscriptions() {
    let mut world = connected();
    subscribe(&mut world, "1001@s.whatsapp.net");
    assert_eq!(world.is_subscribed("default", "alice"), Ok(true));
    world.disconnect("default");
    assert!(sees(&mut world, "alice", Does::Typing).is_empty());
    world.connect("default", true);
    assert_eq!(world.is_subscribed("default", "alice"), Ok(false));
    assert!(sees(&mut world, "alice", Does::Online).is_empty());
}

#[test]
fn without_rules_everything_is_seen() {
    let mut world = world(Rules::none());
    world.connect("default", false);
    for who in ["alice", "bob", "carol", "dave"] {
        assert_eq!(sees(&mut world, who, Does::Online).len(), 1, "{who}");
        assert_eq!(sees(&mut world, who, Does::Typing).len(), 1, "{who}");
    }
    assert!(sees(&mut world, "bob", Does::Offline)[0].contains("last=\"1686719326\""));
}

#[test]
fn a_lid_chat_is_told_about_by_its_lid() {
    let mut world = connected();
    subscribe(&mut world, "9001@lid");
    assert_eq!(sees(&mut world, "alice", Does::Online), [r#"<presence from="9001@lid"/>"#]);
}

#[test]
fn the_world_sees_where_a_session_types() {
    let mut world = connected();
    let typing =
        Node::new("chatstate").attr("to", "1001@s.whatsapp.net").child(Node::new("composing"));
    sends(&mut world, &typing);
    let seen = &world.to_json()["sessions"]["default"]["chatstates"];
    assert_eq!(seen, &json!({ "1001@s.whatsapp.net": "typing" }));
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    let mut world = connected();
    let error = world.act(act("alcie", Does::Online), NOW).unwrap_err();
    assert_eq!(error.to_string(), "unknown contact or group \"alcie\"; did you mean \"alice\"?");
    let in_team = Act { chat: Some("team"), ..act("dave", Does::Typing) };
    let error = world.act(in_team, NOW).unwrap_err();
    assert_eq!(error.to_string(), "\"dave\" is not a participant of the group \"team\"");
    for id in ["1001", "1001@c.us", "1001:3@s.whatsapp.net", "9001@lid"] {
        assert_eq!(world.jid(id).unwrap(), "1001@s.whatsapp.net");
    }
}
