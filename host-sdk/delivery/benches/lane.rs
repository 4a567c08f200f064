//! What an update costs in the lanes: when the receiver keeps up, and when it does not.
//!
//! `cargo bench -p host-delivery --bench lane`

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at what it did not expect")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use host_delivery::lane::{Lanes, Limits, Update};

#[derive(Debug, Clone)]
struct Presence {
    keys: Arc<[Box<str>]>,
}

impl Update for Presence {
    fn keys(&self) -> &[Box<str>] {
        &self.keys
    }

    fn bytes(&self) -> usize {
        400
    }

    fn restate(&mut self) {}
}

fn chats(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("default\0presence.update\05511999{n:06}@c.us")).collect()
}

fn participants(count: usize) -> Vec<Presence> {
    (0..count)
        .map(|n| Presence { keys: Arc::new([format!("5511888{n:06}@c.us").into()]) })
        .collect()
}

fn lane(criterion: &mut Criterion) {
    let (chats, participants) = (chats(10_000), participants(10_000));
    let mut group = criterion.benchmark_group("lane");
    group.throughput(Throughput::Elements(1));

    group.bench_function("push, take, delivered", |bencher| {
        let mut lanes = Lanes::new(Limits::default());
        let mut n = 0;
        bencher.iter(|| {
            n += 1;
            lanes.push(&chats[n * 7919 % chats.len()], participants[n % 10].clone());
            let taken = lanes.take().unwrap();
            lanes.delivered(black_box(taken).ticket);
        });
    });

    group.bench_function("fold, 1,000 chats of 10", |bencher| {
        let mut lanes = Lanes::new(Limits { lane_depth: 0, ..Limits::default() });
        let mut n = 0;
        bencher.iter(|| {
            n += 1;
            lanes.push(&chats[n * 7919 % 1_000], participants[n * 31 % 10].clone());
        });
    });

    group.bench_function("fold, one chat of 10,000", |bencher| {
        let mut lanes = Lanes::new(Limits { lane_depth: 64, ..Limits::default() });
        let mut n = 0;
        bencher.iter(|| {
            n += 1;
            lanes.push(&chats[0], participants[n * 7919 % participants.len()].clone());
        });
    });
    group.finish();
}

criterion_group!(benches, lane);
criterion_main!(benches);
