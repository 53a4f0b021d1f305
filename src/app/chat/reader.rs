//! What one member has been told, and what comes next: a place in the one order of lines, and no queue.
//!
//! The lines that a slow member has not read yet are where all lines are, in the store; so a slow one costs the others
//! no time and the worker no memory. One who falls too far behind is told so and cut off.

use std::rc::Rc;

use super::{
    room::Room,
    store::{Answer, Line},
};

/// See the module.
#[derive(Debug)]
pub struct Reader {
    member: u64,
    seen: u64,
    pace: Pace,
    /// The room's round at the last call: one who takes what is sent is called in each.
    round: u64,
}

/// Whether a member has ever been up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Not yet: what was missed, or history, is being told.
    CatchingUp,
    /// Once: whatever is behind now is slowness.
    Live,
}

/// What there is for a member.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Some lines, the oldest first; others may follow.
    Lines(Vec<Rc<Line>>),
    /// Nothing, until there is news.
    Nothing,
    /// This member is so many lines behind the room, and it goes on without them.
    TooSlow(u64),
}

impl Reader {
    /// How many lines a member may be behind who was up to date once and has not taken what was sent since.
    pub const BEHIND: u64 = 2000;

    /// A member who was told everything up to that line.
    pub fn from(member: u64, seen: u64) -> Self {
        Self { member, seen, pace: Pace::CatchingUp, round: 0 }
    }

    /// What comes next.
    ///
    /// # Errors
    /// Those of the store.
    pub fn next(&mut self, room: &Room) -> Answer<Next> {
        let behind = room.last().saturating_sub(self.seen);
        // Somebody may well say as much at once: that alone makes nobody slow.
        let was_called = room.round() <= self.round + 1;
        self.round = room.round();
        if self.pace == Pace::Live && !was_called && behind > Self::BEHIND {
            return Ok(Next::TooSlow(behind));
        }
        let lines = room.after(self.seen)?;
        let Some(last) = lines.last() else {
            self.pace = Pace::Live;
            return Ok(Next::Nothing);
        };
        self.seen = last.number;
        Ok(Next::Lines(lines.into_iter().filter(|line| line.is_for(self.member)).collect()))
    }
}
