//! In which order a listing stands: asked for by the query of its URL, so that links alone can sort it.

use std::cmp::Ordering;

use super::listing::{Entry, Kind};

/// By what, and which way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub key: Key,
    /// Which way round.
    pub direction: Direction,
}

/// What entries are ordered by. Directories stand before files whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The name, without regard to case.
    Name,
    /// The length in bytes.
    Size,
    /// When it was last changed.
    Changed,
}

/// Which way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest, oldest, first.
    Ascending,
    /// The other way round.
    Descending,
}

impl Key {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 3] = [Self::Name, Self::Size, Self::Changed];

    /// Its word in a query.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Size => "size",
            Self::Changed => "date",
        }
    }

    /// The direction in which people look first: names from A, but the largest and the latest.
    const fn first(self) -> Direction {
        match self {
            Self::Name => Direction::Ascending,
            Self::Size | Self::Changed => Direction::Descending,
        }
    }
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }

    const fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }
}

impl Order {
    /// The order that a query asks for, as in `sort=size&order=asc`; what is not understood counts as not said.
    pub fn of_query(query: Option<&str>) -> Self {
        let value = |name: &str| {
            let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let key = Key::ALL.into_iter().find(|key| value("sort") == Some(key.word())).unwrap_or(Key::Name);
        let directions = [Direction::Ascending, Direction::Descending];
        let direction = directions.into_iter().find(|direction| value("order") == Some(direction.word()));
        Self { key, direction: direction.unwrap_or(key.first()) }
    }

    /// The query of the link in the head of a column: what this order becomes by a click there.
    pub fn link(self, column: Key) -> String {
        let direction = if column == self.key { self.direction.reversed() } else { column.first() };
        format!("?sort={}&order={}", column.word(), direction.word())
    }

    /// Puts entries in this order; those that are alike in it stand by name.
    pub fn sort(self, entries: &mut [Entry]) {
        // By name first, each folded once: what follows keeps the order of equals.
        entries.sort_by_cached_key(|entry| {
            (String::from_utf8_lossy(&entry.name).to_lowercase(), entry.name.clone())
        });
        if self == (Self { key: Key::Name, direction: Direction::Descending }) {
            entries.reverse();
        }
        entries.sort_by(|one, other| is_file(one).cmp(&is_file(other)).then(self.compare(one, other)));
    }

    fn compare(self, one: &Entry, other: &Entry) -> Ordering {
        let ascending = match self.key {
            Key::Name => Ordering::Equal,
            Key::Size => one.kind.cmp(&other.kind),
            Key::Changed => one.modified.cmp(&other.modified),
        };
        match self.direction {
            Direction::Ascending => ascending,
            Direction::Descending => ascending.reverse(),
        }
    }
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File(_))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn entry(name: &str, kind: Kind, second: u64) -> Entry {
        let modified = Some(UNIX_EPOCH + Duration::from_secs(second));
        Entry { name: name.into(), kind, modified }
    }

    #[test]
    fn queries_are_orders() {
        let mut entries = vec![
            entry("b", Kind::File(10), 1),
            entry("A", Kind::File(30), 2),
            entry("c", Kind::File(20), 3),
            entry("Ä", Kind::File(20), 0),
            entry("z", Kind::Directory, 9),
            entry("y", Kind::Directory, 8),
        ];
        for (query, expected) in [
            (None, "y z A b c Ä"),
            (Some("sort=name&order=desc"), "z y Ä c b A"),
            (Some("sort=size"), "y z A c Ä b"),
            (Some("x=1&order=asc&sort=size"), "y z b c Ä A"),
            (Some("sort=date"), "z y c A b Ä"),
            (Some("sort=date&order=asc"), "y z Ä b A c"),
            (Some("sort=mood&order=sideways"), "y z A b c Ä"),
        ] {
            let order = Order::of_query(query);
            order.sort(&mut entries);
            let names: Vec<_> = entries.iter().map(|entry| String::from_utf8_lossy(&entry.name)).collect();
            assert_eq!(names.join(" "), expected, "{query:?}");
        }
    }

    #[test]
    fn a_second_click_turns_the_order_round() {
        let order = Order::of_query(None);
        assert_eq!(order.link(Key::Name), "?sort=name&order=desc");
        assert_eq!(order.link(Key::Size), "?sort=size&order=desc");
        let order = Order::of_query(Some(&order.link(Key::Size)[1..]));
        assert_eq!(order.link(Key::Size), "?sort=size&order=asc");
    }
}
