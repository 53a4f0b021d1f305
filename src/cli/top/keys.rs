//! The keys that mean something here.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A letter, a digit or a sign.
    Letter(char),
    /// Enter.
    Enter,
    /// Backspace.
    Backspace,
    /// Escape.
    Escape,
    /// The arrow up.
    Up,
    /// The arrow down.
    Down,
    /// Towards the server before: the arrow to the left, or shift and tab.
    Before,
    /// Towards the server after: the arrow to the right, or tab.
    After,
    /// Control and C.
    Interrupt,
    /// Control and Z.
    Suspend,
    /// Any other.
    Other,
}

const NAMED: &[(KeyCode, Key)] = &[
    (KeyCode::Enter, Key::Enter),
    (KeyCode::Backspace, Key::Backspace),
    (KeyCode::Esc, Key::Escape),
    (KeyCode::Up, Key::Up),
    (KeyCode::Down, Key::Down),
    (KeyCode::Left, Key::Before),
    (KeyCode::BackTab, Key::Before),
    (KeyCode::Right, Key::After),
    (KeyCode::Tab, Key::After),
];

impl Key {
    /// The key of a terminal's event; `None` for one that is let go.
    pub fn of(event: KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        if let KeyCode::Char(letter) = event.code {
            return Some(match (control, letter) {
                (true, 'c') => Self::Interrupt,
                (true, 'z') => Self::Suspend,
                (true, _) => Self::Other,
                (false, letter) => Self::Letter(letter),
            });
        }
        Some(NAMED.iter().find(|(code, _)| *code == event.code).map_or(Self::Other, |(_, key)| *key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_terminal() {
        let of = |code, modifiers| Key::of(KeyEvent::new(code, modifiers));
        assert_eq!(of(KeyCode::Char('q'), KeyModifiers::NONE), Some(Key::Letter('q')));
        assert_eq!(of(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(of(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Key::Before));
        assert_eq!(of(KeyCode::F(1), KeyModifiers::NONE), Some(Key::Other));
        let released = KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::from(KeyCode::Char('q')) };
        assert_eq!(Key::of(released), None);
    }
}
