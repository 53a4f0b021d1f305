//! The course's protocol: `L name` to come in, `C name text` to speak, `Q name` to leave.
//!
//! The room answers a login by `OK` or by a reason, and a farewell by `EXIT`, at which the client's reader ends.

use super::{Name, Text, Wrong};

/// One request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datagram {
    /// `L name`: let me in.
    Login {
        /// The name to be.
        name: Name,
        /// What stands behind it: a password for a reserved name.
        rest: Option<String>,
    },
    /// `C name text`
    Chat {
        /// Who says so.
        name: Name,
        /// What.
        text: Text,
    },
    /// `Q name`: let me out.
    Quit {
        /// Who leaves.
        name: Name,
    },
}

impl Datagram {
    /// The answer to a login that is granted.
    pub const OK: &str = "OK";
    /// What ends a client's reader.
    pub const EXIT: &str = "EXIT";

    /// Reads a datagram.
    ///
    /// # Errors
    /// What is wrong with it: nothing that anybody sends can do more.
    pub fn read(bytes: &[u8]) -> Result<Self, Wrong> {
        let line = str::from_utf8(bytes).map_err(|_| Wrong::Utf8)?.trim();
        let (verb, rest) = line.split_once(char::is_whitespace).ok_or(Wrong::Grammar)?;
        match verb {
            "L" => login(rest),
            "C" => {
                let (name, text) =
                    rest.trim_start().split_once(char::is_whitespace).ok_or(Wrong::TextEmpty)?;
                Ok(Self::Chat { name: Name::any(name)?, text: Text::new(text)? })
            }
            "Q" => Ok(Self::Quit { name: Name::any(rest)? }),
            _ => Err(Wrong::Grammar),
        }
    }
}

/// A name with a blank in it could never be told from its text: only the reserved one has something behind it.
fn login(rest: &str) -> Result<Datagram, Wrong> {
    let rest = rest.trim();
    match rest.split_once(char::is_whitespace) {
        Some((name, token)) if name == super::ADMIN => {
            Ok(Datagram::Login { name: Name::admin(), rest: Some(token.trim().to_owned()) })
        }
        Some(_) => Err(Wrong::NameCharacter),
        None => Ok(Datagram::Login { name: Name::new(rest)?, rest: None }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Datagram, Wrong> {
        Datagram::read(text.as_bytes())
    }

    fn name(text: &str) -> Name {
        Name::any(text).expect("a name")
    }

    #[test]
    fn the_courses_requests_are_read() {
        assert_eq!(read("L 张三"), Ok(Datagram::Login { name: name("张三"), rest: None }));
        let text = Text::new("大家 好").expect("a text");
        assert_eq!(read("C 张三 大家 好\n"), Ok(Datagram::Chat { name: name("张三"), text }));
        assert_eq!(read("Q 张三"), Ok(Datagram::Quit { name: name("张三") }));
        let token = Some("secret word".to_owned());
        assert_eq!(read("L 管理员 secret word"), Ok(Datagram::Login { name: Name::admin(), rest: token }));
    }

    #[test]
    fn what_breaks_the_courses_server_is_an_answer_here() {
        for text in ["", "L", "C", "Q", "l bob", "X bob", "hello", "LOGIN bob"] {
            assert_eq!(read(text), Err(Wrong::Grammar), "{text:?}");
        }
        assert_eq!(read("L a b"), Err(Wrong::NameCharacter));
        assert_eq!(read("L 管理员"), Err(Wrong::NameReserved));
        assert_eq!(read("C bob"), Err(Wrong::TextEmpty));
        assert_eq!(read("C bob  "), Err(Wrong::TextEmpty));
        assert_eq!(Datagram::read(b"C bob \xe5\xa5"), Err(Wrong::Utf8));
        assert_eq!(Datagram::read(&[0xff; 3]), Err(Wrong::Utf8));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_request_or_a_reason(bytes in any::<Vec<u8>>(), verb in "[LCQ] ", rest in any::<String>()) {
            let _ = Datagram::read(&bytes);
            let _ = Datagram::read((verb + &rest).as_bytes());
        }
    }
}
