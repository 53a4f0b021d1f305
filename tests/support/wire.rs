//! A wire between a client and a server that lets so many bytes through and then none, until it is released or cut: so
//! a story stops a transfer where it likes, on any machine.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak},
    thread,
};

/// A wire to a server.
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// How many bytes may pass still, in both directions together.
    allowance: u64,
    cut: bool,
    /// Not kept open by this: the kernel tells whoever speaks to a closed one.
    ends: Vec<Weak<TcpStream>>,
}

impl Wire {
    /// A wire to this server that holds what comes after so many bytes.
    pub fn to(server: SocketAddr, allowance: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Mutex::new(State { allowance, cut: false, ends: Vec::new() });
        let shared = Arc::new(Shared { server, state, changed: Condvar::new() });
        let own = Arc::clone(&shared);
        thread::spawn(move || own.carry(&listener));
        Self { address, shared }
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets everything through from now on.
    pub fn release(&self) {
        self.shared.state().allowance = u64::MAX;
        self.shared.changed.notify_all();
    }

    /// Ends every connection, and takes no more.
    pub fn cut(&self) {
        let mut state = self.shared.state();
        if !std::mem::replace(&mut state.cut, true) {
            state
                .ends
                .drain(..)
                .filter_map(|end| end.upgrade())
                .for_each(|end| drop(end.shutdown(Shutdown::Both)));
            self.shared.changed.notify_all();
            drop(state);
            // The one that accepts looks up, and goes.
            let _ = TcpStream::connect(self.address);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn carry(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(self.server) else { continue };
            let mut state = self.state();
            if state.cut {
                return;
            }
            let ends = [client, server].map(Arc::new);
            state.ends.extend(ends.iter().map(Arc::downgrade));
            for (from, to) in [(0, 1), (1, 0)] {
                let (own, from, to) = (Arc::clone(self), Arc::clone(&ends[from]), Arc::clone(&ends[to]));
                thread::spawn(move || own.pump(&from, &to));
            }
        }
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if !self.may_pass(count as u64) || to.write_all(&buffer[..count]).is_err() {
                // Nobody takes it any more: whoever sends is told so.
                let _ = from.shutdown(Shutdown::Both);
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn may_pass(&self, count: u64) -> bool {
        let mut state = self.state();
        while state.allowance < count && !state.cut {
            state = self.changed.wait(state).expect("nobody panics with it");
        }
        state.allowance = state.allowance.saturating_sub(count);
        !state.cut
    }
}
