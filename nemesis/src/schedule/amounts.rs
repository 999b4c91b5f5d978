//! Times and shares as a person writes them: with their unit, in quotes.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Milliseconds: `"2s"`, `"250ms"`, `"1.5m"`.
#[derive(Clone, Copy)]
pub struct Time(pub u64);

/// Microseconds: `"20ms"`, `"500us"`, `"1s"`.
#[derive(Clone, Copy)]
pub struct Short(pub u64);

/// Milliseconds, one way or the other: `"+1h"`, `"-200ms"`.
#[derive(Clone, Copy)]
pub struct Signed(pub i64);

/// Parts of a million: `"20%"`, `"0.5%"`.
#[derive(Clone, Copy)]
pub struct Share(pub u32);

/// A schedule of more than a year is a slip of the pen, and sums of such times could overflow.
const YEAR_US: u64 = 366 * 24 * 3_600_000_000;
/// No packet is worth waiting for longer.
const LONGEST_DELAY_US: u64 = 3_600_000_000;

/// A number with at most three places behind the point, in thousandths, and what follows it.
fn thousandths(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 3 || whole.is_empty() {
        return None;
    }
    let parts: u64 = fraction.parse().ok()?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(1000)?;
    Some((whole.checked_add(parts * 10u64.pow(3 - fraction.len() as u32))?, unit.trim_start()))
}

fn microseconds(text: &str) -> Option<u64> {
    let (number, unit) = thousandths(text)?;
    let unit_ns: u64 = match unit {
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let us = u128::from(number) * u128::from(unit_ns) / 1_000_000;
    u64::try_from(us).ok()
}

fn milliseconds(text: &str) -> Option<u64> {
    let us = microseconds(text).filter(|us| *us < YEAR_US && us % 1000 == 0)?;
    Some(us / 1000)
}

fn delay(text: &str) -> Option<u64> {
    microseconds(text).filter(|us| *us <= LONGEST_DELAY_US)
}

fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(size) => milliseconds(size).map(|ms| -(ms as i64)),
        None => milliseconds(text.strip_prefix('+').unwrap_or(text)).map(|ms| ms as i64),
    }
}

fn share(text: &str) -> Option<u32> {
    match thousandths(text)? {
        (share, "%") if share <= 100_000 => Some(share as u32 * 10),
        _ => None,
    }
}

macro_rules! written {
    ($name:ident, $parse:ident, $expected:literal) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Written;
                impl Visitor<'_> for Written {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($expected)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        $parse(text).map($name).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
                    }
                }
                deserializer.deserialize_str(Written)
            }
        }
    };
}

written!(Time, milliseconds, "a time in quotes with its unit, such as \"2s\", \"250ms\" or \"1.5m\"");
written!(Short, delay, "a time of at most an hour in quotes with its unit, such as \"20ms\", \"500us\" or \"1s\"");
written!(Signed, signed, "a time in quotes with its unit, and a minus if it is behind, such as \"1h\" or \"-200ms\"");
written!(Share, share, "a share in quotes, such as \"20%\" or \"0.5%\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_unit_or_not_at_all() {
        assert_eq!(
            ["2s", "250ms", "1.5s", "2m", "0.001s"].map(milliseconds),
            [Some(2_000), Some(250), Some(1_500), Some(120_000), Some(1)]
        );
        assert_eq!(["2", "s", "1.s", "1.0005s", "500us", "-1s", "9999999999m"].map(milliseconds), [None; 7]);
        assert_eq!(["+1h", "-200ms", "2s", "--1s"].map(signed), [Some(3_600_000), Some(-200), Some(2_000), None]);
        assert_eq!(["20ms", "500us", "1.5 ms", "2h"].map(delay), [Some(20_000), Some(500), Some(1_500), None]);
        assert_eq!(
            ["20%", "0.5%", "100%", "101%", "20", "1.2345%"].map(share)[..3],
            [Some(200_000), Some(5_000), Some(1_000_000)]
        );
        assert_eq!(["101%", "20", "1.2345%"].map(share), [None; 3]);
    }
}
