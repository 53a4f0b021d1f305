//! Files of a real directory, changed in every way between two rounds.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::*;

/// A directory with a file whose times are settled, and what serves it.
struct Bench {
    directory: TempDir,
    root: Root,
    cache: Cache,
    round: u64,
}

impl Bench {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        Self { directory, root, cache: Cache::new(), round: 0 }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, and waits until it may be kept: until the clock of its file system has moved on.
    fn write(&self, name: &str, content: &[u8]) {
        fs::write(self.path(name), content).unwrap();
        settle(&self.path(name));
    }

    /// What is kept under this name in the next round, or in the same one.
    fn kept(&mut self, name: &str) -> Option<Rc<SiteFile>> {
        self.round += 1;
        self.kept_still(name)
    }

    fn kept_still(&self, name: &str) -> Option<Rc<SiteFile>> {
        self.cache.get(&self.root, name.as_bytes(), Time::from_millis(self.round))
    }

    fn find(&mut self, name: &str) -> Result<Asset, Absent> {
        self.round += 1;
        self.cache.find(&self.root, name.as_bytes(), Time::from_millis(self.round))
    }

    fn file(&mut self, name: &str) -> Rc<SiteFile> {
        match self.find(name) {
            Ok(Asset::File(file)) => file,
            other => panic!("{name} is no file: {other:?}"),
        }
    }
}

/// Nobody can set the time of a file's last change: it has to become long enough ago.
fn settle(path: &Path) {
    let identity = Identity::of(&fs::metadata(path).unwrap());
    while !is_settled(&identity) {
        std::thread::sleep(SETTLED / 10);
    }
}

#[test]
fn a_small_file_is_kept_with_its_content_and_a_large_one_with_its_descriptor() {
    let mut bench = Bench::new();
    bench.write("small", b"tea");
    bench.write("large", &[b'x'; 20_000]);
    assert_eq!(bench.file("small").in_memory(), Some(&b"tea"[..]));
    assert_eq!(bench.file("large").in_memory(), None);
    assert!(bench.kept("small").is_some() && bench.kept("large").is_some());
    assert!(bench.kept("none").is_none());
    let shelf = &bench.cache.shelves.borrow().young;
    assert_eq!((shelf.entries.len(), shelf.descriptors, shelf.bytes), (2, 1, 3));
}

#[test]
fn a_file_that_was_changed_just_now_is_not_kept() {
    let mut bench = Bench::new();
    fs::write(bench.path("a"), b"one").unwrap();
    let fresh = Identity::of(&fs::metadata(bench.path("a")).unwrap());
    bench.file("a");
    // Unless the machine slept meanwhile.
    assert!(bench.kept("a").is_none() || is_settled(&fresh));
    // A time to come is as little settled as one just now, and one before 1970 is none.
    let future = SystemTime::now() + Duration::from_secs(3600);
    let changed = future.duration_since(UNIX_EPOCH).unwrap();
    assert!(!is_settled(&Identity { changed, ..fresh }));
    assert!(!is_settled(&Identity { changed: Duration::MAX, ..fresh }));
}

#[test]
fn whatever_changes_a_file_is_seen_in_the_next_round() {
    let mut bench = Bench::new();
    type Change = fn(&Path);
    let changes: [(&str, Change); 6] = [
        ("written in the same length", |path| fs::write(path, b"two").unwrap()),
        ("longer", |path| fs::write(path, b"three").unwrap()),
        ("shorter", |path| fs::File::options().write(true).open(path).unwrap().set_len(1).unwrap()),
        ("replaced by renaming", |path| {
            fs::write(path.with_extension("new"), b"two").unwrap();
            fs::rename(path.with_extension("new"), path).unwrap();
        }),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("not to be read any more", |path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }),
    ];
    for (what, change) in changes {
        let _ = fs::remove_file(bench.path("a"));
        bench.write("a", b"one");
        bench.file("a");
        assert!(bench.kept("a").is_some(), "{what}");
        change(&bench.path("a"));
        // What was true at the beginning of a round is true to its end.
        assert!(bench.kept_still("a").is_some(), "{what}");
        assert!(bench.kept("a").is_none(), "{what}");
    }
}

#[test]
fn a_link_that_leads_elsewhere_is_followed_anew() {
    let mut bench = Bench::new();
    for release in ["1", "2"] {
        fs::create_dir(bench.path(release)).unwrap();
        bench.write(&format!("{release}/a"), release.as_bytes());
    }
    symlink("1", bench.path("current")).unwrap();
    assert_eq!(bench.file("current/a").in_memory(), Some(&b"1"[..]));
    symlink("2", bench.path("next")).unwrap();
    fs::rename(bench.path("next"), bench.path("current")).unwrap();
    assert_eq!(bench.file("current/a").in_memory(), Some(&b"2"[..]));
}

#[test]
fn a_way_that_leads_out_later_gives_nothing_from_outside() {
    let mut bench = Bench::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a"), b"secret").unwrap();
    fs::create_dir(bench.path("sub")).unwrap();
    bench.write("sub/a", b"ours");
    bench.file("sub/a");
    fs::rename(bench.path("sub"), bench.path("was")).unwrap();
    symlink(outside.path(), bench.path("sub")).unwrap();
    assert!(bench.kept("sub/a").is_none());
    assert!(matches!(bench.find("sub/a"), Err(Absent::NotFound)));
}

#[test]
fn how_much_is_kept_is_bounded_and_whoever_is_asked_for_stays() {
    let mut bench = Bench::new();
    bench.write("hot", b"hot");
    bench.file("hot");
    bench.cache.shelves.borrow_mut().descriptors = 2;
    for number in 0..9 {
        fs::write(bench.path(&number.to_string()), [b'x'; 20_000]).unwrap();
    }
    settle(&bench.path("8"));
    for number in 0..9 {
        bench.file(&number.to_string());
        assert!(bench.kept("hot").is_some(), "{number}");
        let shelves = bench.cache.shelves.borrow();
        assert!(shelves.young.descriptors <= 2 && shelves.old.descriptors <= 2);
    }
    assert!(bench.kept("0").is_none() && bench.kept("8").is_some());
    bench.cache.shelves.borrow_mut().descriptors = 0;
    bench.cache.clear();
    bench.file("8");
    assert!(bench.kept("8").is_none());
}
