//! A length of time as people write it: `25s`, `1m30s`, `250ms`.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};

/// A length of time, to the millisecond.
///
/// ```
/// use mock_engine::Delay;
///
/// let delay: Delay = "1m30s".parse().unwrap();
/// assert_eq!(delay.as_millis(), 90_000);
/// assert_eq!(delay.to_string(), "1m30s");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(u64);

/// The longest: a hundred years or so, in milliseconds.
const LONGEST: u64 = 36_500 * 86_400_000;

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Delay {
    /// A delay of `millis` milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same as a [`Duration`].
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, DelayError> {
        let error = || DelayError(text.to_owned());
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(error());
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
            let number: u64 = rest[..digits].parse().map_err(|_| error())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let (_, factor) =
                UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(error)?;
            rest = rest[letters..].trim_start();
            total = number
                .checked_mul(*factor)
                .and_then(|millis| total.checked_add(millis))
                .filter(|total| *total <= LONGEST)
                .ok_or_else(error)?;
        }
        Ok(Self(total))
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, factor) in UNITS {
            if rest >= factor {
                write!(f, "{}{unit}", rest / factor)?;
                rest %= factor;
            }
        }
        Ok(())
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Delay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time like \"25s\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Delay, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Delay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Delay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: 25s, 1m30s, 250ms, 2h, 1d.",
            "pattern": "^\\s*([0-9]+(ms|s|m|h|d)\\s*)+$",
            "examples": ["25s", "1m30s", "250ms"],
        })
    }
}

/// A text that is not a valid duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid duration {0:?}; expected one like \"25s\", \"1m30s\" or \"250ms\", up to 100 years"
)]
pub struct DelayError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_written_again() {
        for text in ["0s", "25s", "1m30s", "250ms", "2h", "1d1h1m1s1ms"] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), text);
        }
        assert_eq!("90s".parse::<Delay>().unwrap().to_string(), "1m30s");
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "5", "s", "5 minutes", "-1s", "1.5s", "99999999999999999999s", "36501d"] {
            let error = text.parse::<Delay>().unwrap_err().to_string();
            assert!(error.contains("expected one like \"25s\", \"1m30s\" or \"250ms\""), "{error}");
        }
    }
}
