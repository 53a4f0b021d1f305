//! The digests of the blocks of a run.

use sha2::{Digest as _, Sha256};

use crate::{
    protocol::transfer::{BLOCK, Digest},
    sys::sha256::{LANES, sixteen},
};

/// From how many whole blocks on it pays to make sixteen digests at once, some of them for nothing.
const WORTH_IT: usize = 4;

/// The SHA-256 of each block; the last one may be shorter.
pub fn digests(bytes: &[u8]) -> Vec<Digest> {
    let mut found = Vec::with_capacity(bytes.len().div_ceil(BLOCK));
    for run in bytes.chunks(LANES * BLOCK) {
        let (whole, rest) = run.as_chunks::<BLOCK>();
        match together(whole) {
            Some(digests) => found.extend_from_slice(&digests[..whole.len()]),
            None => found.extend(whole.iter().map(|block| digest(block))),
        }
        if !rest.is_empty() {
            found.push(digest(rest));
        }
    }
    found
}

/// The SHA-256 of all the bytes.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn together(whole: &[[u8; BLOCK]]) -> Option<[Digest; LANES]> {
    // Compiled without optimisation, ours is slow and the crate's is not.
    if whole.len() < WORTH_IT || cfg!(debug_assertions) {
        return None;
    }
    // The first block stands in where there are fewer than sixteen.
    let lanes = std::array::from_fn(|lane| whole.get(lane).unwrap_or(&whole[0]).as_slice());
    sixteen(&lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn side_by_side_they_are_the_same_as_one_by_one() {
        let bytes: Vec<u8> =
            (0..20 * BLOCK as u32 + 77).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for length in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK, 4 * BLOCK, 7 * BLOCK + 9, 16 * BLOCK, bytes.len()] {
            let expected: Vec<_> = bytes[..length].chunks(BLOCK).map(digest).collect();
            assert!(digests(&bytes[..length]) == expected, "{length} bytes");
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        let hex: String = digest(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
