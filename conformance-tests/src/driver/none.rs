//! No driver: runs only the checks that need none.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Driver, DriverError, Step};
use crate::Ability;

/// A driver without abilities.
#[derive(Debug)]
pub(super) struct NoDriver;

impl Driver for NoDriver {
    fn name(&self) -> &str {
        "none"
    }

    fn abilities(&self) -> &[Ability] {
        &[]
    }

    fn perform<'a>(&'a self, _: &'a Step) -> BoxFuture<'a, Result<Value, DriverError>> {
        Box::pin(async { Err(DriverError::Declined("there is no driver".to_owned())) })
    }
}
