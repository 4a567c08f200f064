//! What it costs to call a plugin in its library, beside a direct call of the same code.
//!
//! `cargo bench -p host-sdk --bench boundary`

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench stops at what it did not expect")]

use std::{future::Future, hint::black_box, pin::pin, sync::Arc, task::Poll};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixture_no_op::NoOp;
use host_sdk::{
    EngineStatus, PresenceUpdate,
    host_abi::{Plugin, Request, testing::FakeHost},
    loader,
};

const CHAT: &str = "120363041234567890@g.us";
const PARTICIPANT: &str = "5511999990001@s.whatsapp.net";

fn updates(count: usize) -> Vec<PresenceUpdate<'static>> {
    let update = || PresenceUpdate::new(black_box(PARTICIPANT), EngineStatus::AVAILABLE, None);
    (0..count).map(|_| update()).collect()
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("a plugin that does nothing never waits"),
    }
}

fn boundary(criterion: &mut Criterion) {
    let fake = FakeHost::new();
    let direct = Arc::new(NoOp::create(fake.host(), b"", None).unwrap());
    let library = loader::load(loader::find("fixture_no_op").unwrap()).unwrap();
    let library = library.create(fake, b"", None).unwrap();

    let mut group = criterion.benchmark_group("on_presence");
    for count in [1, 16, 256] {
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("direct", count), |bencher| {
            bencher.iter(|| direct.on_presence("default", CHAT, &updates(count)));
        });
        group.bench_function(BenchmarkId::new("library", count), |bencher| {
            bencher.iter(|| library.on_presence("default", CHAT, &updates(count)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("handle");
    let request = || Request::new(0, "default");
    group.bench_function("direct", |bencher| {
        bencher.iter_batched(
            request,
            |request| ready(direct.clone().handle(request)),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("library", |bencher| {
        bencher.iter_batched(
            request,
            |request| ready(library.handle(request)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, boundary);
criterion_main!(benches);
