//! How a connection process tells what it has counted: by the pipe whose end tells that it is gone.

use std::{os::fd::OwnedFd, time::Duration};

use nix::{
    errno::Errno,
    unistd::{read, write},
};

use crate::{
    ipc::{bill::Bill, row::Row},
    process::clock::Time,
};

/// How often at most a process tells what it has counted while its connection lives: each time wakes its worker.
const EVERY: Duration = Duration::from_millis(100);

/// The side of the connection process.
#[derive(Debug, Clone)]
pub struct Account {
    /// Open until the process ends.
    pipe: &'static OwnedFd,
    row: Row,
    told: Time,
}

impl Account {
    /// Of what that row counts, by this pipe, which only the end of the process closes.
    pub fn new(pipe: OwnedFd, row: Row) -> Self {
        Self { pipe: Box::leak(Box::new(pipe)), row, told: Time::ZERO }
    }

    /// Tells what there is to tell, or says when it will be time.
    pub fn tell_in_time(&mut self) -> Option<Time> {
        let bill = Bill::of(&self.row)?;
        let (now, due) = (Time::now(), self.told + EVERY);
        if now < due {
            return Some(due);
        }
        self.told = now;
        self.send(&bill);
        None
    }

    /// Tells what is left to tell.
    pub fn close(&self) {
        if let Some(bill) = Bill::of(&self.row) {
            self.send(&bill);
        }
    }

    /// A worker that does not read is told later; one that is gone, never.
    fn send(&self, bill: &Bill) {
        if write(self.pipe, &bill.to_bytes()).is_ok() {
            bill.settle(&self.row);
        }
    }
}

/// Whether a connection process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It does.
    Goes,
    /// Its end of the pipe is closed.
    Over,
}

/// The side of the worker: enters into its row what has come by this pipe, which does not block.
pub fn hear(pipe: &OwnedFd, row: &Row) -> Life {
    let mut bytes = [0; Bill::BYTES];
    loop {
        match read(pipe, &mut bytes) {
            Ok(Bill::BYTES) => Bill::from_bytes(&bytes).enter(row),
            Err(Errno::EAGAIN) => return Life::Goes,
            Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return Life::Over,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use nix::{fcntl::OFlag, unistd::pipe2};

    use super::*;

    #[test]
    fn a_worker_hears_counts_until_the_process_is_gone() -> io::Result<()> {
        let (ours, theirs) = (Row::detached(), Row::detached());
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let last = write.try_clone()?;
        theirs.bytes_in(5);
        Account::new(last, theirs.clone()).close();
        assert_eq!(hear(&read, &ours), Life::Goes);
        let mut account = Account::new(write.try_clone()?, theirs.clone());
        theirs.bytes_in(2);
        assert_eq!(account.tell_in_time(), None, "nothing was told for long");
        theirs.bytes_in(1);
        assert!(account.tell_in_time().is_some(), "something was told just now");
        account.close();
        account.close();
        assert_eq!((hear(&read, &ours), ours.read().bytes_in), (Life::Goes, 8));
        Ok(())
    }
}
