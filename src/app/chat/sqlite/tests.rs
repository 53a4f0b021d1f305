//! The verbs, by several workers at once: each has a connection of its own to one file.

use std::{collections::BTreeMap, net::SocketAddr};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    app::chat::store::{Door, What},
    protocol::chat::{Name, Text},
};

/// A room and its workers, which may die.
struct House {
    folder: TempDir,
    workers: Vec<Sqlite>,
}

const PATIENCE: Patience =
    Patience { away: Duration::ZERO, silence: Duration::from_secs(3600), lines: 1_000_000 };

impl House {
    fn new(workers: u32) -> Self {
        let mut house = Self { folder: tempfile::tempdir().expect("a folder"), workers: Vec::new() };
        (1..=workers).for_each(|slot| house.hire(slot));
        house
    }

    fn hire(&mut self, slot: u32) {
        let via = Via { slot, pid: 1000 + slot };
        let worker = Sqlite::open(&self.folder.path().join("room"), Keeping::UntilStop, via);
        self.workers.push(worker.expect("a store"));
    }

    /// A worker is killed, and its slot filled again.
    fn replace(&mut self, number: usize) {
        let slot = self.workers[number].run.via.slot;
        drop(self.workers.remove(number));
        self.hire(slot);
        let last = self.workers.len() - 1;
        self.workers.swap(number, last);
    }

    fn history(&mut self) -> Vec<Line> {
        self.workers[0].news(0, u32::MAX).expect("lines")
    }
}

fn guest(name: &str, door: Door) -> Guest {
    let pass = match door {
        Door::Browser => Some(Pass::Secret { member: 0, secret: format!("secret of {name}") }),
        Door::Datagrams => Some(Pass::Address(address(name))),
        Door::Lines | Door::Admin => None,
    };
    Guest { name: Name::new(name).expect("a name"), door, pass }
}

