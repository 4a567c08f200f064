use std::{net::IpAddr, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{ConnectionLimits, Phase, Table};

const SECOND: Duration = Duration::from_secs(1);

fn table(connections: usize, per_address: usize) -> Table {
    let limits = ConnectionLimits { connections, per_address, ..ConnectionLimits::default() };
    Table::new(limits, std::sync::Arc::default())
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

#[test]
fn the_longest_at_rest_makes_room_and_one_at_work_does_not() {
    let table = table(2, 2);
    let working = table.enter(address(1)).unwrap();
    working.request_began();
    table.close_overdue(SECOND);
    let resting = table.enter(address(1)).unwrap();
    resting.request_began();
    resting.answered(&table);
    table.close_overdue(SECOND);
    let third = table.enter(address(2)).unwrap();
    assert_eq!(resting.phase(), Phase::Closing);
    table.leave(&resting);
    third.request_began();
    assert!(table.enter(address(3)).is_err());
    assert_eq!(table.counts.refused.load(Relaxed), 1);
    assert_eq!(table.counts.open.load(Relaxed), 2);
}

#[test]
fn an_address_at_its_limit_makes_room_among_its_own() {
    let table = table(10, 1);
    let other = table.enter(address(1)).unwrap();
    table.close_overdue(SECOND);
    let own = table.enter(address(2)).unwrap();
    let next = table.enter(address(2)).unwrap();
    assert_eq!((other.phase(), own.phase()), (Phase::Head, Phase::Closing));
    table.leave(&own);
    next.request_began();
    assert!(table.enter(address(2)).is_err());
    assert!(table.enter(address(3)).is_ok());
}

#[test]
fn what_lasts_too_long_is_closed_each_by_its_own_limit() {
    let table = table(10, 10);
    let limits = table.limits;
    let head = table.enter(address(1)).unwrap();
    let rest = table.enter(address(1)).unwrap();
    rest.request_began();
    rest.answered(&table);
    let unread = table.enter(address(1)).unwrap();
    unread.request_began();
    unread.cannot_write(&table);
    let reading = table.enter(address(1)).unwrap();
    reading.request_began();
    reading.cannot_write(&table);
    reading.wrote();
    table.close_overdue(limits.head + SECOND);
    assert_eq!((head.phase(), rest.phase()), (Phase::Late, Phase::Rest));
    table.close_overdue(limits.unread);
    assert_eq!((unread.phase(), reading.phase()), (Phase::Closing, Phase::Work));
    table.close_overdue(limits.idle);
    assert_eq!((rest.phase(), reading.phase()), (Phase::Closing, Phase::Work));
    let counts = &table.counts;
    let closed = [&counts.late, &counts.idle, &counts.unread].map(|count| count.load(Relaxed));
    assert_eq!(closed, [1, 1, 1]);
}

#[test]
fn a_request_s_first_byte_starts_the_time_of_its_head() {
    let table = table(10, 10);
    let watch = table.enter(address(1)).unwrap();
    watch.request_began();
    watch.answered(&table);
    table.close_overdue(Duration::from_secs(60));
    watch.read(&table);
    table.close_overdue(Duration::from_secs(14));
    assert_eq!(watch.phase(), Phase::Head);
    table.close_overdue(Duration::from_secs(2));
    assert_eq!(watch.phase(), Phase::Late);
}
