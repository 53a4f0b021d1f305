//! One process as the line of its `/proc/PID/stat` has it.

use crate::process::exit::ExitStatus;

/// What the walk knows of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// The number of its parent, or of who adopted it; 0 for the first of all.
    pub ppid: i32,
    /// Its short name, at most 15 bytes, **as it is**: it may hold line ends and escape sequences, so print it by
    /// [`super::text::printable`] alone.
    pub comm: String,
    /// What it is doing.
    pub state: State,
    /// Its process group.
    pub group: i32,
    /// Its session: the pid of the session's leader, who may be gone.
    pub session: i32,
    /// The device number of its controlling terminal; 0 is none.
    pub tty: i32,
    /// Whether it is a thread of the kernel.
    pub kernel: bool,
    /// How many threads it has.
    pub threads: u32,
    /// When it was made, in clock ticks after the machine was started: with the pid it names a process for good.
    pub start_ticks: u64,
    /// Its resident memory, shared pages included.
    pub rss_bytes: u64,
    /// The processor that it last ran on.
    pub processor: usize,
    /// How it ended: of a zombie, where the kernel tells this user.
    pub exit: Option<ExitStatus>,
}

/// The letter of `ps`, as a name. proc_pid_stat(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// `R`: on a processor, or ready for one.
    Running,
    /// `S`: waits for an event, and a signal wakes it.
    Sleeping,
    /// `D`: waits for an event, and no signal wakes it.
    Uninterruptible,
    /// `T`: stopped by a signal.
    Stopped,
    /// `t`: stopped by who traces it.
    Traced,
    /// `Z`: ended, and its parent has not asked how.
    Zombie,
    /// `X`: on its way out; nobody should see it.
    Dead,
    /// `I`: a thread of the kernel that has nothing to do.
    Idle,
    /// Another letter of a kernel that is older or newer.
    Other(char),
}

impl State {
    /// What the letter means.
    pub fn from_letter(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' => Self::Sleeping,
            'D' => Self::Uninterruptible,
            'T' => Self::Stopped,
            't' => Self::Traced,
            'Z' => Self::Zombie,
            'X' | 'x' => Self::Dead,
            'I' => Self::Idle,
            other => Self::Other(other),
        }
    }

    /// The letter that `ps` shows.
    pub fn letter(self) -> char {
        match self {
            Self::Running => 'R',
            Self::Sleeping => 'S',
            Self::Uninterruptible => 'D',
            Self::Stopped => 'T',
            Self::Traced => 't',
            Self::Zombie => 'Z',
            Self::Dead => 'X',
            Self::Idle => 'I',
            Self::Other(letter) => letter,
        }
    }

    /// The state in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Uninterruptible => "uninterruptible",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Zombie => "zombie",
            Self::Dead => "dead",
            Self::Idle => "idle",
            Self::Other(_) => "unknown",
        }
    }
}

/// The flag of a thread of the kernel: `PF_KTHREAD` of its source, which no header has.
const KERNEL_THREAD: u32 = 0x0020_0000;

impl Process {
    /// Reads the line; `None` for what is none, a line that was cut short for one.
    ///
    /// The name stands in parentheses and may hold any byte but a zero, `) R 1` too, so the *last* closing parenthesis
    /// ends it.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let open = line.iter().position(|byte| *byte == b'(')?;
        let close = line.iter().rposition(|byte| *byte == b')').filter(|close| *close > open)?;
        let pid = str::from_utf8(&line[..open]).ok()?.trim().parse().ok()?;
        let comm = String::from_utf8_lossy(&line[open + 1..close]).into_owned();
        // Numbers as in proc_pid_stat(5), where the state is field 3. 52 of them since Linux 3.5.
        let fields = Fields::new(str::from_utf8(&line[close + 1..]).ok()?)?;
        let state = State::from_letter(fields.0[0].chars().next()?);
        let flags: u32 = fields.number(9)?;
        Some(Self {
            pid,
            ppid: fields.number(4)?,
            comm,
            state,
            group: fields.number(5)?,
            session: fields.number(6)?,
            tty: fields.number(7)?,
            kernel: flags & KERNEL_THREAD != 0,
            threads: fields.number(20)?,
            start_ticks: fields.number(22)?,
            rss_bytes: fields.number::<u64>(24)?.saturating_mul(page_bytes()),
            processor: fields.number(39)?,
            exit: exit_of(state, &fields),
        })
    }

    /// Whether it has ended and its parent has not asked how.
    pub fn is_zombie(&self) -> bool {
        self.state == State::Zombie
    }
}

