//! Who may come in: users and their passwords, by the Basic scheme (RFC 7617).
//!
//! Of a password only a hash is known. A slow one, made to be slow, is asked once for each password that was right:
//! afterwards a keyed digest tells that it is the same one again. A wrong one costs the whole time again, and so does the
//! password of a user who is none, so that nobody learns from the clock which users there are.

use std::{
    cell::Cell,
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    str::FromStr,
};

use sha_crypt::{Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64};
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    app::http::{Response, Status, credentials},
    protocol::http::percent,
};

/// The longest password that is looked at, in bytes: to hash a long one takes long.
const LONGEST: usize = 256;

/// The rounds of crypt(5)'s SHA methods that are taken unless a hash says another number, and the most that a
/// worker can spend on a request.
const ROUNDS: usize = 5000;
const MOST_ROUNDS: usize = 5_000_000;

/// One user, `USER:HASH`.
///
/// The hash is one of crypt(5): `$6$…` and `$5$…`, which `openssl passwd -6` and `-5` make, `$2y$…` of
/// `htpasswd -B`; or for passwords that are long and random the SHA-256 or SHA-512 digest in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    user: String,
    hash: Hash,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hash {
    Bcrypt(String),
    Sha256Crypt(Crypt),
    Sha512Crypt(Crypt),
    Sha256(Vec<u8>),
    Sha512(Vec<u8>),
}

/// What stands in a hash of one of the SHA methods.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Crypt {
    rounds: usize,
    salt: String,
    digest: String,
}

impl FromStr for Credential {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, hash) = text.split_once(':').ok_or("there is no colon behind the user")?;
        if user.is_empty() || user.chars().any(char::is_control) {
            return Err("there is no such user");
        }
        Ok(Self { user: user.to_owned(), hash: hash.parse()? })
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("$6$") {
            return Crypt::parse(rest, 86).map(Self::Sha512Crypt);
        }
        if let Some(rest) = text.strip_prefix("$5$") {
            return Crypt::parse(rest, 43).map(Self::Sha256Crypt);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|method| text.starts_with(method)) {
            let lawful =
                text.parse::<bcrypt::HashParts>().is_ok_and(|parts| (4..=16).contains(&parts.get_cost()));
            return lawful
                .then(|| Self::Bcrypt(text.to_owned()))
                .ok_or("the bcrypt hash is none, or costs too much");
        }
        let digits = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("sha512:")).unwrap_or(text);
        match (digits.len(), hexadecimal(digits)) {
            (64, Some(digest)) => Ok(Self::Sha256(digest)),
            (128, Some(digest)) => Ok(Self::Sha512(digest)),
            _ => Err("the hash is of no kind that is known here"),
        }
    }
}

impl Crypt {
    /// Reads `rounds=N$SALT$DIGEST`, of which the first part may be left out.
    fn parse(text: &str, length: usize) -> Result<Self, &'static str> {
        let (rounds, rest) = match text.strip_prefix("rounds=").and_then(|text| text.split_once('$')) {
            Some((rounds, rest)) => (rounds.parse().map_err(|_| "the rounds are no number")?, rest),
            None => (ROUNDS, text),
        };
        if !(1000..=MOST_ROUNDS).contains(&rounds) {
            return Err("the rounds are too few or too many");
        }
        match rest.split_once('$') {
            Some((salt, digest)) if salt.len() <= 16 && digest.len() == length => {
                Ok(Self { rounds, salt: salt.to_owned(), digest: digest.to_owned() })
            }
            Some(_) | None => Err("the hash was cut"),
        }
    }
}

impl Hash {
    /// Whether it is that of this password.
    fn is_of(&self, password: &[u8]) -> bool {
        let same = |made: &[u8], known: &[u8]| bool::from(made.ct_eq(known));
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Sha512Crypt(Crypt { rounds, salt, digest }) => Sha512Params::new(*rounds)
                .and_then(|rounds| sha512_crypt_b64(password, salt.as_bytes(), &rounds))
                .is_ok_and(|made| same(made.as_bytes(), digest.as_bytes())),
            Self::Sha256Crypt(Crypt { rounds, salt, digest }) => Sha256Params::new(*rounds)
                .and_then(|rounds| sha256_crypt_b64(password, salt.as_bytes(), &rounds))
                .is_ok_and(|made| same(made.as_bytes(), digest.as_bytes())),
            Self::Sha256(digest) => same(&Sha256::digest(password), digest),
            Self::Sha512(digest) => same(&Sha512::digest(password), digest),
        }
    }
}

/// Lets in who is known; a worker has one of its own.
#[derive(Debug)]
pub struct Gate {
    users: Vec<User>,
    /// What nobody outside this process knows: by it a right password is known again.
    key: [u8; 16],
}

#[derive(Debug)]
struct User {
    credential: Credential,
    /// The keyed digest of the password that was right.
    right: Cell<Option<[u8; 32]>>,
}

