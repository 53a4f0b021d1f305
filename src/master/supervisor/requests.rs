//! What was asked for: stop, scale, and the road on which every request comes.

use std::{mem, time::Duration};

use super::{MOST_WORKERS, Phase, Supervisor};
use crate::ipc::{
    control::{Pace, Request, Scale},
    message::Accepts,
};
use crate::master::{
    action::{Action, News, Outcome, Reason, Sizing, Verdict},
    event::Caller,
    policy::Pausing,
    respawn::Respawn,
    slot::Stage,
    turn::NextTurn,
};

impl Supervisor {
    pub(super) fn asked(&mut self, request: Request, caller: Option<Caller>) {
        match request {
            Request::Status => self.actions.extend(caller.map(|caller| Action::Report { caller })),
            Request::Reopen => self.actions.push(Action::Reopen { caller }),
            Request::Stop(pace) => self.asked_to_stop(pace, caller),
            // timeout(1) sends CONT behind its TERM, lest a stopped program miss that: it asks for nothing.
            Request::Resume if self.is_stopping() && caller.is_none() => {}
            Request::Reload { .. }
            | Request::Upgrade { .. }
            | Request::Scale(_)
            | Request::Pause
            | Request::Resume
                if self.is_stopping() =>
            {
                self.refuse(caller, Outcome::Failed, "the server is stopping".to_owned());
            }
            Request::Reload { timeout } => self.asked_to_reload(timeout, caller),
            Request::Upgrade { binary, timeout } => self.asked_to_upgrade(binary, timeout, caller),
            Request::Scale(scale) => self.asked_to_scale(scale, caller),
            // CONT also comes from a shell that puts us into the foreground.
            Request::Resume if self.policy.pausing == Pausing::Impossible && caller.is_none() => {}
            Request::Pause | Request::Resume if self.policy.pausing == Pausing::Impossible => {
                let text = "cannot pause: these workers are programs, which accept by themselves (scale or stop them)";
                self.refuse(caller, Outcome::Refused, text.to_owned());
            }
            Request::Pause => self.asked_to_accept(Accepts::Paused, caller),
            Request::Resume => self.asked_to_accept(Accepts::Yes, caller),
        }
    }

    fn asked_to_reload(&mut self, timeout: Option<Duration>, caller: Option<Caller>) {
        let Some(behind) = self.turn.as_ref().map(|turn| turn.generation) else {
            let callers = caller.into_iter().collect();
            return self.begin_turn(NextTurn { timeout, callers, behind: None });
        };
        // A reload that runs has read its configuration already: what changed since needs one more.
        let next = self.next_turn.get_or_insert_default();
        (next.timeout, next.behind) = (timeout, Some(behind));
        next.callers.extend(caller);
        self.tell(News::ReloadQueued { behind });
    }

    fn asked_to_accept(&mut self, accepts: Accepts, caller: Option<Caller>) {
        // A SIGCONT also comes after a SIGSTOP, which asked for nothing.
        if self.accepts != accepts {
            self.accepts = accepts;
            self.tell(News::Accepts { accepts });
            self.order_to_accept();
        }
        self.pausers.extend(caller);
    }

    /// Tells it to those who stay; whoever is born later is born with it.
    fn order_to_accept(&mut self) {
        let staying =
            self.slots.touch_all().flat_map(|slot| &mut slot.children).filter(|child| child.is_staying());
        for child in staying.filter(|child| child.told != self.accepts) {
            child.told = self.accepts;
            self.actions.push(Action::Accept { child: child.id, accepts: self.accepts });
        }
    }

    pub(super) fn grant(&mut self, caller: Option<Caller>, text: &str) {
        let verdict = Verdict::new(Outcome::Done, text);
        self.actions.extend(caller.map(|caller| Action::Answer { caller, verdict }));
    }

    pub(super) fn asked_to_stop(&mut self, pace: Pace, caller: Option<Caller>) {
        self.stoppers.extend(caller);
        let again = matches!(self.phase, Phase::Stopping { interrupted: true, .. });
        if !self.is_stopping() {
            self.stop(None);
        }
        if pace == Pace::Now || again {
            self.kill_all();
        }
        if let (Phase::Stopping { interrupted, .. }, Pace::Interrupt) = (&mut self.phase, pace) {
            *interrupted = true;
        }
    }

    pub(super) fn asked_to_scale(&mut self, scale: Scale, caller: Option<Caller>) {
        let to = match scale {
            Scale::To(count) => count,
            Scale::Up(more) => self.target.saturating_add(more),
            Scale::Down(fewer) => self.target.saturating_sub(fewer),
        };
        if !(1..=MOST_WORKERS).contains(&to) {
            let text = format!(
                "cannot scale to {to} workers: a server has from 1 to {MOST_WORKERS} (end it with stop)"
            );
            return self.refuse(caller, Outcome::Refused, text);
        }
        if self.range.is_open() && self.range.nearest(to) != to {
            let text = format!(
                "cannot scale to {to} workers: the settings say {} (change them and reload)",
                self.range
            );
            return self.refuse(caller, Outcome::Refused, text);
        }
        if let Some(turn) = &mut self.turn {
            turn.target_before = None;
        }
        self.retarget(to, Sizing::Asked);
        // What is answered is about attempts that are made from now on: what was wrong may have been mended.
        let hopeless = self.slots.touch_all().filter(|slot| slot.respawn.is_hopeless());
        hopeless.for_each(|slot| slot.respawn = Respawn::default());
        self.scalers.extend(caller);
    }

    pub(super) fn refuse(&mut self, caller: Option<Caller>, outcome: Outcome, text: String) {
        match caller {
            Some(caller) => {
                self.actions.push(Action::Answer { caller, verdict: Verdict::new(outcome, text) });
            }
            None => self.tell(News::Refused { text }),
        }
    }

    /// Begins to end; whoever waits for something else learns that it will not come.
    pub(super) fn stop(&mut self, failure: Option<String>) {
        let reason = failure.clone().unwrap_or_else(|| "asked".to_owned());
        self.tell(News::Stopping { reason });
        self.phase = Phase::Stopping { failure, interrupted: false };
        self.actions.push(Action::CloseListeners);
        self.abandon_trial();
        let turn = self.turn.take().map(|turn| turn.callers).into_iter().flatten();
        let next = self.next_turn.take().map(|next| next.callers).into_iter().flatten();
        let waiting: Vec<_> = turn
            .chain(next)
            .chain(mem::take(&mut self.scalers))
            .chain(mem::take(&mut self.pausers))
            .collect();
        for caller in waiting {
            self.refuse(Some(caller), Outcome::Failed, "the server stopped meanwhile".to_owned());
        }
    }

    pub(super) fn kill_all(&mut self) {
        let ids: Vec<_> =
            self.children().filter(|c| !matches!(c.stage, Stage::Killed { .. })).map(|c| c.id).collect();
        for id in ids {
            self.kill(id, Reason::StopNow, false);
        }
    }
}
