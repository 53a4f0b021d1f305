//! Words to values: durations, limits, shares of work, sizes.
//!
//! ```
//! use forkd::config::parse;
//! assert_eq!(parse::limit("off")?, None);
//! assert_eq!(parse::duration("500ms")?.as_millis(), 500);
//! # Ok::<(), forkd::Error>(())
//! ```

use std::time::Duration;

use super::recycling::Spread;
use crate::error::{Error, Result};

/// The longest duration that is read: no clock arithmetic overflows with it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A duration as people write it: `500ms`, `30s`, `2m`, `1h 30m`.
///
/// # Errors
/// A usage error for anything else, and for more than a year.
pub fn duration(text: &str) -> Result<Duration> {
    let refuse = |why: String| {
        Error::usage(format!("cannot read {text:?} as a duration: {why}")).remedy("write 500ms, 30s or 2m")
    };
    let duration = humantime::parse_duration(text).map_err(|cause| refuse(cause.to_string()))?;
    if duration > LONGEST {
        return Err(refuse("it is longer than a year".into()));
    }
    Ok(duration)
}

/// A limit: a duration above zero, or `off` for none.
///
/// # Errors
/// A usage error for anything else.
pub fn limit(text: &str) -> Result<Option<Duration>> {
    if text == "off" {
        return Ok(None);
    }
    match duration(text) {
        Ok(Duration::ZERO) => {
            Err(Error::usage(format!("cannot take {text:?} as a limit: nothing ends in no time")))
        }
        Ok(duration) => Ok(Some(duration)),
        Err(error) => Err(error),
    }
    .map_err(|error| error.remedy("write 500ms, 30s, 2m or off"))
}

/// A share of requests, `1000` or with a jitter `1000~100`; `off` for none.
///
/// # Errors
/// A usage error for anything else, and for none at all.
pub fn requests(text: &str) -> Result<Option<Spread<u64>>> {
    let refuse = || {
        Error::usage(format!("cannot read {text:?} as a number of requests"))
            .remedy("write 1000, 1000~100 or off")
    };
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(refuse)
    };
    spread(text, number)?
        .map_or(Ok(None), |share| if share.least == 0 { Err(refuse()) } else { Ok(Some(share)) })
}

/// An age, `1h` or with a jitter `1h~5m`; `off` for none.
///
/// # Errors
/// A usage error for anything else, and for less than a second.
pub fn age(text: &str) -> Result<Option<Spread<Duration>>> {
    let remedy = |error: Error| error.remedy("write 1h, 1h~5m or off");
    match spread(text, duration).map_err(remedy)? {
        Some(Spread { least, .. }) if least < Duration::from_secs(1) => Err(remedy(Error::usage(format!(
            "cannot take {text:?} as an age: a worker serves for a second at least"
        )))),
        age => Ok(age),
    }
}

fn spread<T: Default>(text: &str, read: impl Fn(&str) -> Result<T>) -> Result<Option<Spread<T>>> {
    match text.split_once('~') {
        _ if text == "off" => Ok(None),
        Some((least, jitter)) => Ok(Some(Spread { least: read(least)?, jitter: read(jitter)? })),
        None => read(text).map(|least| Some(least.into())),
    }
}

/// A size in bytes: `64M`, `1.5G`, `1048576`; K, M, G and T are powers of 1024. `off` for none.
///
/// # Errors
/// A usage error for anything else, and for nothing at all.
pub fn size(text: &str) -> Result<Option<u64>> {
    if text == "off" {
        return Ok(None);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_uppercase();
    let power = ["", "K", "M", "G", "T"].iter().position(|power| {
        let rest =
            unit.strip_prefix(power).filter(|rest| power.is_empty() == unit.is_empty() || *rest == "B");
        rest.is_some_and(|rest| ["", "B", "IB"].contains(&rest))
    });
    let bytes =
        number.parse::<f64>().ok().zip(power).map(|(number, power)| number * 1024_f64.powi(power as i32));
    match bytes.filter(|bytes| (1.0..9e15).contains(bytes)) {
        Some(bytes) => Ok(Some(bytes as u64)),
        None => {
            Err(Error::usage(format!("cannot read {text:?} as a size")).remedy("write 512M, 1.5G or off"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_the_manual_writes_them() {
        let table = [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h 30m", 5_400_000), ("0s", 0)];
        for (text, milliseconds) in table {
            assert_eq!(duration(text).expect(text), Duration::from_millis(milliseconds), "{text}");
        }
    }

    #[test]
    fn every_refused_duration_names_the_remedy() {
        for text in ["", "30", "s", "-1s", "10 parsecs", "400d", "99999999999999999999s"] {
            let error = limit(text).expect_err(text);
            assert_eq!(error.exit_code(), 2, "{text}");
            let error = error.to_string();
            assert!(error.ends_with("(write 500ms, 30s, 2m or off)"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_limit_is_off_or_above_zero() {
        assert_eq!(limit("off").expect("off"), None);
        assert_eq!(limit("2m").expect("2m"), Some(Duration::from_secs(120)));
        assert!(limit("0s").is_err());
        assert!(limit("OFF").is_err());
    }

    #[test]
    fn shares_of_work() {
        let share = |least, jitter| Some(Spread { least, jitter });
        assert_eq!(requests("1000").expect("a number"), share(1000, 0));
        assert_eq!(requests("1000~100").expect("a spread"), share(1000, 100));
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        assert_eq!(age("1h~5m").expect("a spread"), Some(Spread { least: minutes(60), jitter: minutes(5) }));
        assert_eq!((requests("off").expect("off"), age("off").expect("off")), (None, None));
        for text in ["0", "", "~", "10~", "~10", "+1", "-1", "1e3", "1~2~3", "99999999999999999999"] {
            let error = requests(text).expect_err(text).to_string();
            assert!(error.ends_with("(write 1000, 1000~100 or off)"), "{error}");
        }
        for text in ["10", "500ms", "1h~", "OFF"] {
            let error = age(text).expect_err(text).to_string();
            assert!(error.ends_with("(write 1h, 1h~5m or off)"), "{error}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let table = [
            ("1", 1),
            ("1024", 1024),
            ("100B", 100),
            ("64k", 64 << 10),
            ("512M", 512 << 20),
            ("1.5G", 3 << 29),
        ];
        for (text, bytes) in table.into_iter().chain([("2GiB", 2 << 30), ("3mb", 3 << 20), ("1T", 1 << 40)]) {
            assert_eq!(size(text).expect(text), Some(bytes), "{text}");
        }
        assert_eq!(size("off").expect("off"), None);
        for text in ["", "0", "M", "-1", "1X", "1 M", "1MM", "1.2.3", "0.1", "1e9", "99999T", "iB"] {
            let error = size(text).expect_err(text).to_string();
            assert!(error.ends_with("(write 512M, 1.5G or off)"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,20}") {
            let _ = (limit(&text), requests(&text), age(&text), size(&text));
        }

        #[test]
        fn whole_seconds_come_back(seconds in 1_u64..31_536_000) {
            prop_assert_eq!(limit(&format!("{seconds}s")).expect("seconds"), Some(Duration::from_secs(seconds)));
        }
    }
}
