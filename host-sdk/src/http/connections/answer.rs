//! An answer on its way to a client, and the budget that large ones share.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    super::error::HttpError,
    table::{Table, Watch},
};

/// From what size on an answer counts, in bytes.
const LARGE: u64 = 64 * 1024;

/// The unit that the budget is counted in, in bytes.
const UNIT: u64 = 4 * 1024;

/// Bytes of large answers that may wait to be read, over all connections.
#[derive(Debug, Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// Too many large answers are waiting to be read.
#[derive(Debug)]
pub(super) struct Spent;

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        let units = bytes / usize::try_from(UNIT).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes an answer's bytes out of the budget, until they are written.
    pub(super) fn take(&self, answer: &Response) -> Result<Option<OwnedSemaphorePermit>, Spent> {
        let bytes = answer.body().size_hint().lower();
        if bytes < LARGE {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Spent)?;
        self.0.clone().try_acquire_many_owned(units).map(Some).map_err(|_| Spent)
    }
}

impl IntoResponse for Spent {
    fn into_response(self) -> Response {
        let message = "too many large answers are still being read by other clients";
        let mut answer = HttpError::new(StatusCode::SERVICE_UNAVAILABLE, message).into_response();
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        answer
    }
}

/// The body of an answer. Its connection rests again once it is gone; the budget is given back once its
/// bytes are written.
pub(super) struct Answer {
    body: Body,
    permit: Option<Arc<OwnedSemaphorePermit>>,
    watch: Arc<Watch>,
    table: Arc<Table>,
}

impl Answer {
    pub(super) fn new(
        body: Body,
        permit: Option<OwnedSemaphorePermit>,
        watch: Arc<Watch>,
        table: Arc<Table>,
    ) -> Self {
        Self { body, permit: permit.map(Arc::new), watch, table }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.watch.answered(&self.table);
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Some(permit) = &self.permit else { return frame };
        // hyper lets go of a body before its last bytes are written: they keep the permit.
        let held = |bytes| Bytes::from_owner(Held { bytes, _permit: permit.clone() });
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes that are counted in the budget.
struct Held {
    bytes: Bytes,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