/// How a zombie ended. The kernel writes 0 for a status that it does not tell this user; field 35 is 1 where it tells.
fn exit_of(state: State, fields: &Fields<'_>) -> Option<ExitStatus> {
    let (status, told): (i32, u64) = (fields.number(52)?, fields.number(35)?);
    let known = state == State::Zombie && (status != 0 || told != 0);
    known.then(|| ExitStatus::from_raw(status))
}

/// The fields from the third on.
struct Fields<'l>([&'l str; 50]);

impl<'l> Fields<'l> {
    fn new(rest: &'l str) -> Option<Self> {
        let mut fields = [""; 50];
        let mut words = rest.split_ascii_whitespace();
        for field in &mut fields {
            *field = words.next()?;
        }
        Some(Self(fields))
    }

    fn number<N: std::str::FromStr>(&self, field: usize) -> Option<N> {
        self.0.get(field - 3)?.parse().ok()
    }
}

/// How large a page of memory is.
fn page_bytes() -> u64 {
    static BYTES: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *BYTES.get_or_init(|| {
        let bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
        bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sleeping process, a zombie that ended with code 7, and the same zombie as a stranger sees it; Linux 6.18.
    const SLEEPER: &str = "15058 (sleep) S 15055 15055 9483 34816 -1 4194304 126 0 0 0 2 3 0 0 20 0 1 0 319526 \
        2990080 425 18446744073709551615 94335280492544 94335280510473 140727482121056 0 0 0 0 6 0 1 0 0 17 1 0 0 0 \
        0 0 94335280524560 94335280525824 94335983968256 140727482125035 140727482125043 140727482125043 \
        140727482126313 0\n";
    const ZOMBIE: &str = "16897 (perl) Z 16895 16891 9483 0 -1 4227148 82 0 0 0 0 0 0 0 20 0 1 0 324817 0 0 \
        18446744073709551615 0 0 0 0 0 0 0 134 0 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 1792\n";
    const THREAD_OF_THE_KERNEL: &str = "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0 \
        18446744073709551615 0 0 0 0 0 0 0 2147483647 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    fn parse(line: &str) -> Process {
        Process::parse(line.as_bytes()).expect("a line as the kernel writes it")
    }

    #[test]
    fn a_line_is_read_field_by_field() {
        let sleeper = parse(SLEEPER);
        assert_eq!((sleeper.pid, sleeper.ppid, sleeper.group, sleeper.session), (15058, 15055, 15055, 9483));
        assert_eq!((sleeper.state, sleeper.tty, sleeper.threads), (State::Sleeping, 34816, 1));
        assert_eq!(sleeper.start_ticks, 319_526);
        assert_eq!(sleeper.rss_bytes, 425 * page_bytes());
        assert_eq!((sleeper.exit, sleeper.kernel), (None, false));
        assert!(parse(THREAD_OF_THE_KERNEL).kernel);
    }

    #[test]
    fn a_zombie_keeps_how_it_ended_where_one_may_know() {
        assert_eq!(parse(ZOMBIE).exit, Some(ExitStatus::Exited(7)));
        let good = ZOMBIE.replace(" 1792", " 0");
        assert_eq!(parse(&good).exit, Some(ExitStatus::Exited(0)));
        // To a stranger the kernel writes zeros, which must not read as "exited with code 0".
        let strangers = good.replace(" 134 0 1 0 0 17", " 134 0 0 0 0 17");
        assert_eq!(parse(&strangers).exit, None);
    }

    #[test]
    fn no_name_can_forge_the_fields_behind_it() {
        for name in [") R 0", "a b", "((", "))", "x) Z 1 1 1", "two\nlines", "\x1b[31m", "工作进程", "", " "]
        {
            let hostile = parse(&SLEEPER.replace("(sleep)", &format!("({name})")));
            assert_eq!((hostile.comm.as_str(), hostile.state, hostile.ppid), (name, State::Sleeping, 15055));
        }
    }

    #[test]
    fn a_name_that_is_cut_within_a_character_is_still_a_name() {
        let mut line = SLEEPER.as_bytes().to_vec();
        line.splice(7..12, "工作进程".bytes().take(11));
        assert_eq!(Process::parse(&line).expect("still a line").comm, "工作进\u{fffd}");
    }

    #[test]
    fn what_is_no_line_is_no_process_and_no_panic() {
        for end in 0..SLEEPER.len() - 3 {
            assert_eq!(Process::parse(&SLEEPER.as_bytes()[..end]), None, "{end}");
        }
        for text in ["", ")(", "1 ()", "1 (x) ", "x (y) S", "1 (x) S a b c"] {
            assert_eq!(Process::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn each_letter_is_itself_again() {
        for letter in "RSDTtZXIPKWq".chars() {
            assert_eq!(State::from_letter(letter).letter(), letter);
        }
    }
}
