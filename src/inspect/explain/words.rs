//! Every sentence of an explanation, in English and in Simplified Chinese: one table, so that none is forgotten.
//!
//! `{name}` stands for what is filled in. The Chinese has the course's words, with the English ones beside them where
//! they come first.

/// The languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// Simplified Chinese.
    Zh,
}

impl Lang {
    /// The language that a locale such as `zh_CN.UTF-8` asks for: Chinese if it says so, else English.
    pub fn of_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Zh } else { Self::En }
    }

    /// Its code: `en` or `zh`.
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// One of two things that say the same.
    pub fn say<T>(self, english: T, chinese: T) -> T {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }

    /// What stands between two sentences.
    pub fn between(self) -> &'static str {
        match self {
            Self::En => " ",
            Self::Zh => "",
        }
    }
}

macro_rules! texts {
    ($($name:ident: $en:literal, $zh:literal;)*) => {
        /// One sentence, whatever the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Text { $(#[doc = $en] $name,)* }

        impl Text {
            /// Every sentence there is.
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The sentence, before anything is filled in.
            pub const fn pattern(self, lang: Lang) -> &'static str {
                match (self, lang) {
                    $((Self::$name, Lang::En) => $en, (Self::$name, Lang::Zh) => $zh,)*
                }
            }
        }
    };
}

