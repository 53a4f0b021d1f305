//! The hands of [`Adoption`]: sockets of the master's, lent to workers by their channels.

use super::{
    adoption::{Errand, Tenancy},
    edition,
    event::ChildId,
    supervisor::Supervisor,
    world::World,
};
use crate::{
    ipc::{ident::Slot, message::Order},
    process::clock::Time,
};

impl World<'_> {
    /// Has somebody look after every queue that nobody takes from; when that is to be asked again, if nothing happens.
    pub fn look_after_queues(&mut self, supervisor: &Supervisor) -> Option<Time> {
        let sockets = self.place.sockets();
        // A trial must not take a client, and at the end nobody is to be waited for.
        if sockets < 2 || supervisor.is_stopping() || self.is_trial() {
            return None;
        }
        let slots: Vec<(Slot, Tenancy)> = (1..=sockets).map(Slot::new).zip(supervisor.tenancies()).collect();
        let living: Vec<_> = supervisor.adopters().collect();
        for errand in self.adoption.step(&slots, &living, Time::now()) {
            match errand {
                Errand::TakeOver { by, slot } => self.lend(supervisor, by, slot),
                Errand::GiveBack { by, slot } => self.children.order(by, Order::GiveBack { slot }),
            }
        }
        self.adoption.deadline()
    }

    /// Hands that slot's sockets to a child, each for the listener that it is one of.
    fn lend(&mut self, supervisor: &Supervisor, by: ChildId, slot: Slot) {
        let generation = supervisor.children().find(|child| child.id == by).map(|child| child.generation);
        let listen = generation.and_then(|generation| self.editions.get(generation));
        let listen = listen.map_or(&[][..], |edition| &edition.listen);
        let listeners = edition::choose(listen, self.place.listeners.iter().collect());
        for (number, listener) in (0..).zip(listeners) {
            let Some(socket) = listener.socket_of(slot.number()) else { continue };
            if let Err(cause) = self.children.lend(by, Order::TakeOver { slot, listener: number }, socket) {
                log::warn!(
                    "cannot lend the queue of slot {slot} to another worker: {cause} (it is tried again)"
                );
                return self.adoption.refused(slot);
            }
        }
        log::debug!("slot {} takes from the queue of slot {slot} too", by.slot);
    }
}
