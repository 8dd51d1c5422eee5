//! All connections of a listener, and who must go when there are too many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Pulse;

/// The connections of one listener, at most so many in all and from one address.
#[derive(Debug)]
pub(crate) struct Crowd {
    max: usize,
    per_address_max: usize,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    next: u64,
    all: HashMap<u64, Member>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Member {
    address: IpAddr,
    pulse: Arc<Pulse>,
    end: CancellationToken,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    /// Cancelled when the place is needed for somebody else.
    pub(crate) end: CancellationToken,
}

impl Crowd {
    pub(crate) fn new(max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            max,
            per_address_max,
            members: Mutex::default(),
        })
    }

    /// A place for a connection from `address`. When there is none, the connection that has owed
    /// something for longest is ended; `None` when every one is at work.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, pulse: &Arc<Pulse>) -> Option<Place> {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let from_there = members.by_address.get(&address).copied().unwrap_or(0);
        if from_there >= self.per_address_max {
            members.end_quietest(Some(address))?;
        } else if members.all.len() >= self.max {
            members.end_quietest(None)?;
        }
        let number = members.next;
        members.next += 1;
        let end = CancellationToken::new();
        let member = Member {
            address,
            pulse: Arc::clone(pulse),
            end: end.clone(),
        };
        members.all.insert(number, member);
        *members.by_address.entry(address).or_default() += 1;
        Some(Place {
            crowd: Arc::clone(self),
            number,
            end,
        })
    }

    /// Ends the connection that has owed something for longest, if there is one.
    pub(crate) fn make_room(&self) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let _ended = members.end_quietest(None);
    }
}

impl Members {
    fn end_quietest(&mut self, of: Option<IpAddr>) -> Option<()> {
        let candidates = self
            .all
            .iter()
            .filter(|(_number, member)| of.is_none_or(|address| address == member.address));
        let quiet = candidates.filter_map(|(number, m)| Some((m.pulse.quiet_for()?, *number)));
        let (_longest, number) = quiet.max()?;
        if let Some(member) = self.remove(number) {
            member.end.cancel();
        }
        Some(())
    }

    fn remove(&mut self, number: u64) -> Option<Member> {
        let member = self.all.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&member.address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&member.address);
            }
        }
        Some(member)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let members = &self.crowd.members;
        let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
        members.remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn pulse() -> Arc<Pulse> {
        // Ages are told apart by milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(3));
        Arc::default()
    }

    #[test]
    fn a_full_crowd_ends_the_quietest_and_never_one_at_work() {
        let crowd = Crowd::new(2, 2);
        let (old, new) = (pulse(), pulse());
        let old_place = crowd.admit(HERE, &old).unwrap();
        let new_place = crowd.admit(HERE, &new).unwrap();
        let busy = old.enter();
        let third = crowd.admit(THERE, &pulse()).unwrap();
        assert!(!old_place.end.is_cancelled() && new_place.end.is_cancelled());
        let fourth = crowd.admit(THERE, &pulse());
        assert!(fourth.is_some() && third.end.is_cancelled());
        drop((busy, old_place, new_place, third, fourth));
        assert_eq!(crowd.members.lock().unwrap().all.len(), 0);
    }

    #[test]
    fn one_address_takes_its_own_places_only() {
        let crowd = Crowd::new(10, 1);
        let elsewhere = crowd.admit(THERE, &pulse()).unwrap();
        let (first, second) = (pulse(), pulse());
        let one = crowd.admit(HERE, &first).unwrap();
        let _two = crowd.admit(HERE, &second).unwrap();
        assert!(one.end.is_cancelled() && !elsewhere.end.is_cancelled());
        let _at_work = second.enter();
        assert!(crowd.admit(HERE, &pulse()).is_none());
    }
}
