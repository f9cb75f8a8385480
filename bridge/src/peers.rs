// SPDX-License-Identifier: Apache-2.0
//! The peers of a server: how many connections each has, and which connection is closed
//! to make room for another one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

struct Open {
    peer: IpAddr,
    /// Requests that are being answered.
    busy: u32,
    /// Since it was accepted, or answered its last request.
    since: Instant,
    close: Arc<Notify>,
}

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Open>,
    by_peer: HashMap<IpAddr, u32>,
}

impl Table {
    fn remove(&mut self, id: u64) {
        let Some(open) = self.open.remove(&id) else { return };
        if let Some(count) = self.by_peer.get_mut(&open.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&open.peer);
            }
        }
    }
}

/// Why no connection was closed.
pub enum Kept {
    Young,
    Busy,
}

pub struct Peers {
    table: Mutex<Table>,
    /// A connection that is younger, or was used since, is not closed for another
    /// one: its request may be on its way.
    min_idle: Duration,
}

/// An IPv6 peer may use any address of its /64 network.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Peers {
    pub fn new(min_idle: Duration) -> Arc<Peers> {
        Arc::new(Peers { table: Mutex::default(), min_idle })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn count(&self, address: IpAddr) -> u32 {
        self.table().by_peer.get(&peer_of(address)).copied().unwrap_or(0)
    }

    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Seat {
        let (peer, close) = (peer_of(address), Arc::new(Notify::new()));
        let mut table = self.table();
        let id = table.next;
        table.next += 1;
        let open = Open { peer, busy: 0, since: Instant::now(), close: close.clone() };
        table.open.insert(id, open);
        *table.by_peer.entry(peer).or_insert(0) += 1;
        Seat { peers: self.clone(), id, close }
    }

    /// Close the connection, of this peer or of all, that is idle for longest.
    pub fn close_idle(&self, address: Option<IpAddr>) -> Result<(), Kept> {
        let (peer, mut table) = (address.map(peer_of), self.table());
        let idle = table
            .open
            .iter()
            .filter(|(_, open)| open.busy == 0 && peer.is_none_or(|peer| peer == open.peer));
        let Some((&id, open)) = idle.min_by_key(|(_, open)| open.since) else {
            return Err(Kept::Busy);
        };
        if open.since.elapsed() < self.min_idle {
            return Err(Kept::Young);
        }
        open.close.notify_one();
        table.remove(id);
        Ok(())
    }
}

/// The place of a connection, until it is gone.
pub struct Seat {
    peers: Arc<Peers>,
    id: u64,
    close: Arc<Notify>,
}

impl Seat {
    /// Notified when the connection is closed for another one.
    pub fn closed(&self) -> Arc<Notify> {
        self.close.clone()
    }

    /// The connection is busy until the result is dropped.
    pub fn busy(&self) -> Busy {
        if let Some(open) = self.peers.table().open.get_mut(&self.id) {
            open.busy += 1;
        }
        Busy { peers: self.peers.clone(), id: self.id }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.peers.table().remove(self.id);
    }
}

pub struct Busy {
    peers: Arc<Peers>,
    id: u64,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(open) = self.peers.table().open.get_mut(&self.id) {
            open.busy -= 1;
            open.since = Instant::now();
        }
    }
}
