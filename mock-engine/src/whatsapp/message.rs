//! Messages: from a phone to a device, and from a device to a phone.

mod opening;
mod sealing;

pub(crate) use self::{
    opening::{Opened, open},
    sealing::{acknowledged, greeting, seal},
};