texts! {
    HeadState: "State", "状态";
    HeadHistory: "How it came to this", "怎么来的";
    HeadDuty: "Who must act", "该谁来做";
    HeadChildren: "Its children", "它的子进程";
    HeadAdopter: "Who would adopt it", "谁会收养它";
    HeadKill: "What kill would do", "kill 有什么用";
    HeadLesson: "Learn more", "想学更多";

    Running: "It runs or is ready to run: R means both, on a processor right now or waiting for its turn.",
        "R：就绪或执行（running）。此刻正在处理器上运行，或者正在排队等处理器。";
    Sleeping: "It sleeps (S, blocked): it waits for something to happen, and a signal can wake it.",
        "S：阻塞（sleeping）。它在等某件事发生，信号可以把它唤醒。";
    Uninterruptible: "It waits (D, blocked) for something that no signal interrupts: a disk, a file server, or its vfork child.",
        "D：不可中断的阻塞（uninterruptible）。它在等磁盘、文件服务器或 vfork 出来的子进程，信号打断不了。";
    Stopped: "A signal stopped it (T): it gets no processor time and keeps its memory, files and sockets until CONT comes.",
        "T：被信号暂停（stopped）。它得不到处理器时间，但内存、文件和套接字都还在，直到收到 CONT 信号。";
    Traced: "Process {tracer} traces it and holds it (t), as a debugger does at a breakpoint.",
        "t：进程 {tracer} 正在跟踪它并让它停住（traced），就像调试器停在断点上。";
    Zombie: "It has ended and is a zombie (Z): memory, files and sockets are gone; only its entry in the process table is left, which keeps pid {pid} and the exit status for its parent.",
        "Z：僵尸进程（zombie）。它已经结束，内存、文件和套接字都已释放；只剩进程表里的一项，为父进程保留着 PID {pid} 和退出状态。";
    Dead: "It is leaving the process table at this moment (X).", "X：它此刻正从进程表中消失（dead）。";
    Idle: "It is a thread of the kernel that has nothing to do (I).", "I：它是空闲的内核线程（idle）。";
    Unknown: "The kernel says {letter}, a state that this program does not know.",
        "内核给出的状态是 {letter}，本程序不认识。";
    InCall: "It is in the system call {call}.", "它停在系统调用 {call} 里。";
    InCallAt: "It is in the system call {call}, inside the kernel's function {wchan}.",
        "它停在系统调用 {call} 里，内核函数是 {wchan}。";
    InPlace: "It is inside the kernel's function {wchan}.", "它停在内核函数 {wchan} 里。";
    WhereHidden: "Where it waits is told only to its owner and to root.", "它在等什么，内核只告诉进程的所有者和 root。";

    Made: "It was made {age} ago; its parent is {parent}.", "它于 {age} 前被创建，父进程是 {parent}。";
    MadeByNobody: "It was made {age} ago and has no parent in this namespace.",
        "它于 {age} 前被创建，在这个命名空间里没有父进程。";
    MadeByKernel: "The kernel made it {age} ago for its own work; it has no program and no memory of its own.",
        "它是内核在 {age} 前为自己的工作创建的，没有程序，也没有自己的内存。";
    Ended: "It {status} about {dead} ago, and since then its parent has not asked how it ended.",
        "它在大约 {dead} 前结束（{status}），此后父进程一直没有询问它是怎么结束的。";
    EndedSometime: "It {status} within the last {age}, and its parent has not asked how it ended.",
        "它在最近 {age} 内结束（{status}），父进程还没有询问它是怎么结束的。";
    ExitedWith: "exited with code {code}", "退出码 {code}";
    KilledBy: "was killed by signal {signal}", "被信号 {signal} 杀死";
    KilledCore: "was killed by signal {signal} and left a core dump", "被信号 {signal} 杀死，并留下了核心转储";
    StatusHidden: "ended in a way that is told only to its owner and to root",
        "怎样结束的，内核只告诉进程的所有者和 root";
    LastRan: "It last ran about {idle} ago.", "它上一次运行大约在 {idle} 前。";
    Orphan: "It is probably an orphan that {parent} adopted: it is no leader of its session {session}, its parent is of another session, and the leader of its own is gone.",
        "它大概是孤儿进程（orphan），已被 {parent} 收养：它不是会话 {session} 的首领，父进程属于另一个会话，而它自己会话的首领已经不在了。";
    Adopted: "{parent} probably adopted it after its first parent ended: it still belongs to session {session}, and a child is born into the session of its parent.",
        "它原来的父进程大概已经结束，由 {parent} 收养：它仍属于会话 {session}，而子进程出生时总在父进程的会话里。";
    Daemon: "It leads a session without a terminal, as daemons do.", "它是一个没有终端的会话的首领，守护进程（daemon）就是这样。";

    DutyParent: "Its parent, {parent}, must call wait(2) or waitpid(2) for it; nobody else can.",
        "它的父进程 {parent} 必须对它调用 wait(2) 或 waitpid(2)，别的进程都做不到。";
    DutyStopped: "The parent cannot: it is stopped. Wake it: kill -CONT {ppid}.",
        "父进程现在做不到，因为它被暂停了。唤醒它：kill -CONT {ppid}。";
    DutyCatches: "The parent catches SIGCHLD, so it was told; its handler has to wait in a loop until nothing is left, for several deaths may come as one signal.",
        "父进程捕获了 SIGCHLD，已经得到通知；它的处理函数要循环 wait 直到没有可收的为止，因为多个子进程结束可能只来一个信号。";
    DutyIgnores: "The parent ignores SIGCHLD, but began to after this one had ended: that prevents later zombies and clears away none.",
        "父进程忽略了 SIGCHLD，但那是在它结束之后才设置的：这只能防止以后出现僵尸，不能清除已有的。";
    DutyDeaf: "The parent neither catches nor ignores SIGCHLD, so it must think of waiting by itself.",
        "父进程既不捕获也不忽略 SIGCHLD，所以只能靠它自己想起来去 wait。";
    DutyBlocks: "The parent blocks SIGCHLD: it waits for the signal elsewhere (signalfd, sigwait) or will look later.",
        "父进程阻塞了 SIGCHLD 信号：它可能用 signalfd 或 sigwait 来等，也可能以后再看。";
    DutyAdopter: "That parent adopts orphans and should wait for each at once; it does not do its work. In a container, start a real init as PID 1 (docker run --init).",
        "这个父进程负责收养孤儿，本该立刻 wait；它没有尽责。在容器里请让真正的 init 做 1 号进程（docker run --init）。";
    DutyElse: "If it never does, end the parent: then {adopter} adopts the zombie, probably, and should wait for it at once.",
        "如果父进程始终不管，就结束父进程：僵尸大概会由 {adopter} 收养，它应当立刻回收。";
    DutyContinue: "Whoever stopped it, or you: kill -CONT {pid}. Its parent, {parent}, may have been told of the stop.",
        "由暂停它的人来恢复，或者你自己：kill -CONT {pid}。它的父进程 {parent} 可能已得知它被暂停。";
    DutyTracer: "Its tracer, process {tracer}.", "跟踪它的进程 {tracer}。";
    DutyDevice: "Whatever it waits for must answer; nobody can hurry it.", "要等它所等的东西有回应，谁也催不了。";
    DutyChild: "One of its children must end or change its state.", "要等它的某个子进程结束或改变状态。";
    DutyEvent: "Nobody: it goes on when what it waits for happens.", "不用谁来做：它等的事一发生，它就继续运行。";
    DutyNone: "Nobody.", "不用谁来做。";

    Children: "It has {count} children.", "它有 {count} 个子进程。";
    ZombieChildren: "{zombies} of its {count} children are zombies, and it is the one who must wait for them: {pids}.",
        "它的 {count} 个子进程中有 {zombies} 个是僵尸，要由它来 wait：{pids}。";

    AdopterInit: "If its parent ended, {adopter} would be its next parent, probably: PID 1 of its namespace, for nobody in between is known to be a subreaper. /proc does not show who is one, see prctl(2), PR_SET_CHILD_SUBREAPER.",
        "如果父进程结束，它大概会由 {adopter} 收养：那是它所在命名空间的 1 号进程，因为中间没有已知的 subreaper。/proc 不显示谁是 subreaper，见 prctl(2) 的 PR_SET_CHILD_SUBREAPER。";
    AdopterSubreaper: "If its parent ended, {adopter} would be its next parent, probably: it is known to adopt, or has adopted before. /proc does not show who is a subreaper, see prctl(2), PR_SET_CHILD_SUBREAPER.",
        "如果父进程结束，它大概会由 {adopter} 收养：已知它会收养，或者它收养过别的进程。/proc 不显示谁是 subreaper，见 prctl(2) 的 PR_SET_CHILD_SUBREAPER。";
    AdopterNobody: "Nobody: when the first process of a namespace ends, the kernel ends all the others in it.",
        "没有谁：命名空间的 1 号进程一旦结束，内核会结束其中所有进程。";
    AdopterKernel: "Nobody: threads of the kernel have no other parent.", "没有谁：内核线程不会换父进程。";

    KillZombie: "Nothing, and KILL neither: it is dead. kill(2) succeeds all the same, because the pid is still taken.",
        "没有用，KILL 也没有用：它已经死了。kill(2) 仍然返回成功，因为 PID 还被占着。";
    KillKernel: "Nothing: threads of the kernel take no signals.", "没有用：内核线程不接收信号。";
    KillWaits: "TERM and KILL are noted and act when its wait is over; most waits of this kind let KILL through, some nothing.",
        "TERM 和 KILL 会先记下，等它这次等待结束才起作用；多数这类等待能被 KILL 打断，有些什么都打断不了。";
    KillStopped: "TERM stays pending until CONT lets it go on; KILL ends it at once.",
        "TERM 会一直挂着，直到 CONT 让它继续；KILL 立刻结束它。";
    KillEnds: "TERM ends it: it has no handler for it.", "TERM 会结束它：它没有为 TERM 设置处理函数。";
    KillHandled: "TERM calls its handler, which decides; a server finishes its work there.",
        "TERM 会调用它的处理函数，由处理函数决定；服务器会在那里把手头的工作做完。";
    KillIgnored: "TERM does nothing: it ignores it.", "TERM 没有用：它忽略这个信号。";
    KillBlocked: "TERM waits: it blocks the signal for now.", "TERM 要等一等：它眼下阻塞着这个信号。";
    KillHard: "KILL ends it at once, and it cannot clean up.", "KILL 立刻结束它，它没有机会收拾。";
    KillChildren: "Its {count} children would live on and go to {adopter}, probably.",
        "它的 {count} 个子进程会继续活着，大概由 {adopter} 收养。";
    KillInit: "From inside its namespace only signals that it has a handler for reach it, not even KILL; from outside KILL and STOP do, and with it all processes of the namespace end.",
        "在它的命名空间内部，只有它设置了处理函数的信号才能到达，KILL 也不行；从外部 KILL 和 STOP 有效，而它一结束，命名空间里所有进程都会结束。";
    KillRefused: "This user may not send it a signal: it belongs to user {uid}.",
        "当前用户无权给它发信号：它属于用户 {uid}。";
    Pending: "Signals that have come and are not let through yet: {signals}.", "已经到达但还没放行的信号：{signals}。";

    Lesson: "forkd lab explain {lesson}", "forkd lab explain {lesson} --lang zh";
}

