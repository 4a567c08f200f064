use futures_util::FutureExt as _;
use tokio::sync::oneshot;

use super::Activity;

/// Lets other tasks run, while the caller counts as runnable.
async fn give_way() {
    let mut gave_way = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut gave_way, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

#[tokio::test]
async fn a_task_that_waits_is_idle_and_one_that_was_woken_is_not() {
    let activity = Activity::new();
    let (wake, woken) = oneshot::channel::<()>();
    let mut task = Box::pin(activity.track(woken));
    assert!(activity.idle().now_or_never().is_none(), "not polled yet");
    assert!((&mut task).now_or_never().is_none());
    assert!(activity.idle().now_or_never().is_some(), "waits for the channel");
    wake.send(()).unwrap();
    assert!(activity.idle().now_or_never().is_none(), "was woken");
    task.await.unwrap();
    assert!(activity.idle().now_or_never().is_some());
}

#[tokio::test]
async fn a_dropped_task_no_longer_counts_even_when_it_is_woken_later() {
    let activity = Activity::new();
    let (wake, woken) = oneshot::channel::<()>();
    let mut task = Box::pin(activity.track(woken));
    assert!((&mut task).now_or_never().is_none());
    drop(task);
    let _ = wake.send(());
    assert!(activity.idle().now_or_never().is_some());
}

#[tokio::test]
async fn a_task_that_does_much_in_one_turn_stays_runnable() {
    let activity = Activity::new();
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    (0..10_000).for_each(|number| send.send(number).unwrap());
    let task = tokio::spawn(activity.track(async move {
        for _ in 0..10_000 {
            receive.recv().await;
        }
    }));
    activity.idle().await;
    assert!(task.is_finished());
}

#[tokio::test]
async fn a_task_that_waits_for_the_others_goes_on_when_they_wait_and_before_who_waits_for_all() {
    let activity = Activity::new();
    let (wake, woken) = oneshot::channel::<()>();
    let inner = activity.clone();
    let mut patient = Box::pin(activity.track(async move { inner.alone().await }));
    let mut other = Box::pin(activity.track(woken));
    assert!((&mut patient).now_or_never().is_none(), "the other was not polled yet");
    assert!((&mut other).now_or_never().is_none());
    assert!(activity.idle().now_or_never().is_none(), "the patient one is to go on first");
    assert!((&mut patient).now_or_never().is_some());
    assert!(activity.idle().now_or_never().is_some());
    wake.send(()).unwrap();
    other.await.unwrap();
}

#[tokio::test]
async fn a_task_that_is_dropped_while_it_waits_for_the_others_no_longer_counts() {
    let activity = Activity::new();
    let other = activity.track(std::future::pending::<()>());
    let inner = activity.clone();
    let mut patient = Box::pin(activity.track(async move { inner.alone().await }));
    assert!((&mut patient).now_or_never().is_none());
    drop(patient);
    drop(other);
    assert!(activity.idle().now_or_never().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_turn_of_a_patient_task_comes_after_all_that_it_began() {
    let activity = Activity::new();
    let inner = activity.clone();
    let player = activity.track(async move {
        let done = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        for turn in 1..=1_000 {
            for _ in 0..3 {
                let done = done.clone();
                tokio::spawn(inner.track(async move {
                    give_way().await;
                    done.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }));
            }
            inner.alone().await;
            assert_eq!(done.load(std::sync::atomic::Ordering::SeqCst), turn * 3);
        }
    });
    tokio::spawn(player).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_that_take_turns_run_one_at_a_time_in_the_order_of_their_wakes() {
    let activity = Activity::in_turns();
    let log = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let gate = std::sync::Arc::new(tokio::sync::Notify::new());
    for name in 0..50 {
        let (log, gate) = (log.clone(), gate.clone());
        tokio::spawn(activity.track(async move {
            gate.notified().await;
            for round in 0..3 {
                log.lock().push((round, name));
                give_way().await;
            }
        }));
    }
    activity.idle().await;
    tokio::spawn(activity.track(async move { gate.notify_waiters() }));
    activity.idle().await;
    let expected = (0..3).flat_map(|round| (0..50).map(move |name| (round, name)));
    assert_eq!(*log.lock(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_task_that_ends_or_is_dropped_in_its_turn_leaves_it_to_the_next() {
    let activity = Activity::in_turns();
    let waiting = activity.track(std::future::pending::<()>());
    let panics = activity.track(async { panic!("a test") });
    let last = activity.track(async { 7 });
    drop(waiting);
    assert!(tokio::spawn(panics).await.is_err());
    assert_eq!(last.await, 7);
    assert!(activity.idle().now_or_never().is_some());
}

#[tokio::test]
async fn a_task_that_gives_way_is_still_runnable() {
    let activity = Activity::new();
    let mut task = Box::pin(activity.track(give_way()));
    assert!((&mut task).now_or_never().is_none());
    assert!(activity.idle().now_or_never().is_none());
    task.await;
    assert!(activity.idle().now_or_never().is_some());
}
