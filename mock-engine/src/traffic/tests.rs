use super::*;
use crate::world::{Act, Rules};

fn day(seed: u64) -> Vec<(u64, Deed)> {
    let population = Population::new(50, 4);
    Traffic::new(&population, seed, 0).take_while(|(at, _)| *at < DAY_MS).collect()
}

#[test]
fn the_same_seed_makes_the_same_day_and_another_does_not() {
    let day_of = |seed| format!("{:?}", day(seed));
    assert_eq!(day_of(7), day_of(7));
    assert_ne!(day_of(7), day_of(8));
}

#[test]
fn time_never_goes_back_and_the_world_takes_every_step() {
    let mut world = World::new(7, Rules::none());
    let population = Population::new(50, 4);
    population.settle(&mut world, 7, 0);
    world.add_session("default");
    world.connect("default", true);
    let (mut last, mut steps) = (0, 0);
    for (at, action) in day(7) {
        assert!(at >= last);
        last = at;
        let Deed { who, does, chat, text } = &action;
        let (chat, text) = (chat.as_deref(), text.as_deref());
        world.act(Act { who, does: *does, chat, text, session: None }, at / 1000).unwrap();
        assert!(population.has_contact(who));
        assert!(chat.is_none_or(|chat| population.is_in(who, chat)));
        steps += 1;
    }
    assert!((2_000..20_000).contains(&steps), "{steps} steps of 50 people in a day");
}

#[test]
fn the_population_is_known_by_name_and_number() {
    let population = Population { group_size: 2, ..Population::new(5, 2) };
    assert!(population.has_contact("person-5") && population.has_group("group-2"));
    for name in ["person-0", "person-6", "person-05", "person-", "group-3", "alice"] {
        assert!(!population.has_contact(name) && !population.has_group(name), "{name}");
    }
    assert!(population.is_in("person-2", "group-1") && !population.is_in("person-3", "group-1"));
    let mut world = World::new(7, Rules::none());
    population.settle(&mut world, 7, 0);
    for (name, contact) in world.contacts() {
        assert_eq!(population.owner_of(contact.phone.as_ref().unwrap()).as_ref(), Some(name));
    }
    for (name, group) in world.groups() {
        assert_eq!(population.owner_of(&group.id).as_ref(), Some(name));
        assert!(group.participants.iter().all(|who| population.is_in(who, name)));
    }
    assert_eq!(population.owner_of("5511900000006"), None);
}

#[test]
fn people_sleep_at_night() {
    let in_hours = |from: u64, to: u64| {
        day(7).iter().filter(|(at, _)| (from * HOUR_MS..to * HOUR_MS).contains(at)).count()
    };
    // Contacts are up to two hours ahead of the clock, so all sleep from 23 to 5.
    assert!(in_hours(1, 4) * 10 < in_hours(12, 15), "{} {}", in_hours(1, 4), in_hours(12, 15));
}