/// Puts each value in its `{name}`. Names of processes may hold braces, so each place is filled once, left to right,
/// and what was filled in is not looked at again; what has no value stays as it is.
pub fn fill(pattern: &str, values: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, from)) = rest.find('{').map(|at| rest.split_at(at)) {
        out.push_str(before);
        let place = from.find('}').map(|end| (&from[1..end], &from[end + 1..]));
        match place.and_then(|(name, after)| Some((values.iter().find(|(key, _)| *key == name)?, after))) {
            Some(((_, value), after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default()).collect()
    }

    #[test]
    fn every_sentence_says_the_same_in_both_languages() {
        let chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        for text in Text::ALL {
            let (en, zh) = (text.pattern(Lang::En), text.pattern(Lang::Zh));
            assert!(!en.is_empty() && en.is_ascii(), "{text:?} is no English: {en}");
            assert!(chinese(zh) || *text == Text::Lesson, "{text:?} is no Chinese: {zh}");
            assert_eq!(places(en), places(zh), "{text:?} fills in other things");
            assert!(!zh.contains([',', ';', '?', '!']), "{text:?} has half-width punctuation: {zh}");
        }
    }

    #[test]
    fn a_locale_picks_the_language() {
        for (locale, lang) in [
            ("zh_CN.UTF-8", Lang::Zh),
            ("zh", Lang::Zh),
            ("C", Lang::En),
            ("de_DE", Lang::En),
            ("", Lang::En),
        ] {
            assert_eq!(Lang::of_locale(locale), lang, "{locale}");
        }
    }

    #[test]
    fn places_are_filled_once() {
        let values = [("parent", "7 ({pid})".to_owned()), ("pid", "9".to_owned())];
        assert_eq!(fill("{parent}, not {pid}; {other} {", &values), "7 ({pid}), not 9; {other} {");
    }
}
