//! Packed structures, held against what Python's `struct` module says.

use proptest::prelude::*;

use super::*;

fn format(text: &str) -> Format {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bytes(text: &[u8]) -> Value {
    Value::Bytes(text.to_vec())
}

#[test]
#[cfg(all(target_endian = "little", target_pointer_width = "64"))]
fn sizes_are_those_of_c() {
    // As `python3 -c 'import struct; print(struct.calcsize(…))'` has them on x86-64.
    let table = [
        ("", 0),
        ("i4sf", 12),
        ("ci", 8),
        ("!ci", 5),
        ("=ci", 5),
        ("@ci", 8),
        ("ic", 5),
        ("ic0i", 8),
        ("llh0l", 24),
        ("<llh", 10),
        ("cq", 16),
        ("3xh", 6),
        ("2c2h?d", 16),
        ("b 3s i", 8),
        ("10s", 10),
        ("0s", 0),
        ("0c", 0),
        ("nN", 16),
        ("bHiLqfd", 40),
        ("!bHiLqfd", 31),
    ];
    for (text, size) in table {
        assert_eq!(format(text).size(), size, "{text}");
    }
}

#[test]
fn the_structure_of_the_notes() {
    let notes = format("<i4sf");
    let packed = notes.pack(&[Value::Signed(1), bytes(b"asdd"), Value::Float(1.25)]).unwrap();
    assert_eq!(packed, b"\x01\0\0\0asdd\0\0\xa0?");
    assert_eq!(notes.unpack(&packed).unwrap(), [Value::Signed(1), bytes(b"asdd"), Value::Float(1.25)]);
    let network = format("!i4sf").pack(&[Value::Signed(1), bytes(b"asdd"), Value::Float(1.25)]).unwrap();
    assert_eq!(network, b"\0\0\0\x01asdd?\xa0\0\0");
}

#[test]
fn text_is_cut_and_padded() {
    let four = format("4s");
    assert_eq!(four.pack(&[bytes(b"ab")]).unwrap(), b"ab\0\0");
    assert_eq!(four.pack(&[bytes(b"abcdef")]).unwrap(), b"abcd");
    assert_eq!(four.unpack(b"ab\0\0").unwrap(), [bytes(b"ab\0\0")]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let refuse = |text: &str, value: Value| {
        let letter = text.chars().last().unwrap();
        let error = format(text).pack(std::slice::from_ref(&value)).unwrap_err();
        assert_eq!(error, PackError::Value { letter, value });
    };
    refuse("!b", Value::Signed(128));
    refuse("!b", Value::Signed(-129));
    refuse("!B", Value::Signed(-1));
    refuse("!H", Value::Unsigned(65_536));
    refuse("!i", Value::Signed(1 << 31));
    refuse("!q", Value::Unsigned(1 << 63));
    refuse("!f", Value::Float(1e300));
    refuse("!c", bytes(b"ab"));
    refuse("!s", Value::Signed(1));
    assert_eq!(format("!2i").pack(&[Value::Signed(1)]), Err(PackError::Count { expected: 2, found: 1 }));
    assert_eq!(format("!i").unpack(b"abc"), Err(PackError::Length { expected: 4, found: 3 }));
}

#[test]
fn what_is_no_format_is_an_error() {
    for (text, error) in [
        ("z", PackError::Letter('z')),
        ("i!", PackError::Letter('!')),
        ("!n", PackError::Letter('n')),
        ("3", PackError::LoneNumber),
        ("3 i", PackError::Letter(' ')),
        ("99999999999999999999999s", PackError::TooLong),
        ("9999999x9999999x", PackError::TooLong),
        ("1048577c", PackError::TooLong),
        ("é", PackError::Letter('é')),
    ] {
        assert_eq!(text.parse::<Format>(), Err(error), "{text}");
    }
}

#[test]
fn values_are_written_as_python_writes_them() {
    let all = [bytes(b"a'\\\n\0\xd3~"), Value::Float(1.0), Value::Bool(true), Value::Signed(-3)];
    let text: Vec<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!(text, [r"b'a\'\\\n\x00\xd3~'", "1.0", "True", "-3"]);
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_again(
        small in any::<i8>(), int in any::<i32>(), long in any::<i64>(), big in any::<u64>(),
        float in any::<f32>().prop_filter("a number", |float| !float.is_nan()), text in any::<[u8; 5]>(), bit in any::<bool>(),
    ) {
        let values = [
            Value::Signed(small.into()), Value::Signed(int.into()), Value::Signed(long), Value::Unsigned(big),
            Value::Float(float.into()), Value::Bytes(text.to_vec()), Value::Bool(bit),
        ];
        for order in ["", "@", "=", "<", ">", "!"] {
            let format = format(&format!("{order}biqQf5s?"));
            prop_assert_eq!(&format.unpack(&format.pack(&values).unwrap()).unwrap()[..], &values[..]);
        }
    }

    #[test]
    fn no_format_makes_it_panic(text in "[@=<>!]?[0-9xcbBhHiIlLqQnNfds? ]{0,12}") {
        if let Ok(format) = text.parse::<Format>() {
            let zeros = vec![0; format.size()];
            let values = format.unpack(&zeros).unwrap();
            prop_assert_eq!(format.pack(&values).unwrap(), zeros);
        }
    }
}
