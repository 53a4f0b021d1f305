//! Logs that were renamed: the master opens the new files, and hands them to those who may not.

use std::os::fd::AsFd;

#[cfg(feature = "control")]
use super::world::answer_of;
use super::{
    action::{Outcome, Verdict},
    event::Caller,
    world::World,
};
use crate::{
    ipc::message::Order,
    logging::{self, files},
};

impl World<'_> {
    /// Opens the log files again, and says to who asked whether they could be.
    pub(super) fn reopen(&mut self, caller: Option<Caller>) {
        let verdict = self.hand_out_logs();
        #[cfg(feature = "control")]
        if let Some(caller) = caller {
            self.answer(caller, &answer_of(verdict));
        }
        #[cfg(not(feature = "control"))]
        let _ = (caller, verdict);
    }

    /// Opens the log files again and gives each worker a copy: it may have become somebody else, or have another root.
    /// Whoever has not heard of it yet goes on in the old file.
    fn hand_out_logs(&self) -> Verdict {
        let logs = files::all();
        let opened = logging::reopen_these(&logs);
        for file in logs {
            let order = Order::Log(file.number().0);
            self.children.lend_all(order, file.outlet().as_fd());
        }
        self.children.order_all(Order::Reopen);
        match opened {
            Ok(()) => Verdict::new(Outcome::Done, "logs opened again"),
            Err(cause) => {
                let remedy = match self.editions.newest().confinement.master() {
                    Some(user) => format!("make that file for user {user} first"),
                    None => "see that it can be written".to_owned(),
                };
                let text = format!(
                    "cannot open the log again: {cause} (the old file is still written to; {remedy})"
                );
                log::error!("{text}");
                Verdict::new(Outcome::Failed, text)
            }
        }
    }
}
