//! Failures that a test arranges: which nodes, how, how often.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;

use crate::{faults::SendFault, journal::Matcher, wire::Node};

/// Says which nodes are meant. Closures over a node, and [`Matcher`], are.
pub trait Match: Send + Sync + 'static {
    /// Whether this node is meant.
    fn matches(&self, node: &Node) -> bool;
}

impl<F: Fn(&Node) -> bool + Send + Sync + 'static> Match for F {
    fn matches(&self, node: &Node) -> bool {
        self(node)
    }
}

impl Match for Matcher {
    fn matches(&self, node: &Node) -> bool {
        Self::matches(self, node)
    }
}

/// A failure in the making: `mock.given(|node| …).up_to(1).fails(SendFault::Error)`.
pub struct Stub {
    stubs: Stubs,
    matcher: Arc<dyn Match>,
    times: Option<u32>,
}

impl Stub {
    pub(super) fn new(stubs: Stubs, matcher: impl Match) -> Self {
        Self { stubs, matcher: Arc::new(matcher), times: None }
    }

    /// The number of calls it applies to; `None` for all.
    #[must_use]
    pub fn up_to(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Has the nodes fail so from now on.
    pub fn fails(self, fault: SendFault) {
        let arranged = Arranged { matcher: self.matcher, left: self.times, fault };
        self.stubs.0.lock().push(arranged);
    }
}

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stub").field("times", &self.times).finish_non_exhaustive()
    }
}

struct Arranged {
    matcher: Arc<dyn Match>,
    left: Option<u32>,
    fault: SendFault,
}

#[derive(Clone, Default)]
pub(super) struct Stubs(Arc<Mutex<Vec<Arranged>>>);

impl Stubs {
    /// The failure that was arranged for this node, counted as used.
    pub(super) fn fault(&self, node: &Node) -> Option<SendFault> {
        let mut stubs = self.0.lock();
        let stub =
            stubs.iter_mut().find(|stub| stub.left != Some(0) && stub.matcher.matches(node))?;
        if let Some(left) = &mut stub.left {
            *left -= 1;
        }
        Some(stub.fault)
    }

    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

impl fmt::Debug for Stubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stubs").field("arranged", &self.0.lock().len()).finish()
    }
}
