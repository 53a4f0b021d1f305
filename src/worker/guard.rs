//! A panic in a session or a handler costs its own connection, not the worker.
//!
//! What the code of an application holds is dropped with it, so that nothing half-done is seen again. The price on the
//! road without a panic is a call that is not inlined: a nanosecond in a request.

use std::{
    any::Any,
    cell::RefCell,
    mem,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
};

thread_local! {
    /// What the last panic of this thread said, and where.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes every panic from now on leave its words for [`contain`], in place of printing them: the standard error of a
/// daemon leads nowhere. Without a logger it prints them as before, too.
pub fn note_panics() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        LAST.with_borrow_mut(|last| *last = words(info));
        if !log::log_enabled!(log::Level::Error) {
            before(info);
        }
    }));
}

/// Calls it; a panic is the error, in words.
pub fn contain<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let words = last_words(&*payload);
        // Dropping it would run code of the program that panicked, which may panic again.
        mem::forget(payload);
        words
    })
}

fn last_words(payload: &(dyn Any + Send)) -> String {
    let noted = LAST.with_borrow_mut(mem::take);
    // Without the hook, as in the tests, there is still the payload.
    if noted.is_empty() { message(payload).to_owned() } else { noted }
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let place = info.location().map(|place| format!(" at {}:{}", place.file(), place.line()));
    // One event is one line.
    format!("{}{}", message(info.payload()), place.unwrap_or_default()).escape_debug().to_string()
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        assert_eq!(contain(|| 7), Ok(7));
        let error = contain(|| panic!("no {}", "luck")).unwrap_err();
        assert!(error.starts_with("no luck"), "{error}");
    }
}
