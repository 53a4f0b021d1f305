//! Whom a worker becomes: names to numbers, in the master, before there is a fork or another root.

use std::{fmt, path::PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

use super::PrivilegeError;

/// A user and groups, known by their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it is called in messages and in `USER`.
    pub name: String,
    /// The user; `None` where the groups alone change.
    pub user: Option<u32>,
    /// The only groups; the first is the primary one.
    pub groups: Vec<u32>,
    /// The user's home.
    pub home: Option<PathBuf>,
}

impl Account {
    /// Finds a user by name or number, with the groups that it is in; or, where a group is named, in that alone.
    ///
    /// A word that is a name is one, even if it looks like a number; chown(1) reads it so, too. getpwnam(3),
    /// getgrouplist(3).
    ///
    /// # Errors
    /// For a user or a group that there is not, and a number without a group.
    pub fn find(user: Option<&str>, group: Option<&str>) -> Result<Option<Self>, PrivilegeError> {
        let group = group.map(find_group).transpose()?;
        let Some(word) = user else {
            return Ok(group.map(|(name, group)| Self { name, user: None, groups: vec![group], home: None }));
        };
        let Some(found) = find_user(word)? else { return Self::number(word, group).map(Some) };
        let groups = match group {
            Some((_, group)) => vec![group],
            None => groups_of(&found)?,
        };
        Ok(Some(Self { name: found.name, user: Some(found.uid.as_raw()), groups, home: Some(found.dir) }))
    }

    /// A number that no account has.
    fn number(word: &str, group: Option<(String, u32)>) -> Result<Self, PrivilegeError> {
        let Some(user) = number(word) else { return Err(unknown("user", word)) };
        let Some((_, group)) = group else {
            return Err(PrivilegeError::new(
                format!("cannot run workers as user {word}: no account says which group it has"),
                "name one with --group",
            ));
        };
        Ok(Self { name: word.to_owned(), user: Some(user), groups: vec![group], home: None })
    }

    /// The primary group.
    pub fn group(&self) -> Option<u32> {
        self.groups.first().copied()
    }

    /// Whether this process is it already, as far as it can tell: it could not change anything.
    pub fn is_ours(&self) -> bool {
        let user = self.user.is_none_or(|user| Uid::effective().as_raw() == user);
        user && self.group() == Some(Gid::effective().as_raw())
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn find_user(word: &str) -> Result<Option<User>, PrivilegeError> {
    let failed = |cause: nix::Error| lookup("user", word, cause);
    if word.is_empty() || word.contains('\0') {
        return Err(unknown("user", word));
    }
    match (User::from_name(word).map_err(failed)?, number(word)) {
        (Some(user), _) => Ok(Some(user)),
        (None, Some(number)) => User::from_uid(Uid::from_raw(number)).map_err(failed),
        (None, None) => Ok(None),
    }
}

fn find_group(word: &str) -> Result<(String, u32), PrivilegeError> {
    let failed = |cause: nix::Error| lookup("group", word, cause);
    if word.is_empty() || word.contains('\0') {
        return Err(unknown("group", word));
    }
    match (Group::from_name(word).map_err(failed)?, number(word)) {
        (Some(group), _) => Ok((group.name, group.gid.as_raw())),
        (None, Some(number)) => Ok((word.to_owned(), number)),
        (None, None) => Err(unknown("group", word)),
    }
}

fn groups_of(user: &User) -> Result<Vec<u32>, PrivilegeError> {
    let failed = |cause: nix::Error| lookup("groups of", &user.name, cause);
    let name = std::ffi::CString::new(user.name.as_bytes()).map_err(|_| unknown("user", &user.name))?;
    let mut groups = vec![user.gid.as_raw()];
    for group in getgrouplist(&name, user.gid).map_err(failed)? {
        if !groups.contains(&group.as_raw()) {
            groups.push(group.as_raw());
        }
    }
    Ok(groups)
}

/// Digits and nothing else. The largest number means "leave it as it is" to the kernel.
fn number(word: &str) -> Option<u32> {
    let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|number| digits && *number != u32::MAX)
}

fn unknown(what: &str, word: &str) -> PrivilegeError {
    PrivilegeError::new(
        format!("cannot run workers as {what} {word:?}: there is none of that name"),
        format!("getent {} lists them", if what == "user" { "passwd" } else { "group" }),
    )
}

fn lookup(what: &str, word: &str, cause: nix::Error) -> PrivilegeError {
    PrivilegeError::new(format!("cannot look up {what} {word}: {}", cause.desc()), "try getent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let root = Account::find(Some("root"), None).unwrap().unwrap();
        assert_eq!((root.user, root.group()), (Some(0), Some(0)));
        assert_eq!(Account::find(Some("0"), None).unwrap().unwrap(), root);
        assert_eq!(Account::find(None, None).unwrap(), None);
    }

    #[test]
    fn a_group_that_is_named_is_the_only_one() {
        let account = Account::find(Some("root"), Some("4711")).unwrap().unwrap();
        assert_eq!((account.user, account.groups), (Some(0), vec![4711]));
        let account = Account::find(Some("4000000"), Some("4711")).unwrap().unwrap();
        assert_eq!((account.user, account.groups), (Some(4_000_000), vec![4711]));
        let account = Account::find(None, Some("4711")).unwrap().unwrap();
        assert_eq!((account.user, account.groups), (None, vec![4711]));
    }

    #[test]
    fn what_nobody_is_called_is_refused() {
        for (user, group) in [
            (Some(""), None),
            (Some("0day"), None),
            (Some("no such user"), None),
            (Some("4000000"), None),
            (Some("4294967295"), None),
            (Some("-1"), None),
            (None, Some("")),
            (Some("root"), Some("no such group")),
        ] {
            let error = Account::find(user, group).expect_err("refused").to_string();
            assert!(error.starts_with("cannot run workers as ") && error.ends_with(')'), "{error}");
        }
    }
}
