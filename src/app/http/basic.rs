//! The Basic scheme of authentication (RFC 7617): a user and a password in a field of their own.

use base64ct::{Base64, Encoding};

/// `USER:PASSWORD`, as they stand behind `Basic` in an Authorization field.
pub fn credentials(field: &[u8]) -> Option<Vec<u8>> {
    let (scheme, token) = str::from_utf8(field).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| Base64::decode_vec(token.trim()).ok())?
}
