//! What people write in a chat room, and the course's datagrams: bytes to values, no room.
//!
//! Names and texts come from strangers and end in pages, logs and terminals. What could do harm there is kept out or
//! made visible here, once, where they become a [`Name`] and a [`Text`].
//!
//! ```
//! use forkd::protocol::chat::{Datagram, Wrong};
//!
//! let Datagram::Chat { name, text } = Datagram::read("C zhang 大家好".as_bytes())? else { panic!() };
//! assert_eq!((name.as_str(), text.as_str()), ("zhang", "大家好"));
//! assert_eq!(Datagram::read(b"L"), Err(Wrong::Grammar));
//! # Ok::<(), Wrong>(())
//! ```

mod datagram;
mod name;
mod text;

pub use self::{
    datagram::Datagram,
    name::{ADMIN, Name},
    text::Text,
};

/// Why something cannot be said, or cannot be somebody's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// It is none of the requests that there are.
    Grammar,
    /// It is not the JSON document that it should be.
    Document,
    /// It is not UTF-8, or was cut within a character.
    Utf8,
    /// A name of nothing.
    NameEmpty,
    /// A name of more than [`Name::LONGEST`] characters.
    NameLong,
    /// A name with a blank, a control character or one that cannot be seen.
    NameCharacter,
    /// A name that looks like the admin's.
    NameReserved,
    /// A text of nothing.
    TextEmpty,
    /// A text of more than [`Text::LONGEST`] bytes.
    TextLong,
}

/// Characters that cannot be seen, or that change how their neighbours are seen: fillers, joiners and the marks that
/// turn the reading direction. Unicode, general category Cf, and what browsers and terminals draw as nothing.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
