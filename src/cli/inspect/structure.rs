//! `forkd decode --struct`: the bytes of a C structure to values, and back.

use std::process::ExitCode;

use serde_json::json;

use super::out;
use crate::{
    Error, Result,
    protocol::packed::{Format, PackError, Value},
};

/// Prints the values of these bytes, as Python writes them.
///
/// # Errors
/// When the format or the bytes cannot be meant.
pub fn unpack(format: &str, words: &[String], json: bool) -> Result<ExitCode> {
    let layout = layout(format)?;
    let refuse = |cause: &dyn std::fmt::Display| {
        Error::usage(format!("cannot unpack these bytes as {format:?}: {cause}"))
            .remedy(format!("write {} bytes as two hexadecimal digits each", layout.size()))
    };
    let bytes = bytes(&words.concat()).ok_or_else(|| refuse(&"they are no hexadecimal digits"))?;
    let values = layout.unpack(&bytes).map_err(|cause| refuse(&cause))?;
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    if json {
        let letters: String = layout.letters().collect();
        out::document(
            &json!({ "format": format, "size": layout.size(), "letters": letters, "values": texts }),
        )?;
    } else {
        texts.iter().try_for_each(|text| out::line(text))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the bytes of these values.
///
/// # Errors
/// When the format or a value cannot be meant.
pub fn pack(format: &str, words: &[String], json: bool) -> Result<ExitCode> {
    let layout = layout(format)?;
    let refuse = |cause: &dyn std::fmt::Display| {
        Error::usage(format!("cannot pack these values as {format:?}: {cause}"))
            .remedy("forkd decode --struct i4sf --pack 1 asdd 1.25")
    };
    if words.len() != layout.count() {
        return Err(refuse(&PackError::Count { expected: layout.count(), found: words.len() }));
    }
    let value = |(letter, word): (char, &String)| {
        value(letter, word).ok_or_else(|| refuse(&format!("{word:?} does not fit into {letter:?}")))
    };
    let values = layout.letters().zip(words).map(value).collect::<Result<Vec<_>>>()?;
    let bytes = layout.pack(&values).map_err(|cause| refuse(&cause))?;
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if json {
        out::document(&json!({ "format": format, "size": bytes.len(), "hex": hex.concat() }))?;
    } else {
        out::line(&hex.join(" "))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn layout(format: &str) -> Result<Format> {
    format.parse().map_err(|cause: PackError| {
        Error::usage(format!("cannot read the format {format:?}: {cause}"))
            .remedy("write it as Python's struct does: i4sf, !ci")
    })
}

/// The bytes of hexadecimal digits, with blanks, `0x` and `\x` between them or not.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.replace("0x", "").replace("\\x", "");
    let digits: Vec<_> = digits.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |c: char| c.to_digit(16);
    let byte = |pair: &[char; 2]| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8);
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

/// The value of a word, by the letter that it is for.
fn value(letter: char, word: &str) -> Option<Value> {
    match letter {
        'c' | 's' => Some(Value::Bytes(word.as_bytes().to_vec())),
        'f' | 'd' => word.parse().ok().map(Value::Float),
        '?' => match word {
            "True" | "true" | "1" => Some(Value::Bool(true)),
            "False" | "false" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => word.parse().map(Value::Signed).or_else(|_| word.parse().map(Value::Unsigned)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_the_spellings_in_which_they_are_printed() {
        for text in ["0100", "01 00", "0x01 0x00", "\\x01\\x00", "01:00"] {
            assert_eq!(bytes(text), Some(vec![1, 0]), "{text}");
        }
        assert_eq!((bytes("0"), bytes("zz"), bytes("")), (None, None, Some(vec![])));
    }

    #[test]
    fn words_become_the_values_of_their_letters() {
        assert_eq!(value('i', "-1"), Some(Value::Signed(-1)));
        assert_eq!(value('Q', "18446744073709551615"), Some(Value::Unsigned(u64::MAX)));
        assert_eq!(value('?', "True"), Some(Value::Bool(true)));
        assert_eq!((value('i', "one"), value('f', "x")), (None, None));
    }
}
