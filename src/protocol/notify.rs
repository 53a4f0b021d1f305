//! What a service says of itself in a datagram: lines of `NAME=value`, as sd_notify(3) describes them.
//!
//! ```
//! use forkd::protocol::notify::{Note, notes};
//!
//! let said: Vec<_> = notes(b"READY=1\nSTATUS=serving\nX_OURS=?\n").collect();
//! assert_eq!(said, [Note::Ready, Note::Status("serving".into())]);
//! ```

/// The longest datagram that is read.
pub const LONGEST: usize = 4096;

/// The longest status that is shown, in bytes; what is longer is cut at a character.
pub const LONGEST_STATUS: usize = 256;

/// One thing that a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// `READY=1`: it serves.
    Ready,
    /// `RELOADING=1`: it reads its configuration anew; `READY=1` follows.
    Reloading,
    /// `STOPPING=1`: it begins to end.
    Stopping,
    /// `STATUS=…`: a line for people.
    Status(String),
    /// `WATCHDOG=1`: it is alive.
    Alive,
    /// `WATCHDOG=trigger`: it asks to be treated as if it were not.
    Stuck,
}

/// What a datagram says, in its order. What is not understood is left out, as sd_notify(3) wants it.
pub fn notes(datagram: &[u8]) -> impl Iterator<Item = Note> {
    datagram.split(|byte| *byte == b'\n').filter_map(note)
}

fn note(line: &[u8]) -> Option<Note> {
    match line {
        b"READY=1" => Some(Note::Ready),
        b"RELOADING=1" => Some(Note::Reloading),
        b"STOPPING=1" => Some(Note::Stopping),
        b"WATCHDOG=1" => Some(Note::Alive),
        b"WATCHDOG=trigger" => Some(Note::Stuck),
        _ => {
            let mut status = String::from_utf8_lossy(line.strip_prefix(b"STATUS=")?).into_owned();
            status.truncate(status.floor_char_boundary(LONGEST_STATUS));
            Some(Note::Status(status))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_understood_is_left_out() {
        for garbage in [&b""[..], b"\n\n", b"READY=0", b"READY", b"MAINPID=1", b"ready=1", b"READY=1 "] {
            assert_eq!(notes(garbage).next(), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_status_is_cut_at_a_character() {
        let long = format!("STATUS={}", "僵".repeat(1000));
        let Some(Note::Status(status)) = notes(long.as_bytes()).next() else { panic!("a status") };
        assert!(status.len() <= LONGEST_STATUS && status.chars().all(|c| c == '僵'));
    }

    proptest! {
        #[test]
        fn no_datagram_says_more_than_it_has_lines(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
            let lines = datagram.split(|byte| *byte == b'\n').count();
            prop_assert!(notes(&datagram).count() <= lines);
        }
    }
}
