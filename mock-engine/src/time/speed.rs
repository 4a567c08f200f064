//! How fast time goes.

use std::{fmt, str::FromStr};

use super::{Pace, SPEEDS};

/// How fast time goes: `stepped`, `max`, or a number of times.
///
/// ```
/// use mock_engine::Speed;
///
/// assert_eq!("60".parse(), Ok(Speed::Times(60.0)));
/// assert!("fast".parse::<Speed>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Speed {
    /// Stands until it is advanced.
    #[default]
    Stepped,
    /// A multiple of real time, within [`SPEEDS`].
    Times(f64),
    /// From one thing that happens to the next, without a wait.
    Max,
}

impl Speed {
    /// The clock's pace at this speed. At [`Max`](Self::Max) a task steps it.
    pub fn pace(self) -> Pace {
        match self {
            Self::Stepped | Self::Max => Pace::Stepped,
            Self::Times(speed) => Pace::Running { speed },
        }
    }

    /// A multiple of real time.
    ///
    /// # Errors
    ///
    /// Fails when the number is not within [`SPEEDS`].
    pub fn times(number: f64) -> Result<Self, String> {
        let (least, most) = (SPEEDS.start(), SPEEDS.end());
        SPEEDS
            .contains(&number)
            .then_some(Self::Times(number))
            .ok_or_else(|| format!("expected a number from {least} to {most}, found {number}"))
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "stepped" => Ok(Self::Stepped),
            "max" => Ok(Self::Max),
            _ => Self::times(text.parse().unwrap_or(f64::NAN)).map_err(|_| {
                let (least, most) = (SPEEDS.start(), SPEEDS.end());
                format!("expected a number from {least} to {most}, `stepped` or `max`")
            }),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stepped => f.write_str("stepped: POST /mock/clock/advance {\"by\":\"25s\"}"),
            Self::Times(1.0) => f.write_str("real time"),
            Self::Times(times) => write!(f, "{times} times as fast as real"),
            Self::Max => f.write_str("as fast as possible"),
        }
    }
}
