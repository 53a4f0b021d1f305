//! Lives, told to a table and answered from a list.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::*;

/// What /proc would say: the state, the parent and the name of each process.
#[derive(Debug, Clone, Default)]
struct World(Rc<RefCell<BTreeMap<i32, Entry>>>);

type Entry = (char, i32, String);

impl World {
    fn set(&self, pid: i32, state: char, ppid: i32, comm: &str) {
        self.0.borrow_mut().insert(pid, (state, ppid, comm.into()));
    }

    fn remove(&self, pid: i32) {
        self.0.borrow_mut().remove(&pid);
    }

    fn all(&self) -> Vec<Process> {
        self.0.borrow().keys().filter_map(|pid| self.process(*pid)).collect()
    }

    fn watching(&self, root: Option<i32>) -> Table<Self> {
        let mut table = Table::new(root, self.clone());
        table.begin_with(self.all().iter());
        table
    }
}

impl Look for World {
    fn process(&self, pid: i32) -> Option<Process> {
        let world = self.0.borrow();
        let (state, ppid, comm) = world.get(&pid)?;
        // The fields of proc_pid_stat(5); the status of a zombie is 768, and this user may know it.
        let line = format!(
            "{pid} ({comm}) {state} {ppid} 1 1 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 {pid} 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 17 \
             0 0 0 0 0 0 0 0 0 0 0 0 0 768"
        );
        Process::parse(line.as_bytes())
    }

    fn title(&self, pid: i32) -> Option<String> {
        self.process(pid).map(|process| format!("{} --flag", process.comm))
    }

    fn program(&self, pid: i32) -> Option<String> {
        // Processes with one first letter run one program.
        self.process(pid).map(|process| format!("/bin/{}", &process.comm[..1]))
    }

