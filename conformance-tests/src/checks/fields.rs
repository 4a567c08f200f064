//! Fields and notes: ids, the five statuses, last seen.

mod ids;
mod last_seen;
mod status;

pub(super) use self::status::WORDS;
use crate::Check;

pub(crate) fn checks() -> Vec<Check> {
    [ids::checks(), status::checks(), last_seen::checks()].concat()
}
