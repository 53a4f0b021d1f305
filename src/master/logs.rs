//! Logs that were renamed: the master opens the new files, and hands them to those who may not.

use std::os::fd::AsFd;

use super::{
    action::{Outcome, Verdict},
    world::World,
};
use crate::{
    ipc::message::Order,
    logging::{self, files},
};

impl World<'_> {
    /// Opens the log files again and gives each worker a copy: it may have become somebody else, or have another root.
    /// Whoever has not heard of it yet goes on in the old file.
    pub(super) fn reopen(&self) -> Verdict {
        let opened = logging::reopen();
        for file in files::all() {
            let order = Order::Log(file.number().0);
            self.children.lend_all(order, file.outlet().as_fd());
        }
        self.children.order_all(Order::Reopen);
        match opened {
            Ok(()) => Verdict { outcome: Outcome::Done, text: "logs opened again".to_owned() },
            Err(cause) => {
                let remedy = match self.editions.newest().confinement.master() {
                    Some(user) => format!("make that file for user {user} first"),
                    None => "see that it can be written".to_owned(),
                };
                let text = format!(
                    "cannot open the log again: {cause} (the old file is still written to; {remedy})"
                );
                log::error!("{text}");
                Verdict { outcome: Outcome::Failed, text }
            }
        }
    }
}