impl Gate {
    /// A gate for these users; without any it is open.
    pub fn new(credentials: Vec<Credential>) -> Self {
        let users = credentials.into_iter().map(|credential| User { credential, right: Cell::new(None) });
        let draw = || u128::from(RandomState::new().build_hasher().finish());
        Self { users: users.collect(), key: (draw() << 64 | draw()).to_le_bytes() }
    }

    /// Whether a request with this Authorization field may come in.
    pub fn admits(&self, field: Option<&[u8]>) -> bool {
        let Some(nobody) = self.users.first() else { return true };
        let Some(bytes) = field.and_then(credentials) else { return false };
        let Some(colon) = bytes.iter().position(|byte| *byte == b':') else { return false };
        let (name, password) = (&bytes[..colon], &bytes[colon + 1..]);
        if password.len() > LONGEST {
            return false;
        }
        // All are looked at, whichever it is.
        let named =
            self.users.iter().filter(|user| user.credential.user.as_bytes().ct_eq(name).into()).last();
        let admitted = self.knows(named.unwrap_or(nobody), password);
        bool::from(Choice::from(u8::from(named.is_some())) & Choice::from(u8::from(admitted)))
    }

    fn knows(&self, user: &User, password: &[u8]) -> bool {
        let digest = Sha256::new().chain_update(self.key).chain_update(password).finalize();
        if user.right.get().is_some_and(|right| right.ct_eq(digest.as_slice()).into()) {
            return true;
        }
        let right = user.credential.hash.is_of(password);
        if right {
            user.right.set(Some(digest.into()));
        }
        right
    }
}

/// The answer to who is not let in.
pub fn challenge() -> Response {
    super::plain(Status::UNAUTHORIZED).header("WWW-Authenticate", "Basic realm=\"forkd\", charset=\"UTF-8\"")
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let escaped: Vec<_> =
        digits.as_bytes().chunks(2).map(|pair| format!("%{}", String::from_utf8_lossy(pair))).collect();
    percent::decode(&escaped.concat())
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};

    use super::*;

    /// What openssl(1) and htpasswd(1) make of `secret`.
    const SHA512: &str =
        "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
    const SHA256: &str = "$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.";
    const DIGEST: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

    fn admits(gate: &Gate, value: &str) -> bool {
        gate.admits(Some(value.as_bytes()))
    }

    fn basic_of(user: &str, password: &str) -> String {
        format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
    }

    fn gate(hash: &str) -> Gate {
        let users = [format!("ann:{hash}"), format!("bob:{DIGEST}")];
        Gate::new(users.iter().map(|user| user.parse().expect("a credential")).collect())
    }

    #[test]
    fn who_knows_the_password_comes_in_and_nobody_else() {
        let bcrypt = bcrypt::hash("secret", 4).expect("a hash");
        for hash in [SHA512, SHA256, DIGEST, &bcrypt, &DIGEST["sha256:".len()..]] {
            let gate = gate(hash);
            for _ in 0..2 {
                assert!(admits(&gate, &basic_of("ann", "secret")), "{hash}");
                assert!(!admits(&gate, &basic_of("ann", "secret ")), "{hash}");
                assert!(!admits(&gate, &basic_of("eve", "secret")), "{hash}");
                assert!(!admits(&gate, &basic_of("", "")), "{hash}");
            }
        }
        let gate = gate(SHA256);
        assert!(admits(&gate, &basic_of("bob", "secret").replace("Basic", "bAsIc ")));
        for value in ["", "Basic", "Basic !", "Basic YW5u", "Bearer YW5uOnNlY3JldA==", "YW5uOnNlY3JldA=="] {
            assert!(!admits(&gate, value), "{value}");
        }
        assert!(!admits(&gate, &basic_of("ann", &"x".repeat(LONGEST + 1))));
        assert!(!gate.admits(None) && Gate::new(Vec::new()).admits(None));
    }

    #[test]
    fn rounds_are_those_of_the_hash() {
        let digest = sha512_crypt_b64(b"secret", b"salt", &Sha512Params::new(1000).expect("rounds"))
            .expect("a digest");
        assert!(admits(&gate(&format!("$6$rounds=1000$salt${digest}")), &basic_of("ann", "secret")));
        assert!(!admits(&gate(&format!("$6$salt${digest}")), &basic_of("ann", "secret")));
    }

    #[test]
    fn what_is_no_credential_is_refused_at_once() {
        for bad in [
            "",
            "ann",
            ":",
            "ann:",
            "ann:secret",
            "ann:$1$abc$def",
            "ann:$6$salt$short",
            "ann:$2y$99$x",
            "ann:$6$rounds=1$salt$x",
            "ann:$apr1$abcd$abcd",
            "ann:sha256:zz",
            "ann:sha256:2b",
        ] {
            assert!(bad.parse::<Credential>().is_err(), "{bad}");
        }
    }
}