    fn ignores_children(&self, pid: i32) -> bool {
        self.process(pid).is_some_and(|process| process.comm == "careless")
    }
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn named(pid: i32, comm: &str) -> Named {
    Named { pid, comm: Some(comm.into()) }
}

/// The news as pid and event.
fn events<L: Look>(table: &mut Table<L>) -> Vec<(i32, Event)> {
    table.take_news().into_iter().map(|news| (news.process.pid, news.event)).collect()
}

#[test]
fn a_whole_life_is_told() {
    let world = World::default();
    world.set(10, 'S', 1, "sh");
    let mut table = world.watching(Some(10));
    world.set(11, 'R', 10, "sleep");
    table.forked(at(5), 10, 11);
    table.executed(at(6), 11);
    world.set(11, 'Z', 10, "sleep");
    table.ended(at(25), 11, Some(ExitStatus::Exited(2)));
    assert!(table.is_zombie(11));
    world.remove(11);
    table.reaped(at(32), 11, None);
    let (lived, after) = (Some(std::time::Duration::from_millis(20)), std::time::Duration::from_millis(7));
    assert_eq!(
        events(&mut table),
        [
            (11, Event::Fork { parent: named(10, "sh") }),
            (11, Event::Exec { title: Some("sleep --flag".into()) }),
            (11, Event::Exit { status: Some(ExitStatus::Exited(2)), lived }),
            (11, Event::Reaped { by: Reaper::Parent(named(10, "sh")), after, status: None }),
        ]
    );
    assert!(!table.knows(11));
}

#[test]
fn a_forked_child_has_its_parents_name_until_it_executes() {
    let world = World::default();
    world.set(10, 'S', 1, "sh");
    let mut table = world.watching(Some(10));
    // It is quicker than the watcher.
    world.set(11, 'R', 10, "sleep");
    table.forked(at(5), 10, 11);
    table.executed(at(6), 11);
    let names: Vec<_> = table.take_news().into_iter().map(|news| news.process.comm.unwrap()).collect();
    assert_eq!(names, ["sh", "sleep"]);
}

#[test]
fn the_children_of_one_that_ended_are_adopted() {
    let world = World::default();
    world.set(1, 'S', 0, "init");
    world.set(10, 'S', 1, "sh");
    world.set(11, 'S', 10, "left");
    let mut table = world.watching(Some(10));
    world.set(10, 'Z', 1, "sh");
    world.set(11, 'S', 1, "left");
    table.ended(at(5), 10, None);
    let told = events(&mut table);
    // Its status is read from the zombie, for nobody told it.
    assert_eq!(told[0], (10, Event::Exit { status: Some(ExitStatus::Exited(3)), lived: None }));
    assert_eq!(told[1], (11, Event::Adopted { parent: named(10, "sh"), by: named(1, "init") }));
    world.remove(11);
    table.reaped(at(9), 11, None);
    let last = events(&mut table).pop().unwrap();
    assert!(matches!(last.1, Event::Reaped { by: Reaper::Parent(by), .. } if by == named(1, "init")));
}

#[test]
fn one_that_is_reaped_with_its_parent_gone_was_reaped_by_its_adopter() {
    let world = World::default();
    world.set(10, 'S', 1, "sh");
    world.set(11, 'S', 10, "sleep");
    let mut table = world.watching(Some(10));
    world.remove(11);
    table.ended(at(5), 10, None);
    table.reaped(at(6), 11, None);
    let last = events(&mut table).pop().unwrap();
    assert!(matches!(last, (11, Event::Reaped { by: Reaper::Adopter, .. })));
}

#[test]
fn the_kernel_reaps_for_a_parent_that_ignores_sigchld() {
    let world = World::default();
    world.set(10, 'S', 1, "careless");
    world.set(11, 'S', 10, "sleep");
    let mut table = world.watching(None);
    world.remove(11);
    table.reaped(at(5), 11, Some(ExitStatus::Exited(0)));
    let told = events(&mut table);
    assert!(matches!(&told[1].1, Event::Reaped { by: Reaper::Kernel(by), .. } if by.pid == 10));
}

#[test]
fn who_is_not_below_the_root_is_not_watched() {
    let world = World::default();
    world.set(10, 'S', 1, "sh");
    world.set(20, 'S', 1, "other");
    // A child with a smaller number than its parent: the numbers have begun anew.
    world.set(5, 'S', 10, "young");
    let mut table = world.watching(Some(10));
    table.forked(at(5), 20, 21);
    table.executed(at(6), 20);
    table.ended(at(6), 20, None);
    assert_eq!(events(&mut table), []);
    assert_eq!(table.pids().collect::<Vec<_>>(), [5, 10]);
}

#[test]
fn walks_find_who_came_and_who_went() {
    let world = World::default();
    world.set(10, 'S', 1, "sh");
    world.set(11, 'S', 10, "old");
    let mut table = world.watching(Some(10));
    world.remove(11);
    world.set(12, 'S', 10, "sh");
    world.set(13, 'S', 12, "tail");
    table.compare(at(50), world.all().iter(), |_| false);
    let told = events(&mut table);
    assert!(matches!(told[0], (11, Event::Exit { status: None, .. })));
    assert!(matches!(told[1], (11, Event::Reaped { .. })));
    assert_eq!(told[2], (12, Event::Fork { parent: named(10, "sh") }));
    assert_eq!(told[3], (13, Event::Fork { parent: named(12, "sh") }));
    assert_eq!(told[4], (13, Event::Exec { title: Some("tail --flag".into()) }));
    assert_eq!(told.len(), 5);
    // A zombie without a descriptor, and a new name for the same program.
    world.set(13, 'Z', 12, "tail");
    world.set(12, 'S', 10, "sh2");
    table.compare(at(100), world.all().iter(), |_| false);
    let lived = Some(std::time::Duration::from_millis(50));
    let exit = Event::Exit { status: Some(ExitStatus::Exited(3)), lived };
    assert_eq!(events(&mut table), [(13, exit)]);
    // Who is held by a descriptor is left to that.
    world.remove(12);
    table.compare(at(150), world.all().iter(), |pid| pid == 12);
    assert!(table.knows(12));
}
