//! Words to values: durations, limits, numbers of workers.
//!
//! ```
//! use forkd::config::parse;
//! assert_eq!(parse::limit("off")?, None);
//! assert_eq!(parse::duration("500ms")?.as_millis(), 500);
//! # Ok::<(), forkd::Error>(())
//! ```

use std::{str::FromStr, time::Duration};

use super::settings::Workers;
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

impl FromStr for Workers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            let text = format!("cannot read {text:?} as a number of workers");
            return Err(Error::usage(text).remedy(format!("write 1 to {} or auto", Self::MAX)));
        }
        let Ok(count) = text.parse() else {
            let text = format!("cannot have {text} workers: the scoreboard ends at {}", Self::MAX);
            return Err(Error::usage(text).remedy("write fewer; auto takes one for each processor"));
        };
        let workers = Self::Fixed(count);
        workers.validate().map(|()| workers)
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
    fn numbers_of_workers() {
        assert_eq!("auto".parse::<Workers>().expect("auto"), Workers::Auto);
        assert_eq!("4096".parse::<Workers>().expect("most"), Workers::Fixed(4096));
        for text in ["0", "4097", "99999999999", "", "-1", "+1", "many", "2..8"] {
            let error = text.parse::<Workers>().expect_err(text).to_string();
            assert!(error.contains("(write "), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,20}") {
            let _ = limit(&text);
            let _ = text.parse::<Workers>();
        }

        #[test]
        fn whole_seconds_come_back(seconds in 1_u64..31_536_000) {
            prop_assert_eq!(limit(&format!("{seconds}s")).expect("seconds"), Some(Duration::from_secs(seconds)));
        }
    }
}
