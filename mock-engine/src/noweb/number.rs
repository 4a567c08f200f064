//! What JavaScript makes of a text when it wants a number: `+text`.

use serde_json::{Number, Value};

/// The largest whole number that a double holds exactly, and so JavaScript.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A text as JSON has the number that JavaScript reads in it: `null` is what becomes of `NaN`, and of a
/// number without end.
pub(super) fn number_of(text: &str) -> Value {
    let number = read(text.trim());
    if number.fract() == 0.0 && number.abs() < EXACT {
        return format!("{number:.0}").parse().map_or(Value::Null, |whole: i64| whole.into());
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn read(text: &str) -> f64 {
    if text.is_empty() {
        return 0.0;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        let starts = text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        if starts && text[2..].bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return u128::from_str_radix(&text[2..], radix).map_or(f64::NAN, |it| it as f64);
        }
    }
    // Rust's reader takes words that JavaScript's does not: `inf`, `nan`.
    let decimal = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if text.bytes().all(decimal) { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_text_is_the_number_that_javascript_reads() {
        for (text, number) in [
            ("1686719326", json!(1_686_719_326)),
            ("0", json!(0)),
            ("-5", json!(-5)),
            ("+7", json!(7)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            (" 12 ", json!(12)),
            ("", json!(0)),
            (".5", json!(0.5)),
            ("0x10", json!(16)),
            ("99999999999999999999", json!(1e20)),
            ("none", json!(null)),
            ("NaN", json!(null)),
            ("inf", json!(null)),
            ("Infinity", json!(null)),
            ("1e999", json!(null)),
            ("5s", json!(null)),
            ("0x", json!(null)),
            ("--5", json!(null)),
        ] {
            assert_eq!(number_of(text), number, "{text:?}");
        }
    }
}