/// One for each name.
fn address(name: &str) -> SocketAddr {
    let port = name.bytes().fold(1024, |port: u16, byte| port.wrapping_mul(31).wrapping_add(byte.into()));
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn speech(text: &str) -> Speech {
    Speech { text: Text::new(text).expect("a text"), to: None, ticket: None }
}

#[test]
fn a_name_is_one_members_at_every_worker() {
    let mut house = House::new(2);
    let bob = house.workers[0].join(&guest("Bob", Door::Lines)).expect("let in");
    let again = house.workers[1].join(&guest("bOB", Door::Browser));
    assert_eq!(again.map(drop), Err(Refusal::Taken(Name::new("bOB").unwrap())));
    assert_eq!(house.workers[1].present().expect("members"), std::slice::from_ref(&bob));
    assert_eq!(house.workers[1].leave(bob.id), Ok(true));
    assert_eq!(house.workers[0].leave(bob.id), Ok(false));
    assert_eq!(house.workers[0].say(&Speaker::Member(bob.id), &[speech("hi")], None), Err(Refusal::Stranger));
    house.workers[1].join(&guest("bob", Door::Lines)).expect("let in");
}

#[test]
fn a_ticket_is_said_once_and_a_batch_wholly_or_not_at_all() {
    let mut house = House::new(2);
    let bob = Speaker::Member(house.workers[0].join(&guest("bob", Door::Browser)).expect("let in").id);
    let once = Speech { ticket: Some("1".into()), ..speech("once") };
    let number = house.workers[0].say(&bob, std::slice::from_ref(&once), None).expect("said").last;
    assert_eq!(house.workers[1].say(&bob, &[once], None).map(|said| said.last), Ok(number));
    let nobody = Name::new("nobody").unwrap();
    let lost = Speech { to: Some(nobody.clone()), ..speech("psst") };
    assert_eq!(house.workers[1].say(&bob, &[speech("first"), lost], None), Err(Refusal::Nobody(nobody)));
    let said: Vec<_> = house.history().into_iter().map(|line| line.what).collect();
    assert_eq!(said, [What::Joined, What::Said("once".into())]);
}

#[test]
fn what_is_whispered_is_for_two() {
    let mut house = House::new(1);
    let [a, b, c] =
        ["a", "b", "c"].map(|name| house.workers[0].join(&guest(name, Door::Lines)).expect("let in").id);
    let whisper = Speech { to: Some(Name::new("B").unwrap()), ..speech("psst") };
    house.workers[0].say(&Speaker::Member(a), &[whisper], None).expect("said");
    let line = house.history().pop().expect("a line");
    assert_eq!([a, b, c].map(|member| line.is_for(member)), [true, true, false]);
}

#[test]
fn whom_a_dead_worker_leaves_behind_is_looked_after_by_another() {
    let mut house = House::new(2);
    let names = [("lines", Door::Lines), ("page", Door::Browser), ("letters", Door::Datagrams)];
    let members = names.map(|(name, door)| house.workers[1].join(&guest(name, door)).expect("let in"));
    house.workers[1].connect(members[1].id).expect("connected");
    assert!(house.workers[0].keep(&PATIENCE).expect("kept").keeper);
    assert!(!house.workers[1].keep(&PATIENCE).expect("kept").keeper);
    assert_eq!(house.workers[0].present().expect("members").len(), 3);
    drop(house.workers.pop());
    // The name of one who was connected to it is free at once, looked after or not.
    let next = house.workers[0].join(&guest("lines", Door::Lines)).expect("let in");
    // A page has a while to come back, and none here.
    house.workers[0].keep(&PATIENCE).expect("kept");
    house.workers[0].keep(&PATIENCE).expect("kept");
    let present: Vec<_> =
        house.workers[0].present().expect("members").iter().map(|member| member.id).collect();
    assert_eq!(present, [members[2].id, next.id]);
}

#[test]
fn the_keeper_is_followed_by_another_when_it_dies() {
    let mut house = House::new(3);
    let keepers = |house: &mut House| {
        house
            .workers
            .iter_mut()
            .map(|worker| worker.keep(&PATIENCE).expect("kept").keeper)
            .collect::<Vec<_>>()
    };
    assert_eq!(keepers(&mut house), [true, false, false]);
    house.replace(0);
    assert_eq!(keepers(&mut house).iter().filter(|keeper| **keeper).count(), 1);
    house.workers[1].posted(Some(17)).expect("noted");
    assert_eq!(house.workers[2].posted(None), Ok(17));
}

#[test]
fn a_page_that_comes_back_elsewhere_is_not_away() {
    let mut house = House::new(2);
    let page = house.workers[0].join(&guest("page", Door::Browser)).expect("let in").id;
    let first = house.workers[0].connect(page).expect("connected");
    let second = house.workers[1].connect(page).expect("connected");
    // The end of the first connection is noticed late.
    house.workers[0].disconnect(page, first).expect("noted");
    assert_eq!(house.workers[0].keep(&PATIENCE).map(|kept| kept.again), Ok(None));
    assert_eq!(house.workers[0].present().expect("members")[0].via.slot, 2);
    house.workers[1].disconnect(page, second).expect("noted");
    house.workers[0].keep(&PATIENCE).expect("kept");
    assert_eq!(house.workers[0].present(), Ok(vec![]));
}

#[test]
fn a_silent_member_by_datagram_is_let_go_with_a_word() {
    let mut house = House::new(1);
    house.workers[0].join(&guest("letters", Door::Datagrams)).expect("let in");
    let calm = house.workers[0].keep(&PATIENCE).expect("kept");
    assert!(calm.silent.is_empty() && calm.again.expect("a moment") > Duration::from_secs(3000));
    let strict = Patience { silence: Duration::ZERO, ..PATIENCE };
    let kept = house.workers[0].keep(&strict).expect("kept");
    assert_eq!((kept.silent, kept.told), (vec![address("letters")], true));
    assert_eq!(house.workers[0].find(&Pass::Address(address("letters"))), Ok(None));
}

#[test]
fn old_lines_are_thrown_away_some_time() {
    let mut house = House::new(1);
    let short = Patience { lines: 10, ..PATIENCE };
    let many: Vec<_> = (0..2000).map(|number| speech(&number.to_string())).collect();
    house.workers[0].say(&Speaker::Admin, &many, None).expect("said");
    house.workers[0].keep(&short).expect("kept");
    let left: Vec<_> = house.history().iter().map(|line| line.number).collect();
    assert_eq!(left, (1991..=2000).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_no_store_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("poem");
    fs::write(&path, "a poem, and no database at all").expect("written");
    let error = Sqlite::open(&path, Keeping::ForGood, Via { slot: 1, pid: 1 }).expect_err("no store");
    assert!(error.to_string().contains("not a database"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("read"), "a poem, and no database at all");
}

/// What may happen in a room.
#[derive(Debug, Clone)]
enum Act {
    Join(usize, u8),
    Say(usize, u8, u8),
    Leave(usize, u8),
    Die(usize),
    Keep(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let worker = 0..3usize;
    prop_oneof![
        3 => (worker.clone(), 0..6u8).prop_map(|(worker, name)| Act::Join(worker, name)),
        6 => (worker.clone(), 0..6u8, 1..4u8).prop_map(|(worker, name, count)| Act::Say(worker, name, count)),
        1 => (worker.clone(), 0..6u8).prop_map(|(worker, name)| Act::Leave(worker, name)),
        1 => worker.clone().prop_map(Act::Die),
        1 => worker.prop_map(Act::Keep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens: one order for all, no gap, no line twice, nobody speaks who is not here, one member a name.
    #[test]
    fn everybody_sees_one_order_whatever_happens(acts in proptest::collection::vec(act(), 1..60)) {
        let mut house = House::new(3);
        let (mut ids, mut said) = (BTreeMap::new(), Vec::new());
        for act in acts {
            match act {
                Act::Join(worker, name) => {
                    if let Ok(member) = house.workers[worker].join(&guest(&format!("n{name}"), Door::Browser)) {
                        ids.insert(name, member.id);
                    }
                }
                Act::Say(worker, name, count) => {
                    let id = ids.get(&name).copied().unwrap_or(u64::MAX);
                    let texts: Vec<_> = (0..count).map(|number| format!("{}-{number}", said.len())).collect();
                    let speeches: Vec<_> = texts.iter().map(|text| speech(text)).collect();
                    if let Ok(Said { last: number, .. }) = house.workers[worker].say(&Speaker::Member(id), &speeches, None) {
                        prop_assert_eq!(house.workers[worker].last(), Ok(number));
                        said.extend(texts);
                    }
                }
                Act::Leave(worker, name) => {
                    if let Some(id) = ids.remove(&name) {
                        house.workers[worker].leave(id).expect("left");
                    }
                }
                Act::Die(worker) => house.replace(worker),
                Act::Keep(worker) => {
                    house.workers[worker].keep(&PATIENCE).expect("kept");
                }
            }
        }
        let history = house.history();
        for worker in &mut house.workers {
            prop_assert_eq!(&worker.news(0, u32::MAX).expect("lines"), &history);
        }
        prop_assert!(history.iter().zip(1..).all(|(line, number)| line.number == number));
        let heard: Vec<_> = history.iter().filter_map(|line| match &line.what {
            What::Said(text) => Some(text.clone()),
            What::Told { .. } | What::Joined | What::Left | What::Moved => None,
        }).collect();
        prop_assert_eq!(heard, said);
        let mut here = BTreeMap::new();
        for line in &history {
            match line.what {
                What::Joined => prop_assert!(here.insert(line.name.key(), line.member).is_none(), "a name twice"),
                What::Left => prop_assert_eq!(here.remove(&line.name.key()), Some(line.member)),
                What::Said(_) | What::Told { .. } | What::Moved => {
                    prop_assert_eq!(here.get(&line.name.key()), Some(&line.member));
                }
            }
        }
        let present = house.workers[0].present().expect("members");
        prop_assert_eq!(present.into_iter().map(|one| (one.name.key(), one.id)).collect::<BTreeMap<_, _>>(), here);
    }
}
