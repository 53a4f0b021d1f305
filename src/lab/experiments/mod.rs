//! The experiments in teaching order, one file each.

use super::{Lab, Outcome, guard::Adopter, texts::Texts};

/// An experiment.
#[derive(Debug)]
pub struct Experiment {
    /// Its stable name.
    pub id: &'static str,
    /// The experiment itself.
    pub run: fn(&mut Lab) -> Outcome,
    /// Its code, to be read.
    pub source: &'static str,
    /// Who adopts the orphans that it makes.
    pub adopter: Adopter,
    words: &'static str,
}

impl Experiment {
    /// Its words.
    pub fn texts(&self) -> Texts {
        Texts::parse(self.id, self.words)
    }

    /// The experiment of that name.
    pub fn find(id: &str) -> Option<&'static Self> {
        ALL.iter().find(|experiment| experiment.id == id)
    }
}

macro_rules! experiments {
    ($($id:literal $module:ident $adopter:ident;)*) => {
        $(mod $module;)*

        /// All of them, in teaching order.
        pub const ALL: &[Experiment] = &[$(Experiment {
            id: $id,
            run: $module::run,
            source: include_str!(concat!(stringify!($module), ".rs")),
            adopter: Adopter::$adopter,
            words: include_str!(concat!("../texts/", stringify!($module), ".toml")),
        }),*];
    };
}

experiments! {
    "hello-process" hello_process Guard;
    "family" family Guard;
    "count-the-forks" count_the_forks Guard;
    "two-worlds" two_worlds Guard;
    "shared-bookmark" shared_bookmark Guard;
    "who-first" who_first Guard;
    "echo-twice" echo_twice Guard;
    "states" states Guard;
    "one-core-two-core" one_core_two_core Guard;
    "orphanage" orphanage Machine;
    "zombie" zombie Guard;
    "last-words" last_words Guard;
    "reap-wait" reap_wait Guard;
    "reap-handler" reap_handler Guard;
    "reap-double" reap_double Guard;
    "reap-ignore" reap_ignore Guard;
    "daemon" daemon Guard;
    "addresses" addresses Guard;
    "two-hosts" two_hosts Guard;
    "phone-call" phone_call Guard;
    "waiting-room" waiting_room Guard;
    "goodbye" goodbye Guard;
    "handshake" handshake Guard;
    "buckets" buckets Guard;
    "sticky" sticky Guard;
    "postcards" postcards Guard;
    "tcp-or-udp" tcp_or_udp Guard;
    "file-server" file_server Guard;
    "http-by-hand" http_by_hand Guard;
    "five-servers" five_servers Guard;
    "your-own-prefork" your_own_prefork Guard;
    "chat-1" chat_1 Guard;
    "chat-2" chat_2 Guard;
    "chat-3" chat_3 Guard;
    "chat-4" chat_4 Guard;
    "chat-5" chat_5 Guard;
}
