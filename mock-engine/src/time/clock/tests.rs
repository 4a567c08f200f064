use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{Clock, Pace, VirtualClock};

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_fire_one_at_a_time_in_the_order_of_their_deadlines_and_age() {
    let clock = VirtualClock::stepped(1_000);
    let fired = Arc::new(Mutex::new(Vec::new()));
    for (name, after) in [("c", 3), ("a", 1), ("b", 1), ("d", 9)] {
        let (sleep, fired, now) = (clock.sleep(seconds(after)), fired.clone(), clock.clone());
        clock.spawn(Box::pin(async move {
            sleep.await;
            fired.lock().push((name, now.now_ms()));
        }));
    }
    clock.advance(seconds(5)).await;
    assert_eq!(*fired.lock(), [("a", 2_000), ("b", 2_000), ("c", 4_000)]);
    assert_eq!(clock.now_ms(), 6_000);
}

#[tokio::test]
async fn a_chain_of_sleeps_is_followed_to_its_end_within_one_advance() {
    let clock = VirtualClock::stepped(0);
    let inner = clock.clone();
    let chain = tokio::spawn(clock.activity().track(async move {
        for _ in 0..10 {
            inner.sleep(seconds(1)).await;
        }
        inner.now_ms()
    }));
    clock.advance(seconds(60)).await;
    assert_eq!(chain.await.unwrap(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_running_clock_is_as_many_times_as_fast_as_it_was_told() {
    let clock = VirtualClock::running(0, 60.0);
    clock.sleep(seconds(60)).await;
    assert!((60_000..60_100).contains(&clock.now_ms()), "{clock:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_clock_that_is_held_stands_and_runs_on_from_there() {
    let clock = VirtualClock::running(0, 60.0);
    clock.show(1_000_000);
    clock.hold_at(Some(1_060_000));
    let sleeper = tokio::spawn(clock.sleep(seconds(90)));
    tokio::time::sleep(seconds(10)).await;
    assert_eq!(clock.now_ms(), 1_060_000);
    assert!(!sleeper.is_finished());
    clock.hold_at(Some(1_120_000));
    assert_eq!(clock.now_ms(), 1_060_000);
    sleeper.await.unwrap();
    assert!((1_090_000..1_090_100).contains(&clock.now_ms()), "{clock:?}");
    let now = clock.now_ms();
    clock.hold_at(Some(1_000_000));
    assert_eq!(clock.now_ms(), now);
    clock.hold_at(None);
    clock.sleep(seconds(600)).await;
    assert!((1_690_000..1_690_200).contains(&clock.now_ms()), "{clock:?}");
}

#[tokio::test]
async fn another_time_is_shown_and_sleepers_sleep_on() {
    let clock = VirtualClock::stepped(5_000_000);
    let sleeper = tokio::spawn(clock.activity().track(clock.sleep(seconds(10))));
    clock.advance(seconds(4)).await;
    for shown in [1_000, 9_000_000, 0] {
        clock.show(shown);
        assert_eq!(clock.now_ms(), shown);
        assert_eq!(clock.until_next_timer(), Some(seconds(6)));
    }
    clock.advance(seconds(6)).await;
    sleeper.await.unwrap();
    assert_eq!(clock.now_ms(), 6_000);
}

#[tokio::test(start_paused = true)]
async fn a_running_clock_that_is_advanced_brings_later_timers_nearer() {
    let clock = VirtualClock::running(0, 1.0);
    let sleeper = tokio::spawn(clock.sleep(seconds(60)));
    clock.next_timer().await;
    clock.advance(seconds(50)).await;
    let advanced = tokio::time::Instant::now();
    sleeper.await.unwrap();
    let waited = advanced.elapsed();
    assert!((seconds(9)..seconds(11)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_follows_a_change_of_pace() {
    let clock = VirtualClock::stepped(0);
    let sleeper = tokio::spawn(clock.activity().track(clock.sleep(seconds(100))));
    clock.idle().await;
    clock.set_pace(Pace::Running { speed: 100.0 });
    sleeper.await.unwrap();
    assert!(clock.now_ms() >= 100_000);
}
