//! Echo twice: what lies in a buffer at fork is copied with the rest of memory, and written by both.

use std::io::{self, BufWriter, Write};

use crate::{
    lab::{Actor, Lab, Outcome},
    process::wait::join,
    sys::fork::{Fork, exit_now, fork},
};

/// How a process ends that still has text in its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// exit(3), return from main, `sys.exit`: the buffer is written out first.
    Flush,
    /// `_exit`: at once.
    AtOnce,
}

pub fn run(lab: &mut Lab) -> Outcome {
    let child_flushes = lab.bug("exit");
    let right = if child_flushes { End::Flush } else { End::AtOnce };
    let a = lab.subject(|_| hello(right, End::Flush))?;
    ended(lab, &a)?;
    lab.event("once", &[]);
    let mut said = 0;
    lab.expect("once", 1, || {
        said = lines(&a);
        said
    });
    if lab.is_exam() {
        return Ok(());
    }
    let b = lab.actor('B', |_| hello(End::Flush, End::Flush))?;
    ended(lab, &b)?;
    lab.event("twice", &[]);
    lab.check("twice", 2, lines(&b));
    let c = lab.actor('C', |_| hello(End::AtOnce, End::AtOnce))?;
    ended(lab, &c)?;
    lab.event("never", &[]);
    lab.check("never", 0, lines(&c));
    codes(lab)?;
    python(lab)
}

/// Text goes into a buffer, as with printf or print, and then the process forks.
fn hello(child: End, parent: End) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    out.write_all(b"hello")?; // no line end: Rust's standard output would pass the line on
    let end = |mut out: BufWriter<io::StdoutLock<'_>>, end: End| match end {
        End::AtOnce => exit_now(0),
        End::Flush => out.write_all(b"\n").and_then(|()| out.flush()),
    };
    match fork()? {
        Fork::Child => {
            let _ = end(out, child);
            exit_now(0)
        }
        Fork::Parent(pid) => {
            join(pid)?;
            end(out, parent)
        }
    }
}

/// P15: of the number that a process ends with, the parent gets the low eight bits.
fn codes(lab: &mut Lab) -> Outcome {
    for (key, code, kept) in [("code-3", 3, 3), ("code-256", 256, 0), ("code-minus", -1, 255), ("code-300", 300, 44)] {
        let d = lab.actor('D', |_| exit_now(code))?;
        lab.expect(key, kept, || d.who.status() >> 8);
        lab.event("code", &[("code", code.to_string()), ("kept", (d.who.status() >> 8).to_string())]);
    }
    Ok(())
}

/// P15: `sys.exit` with a text prints it and ends with 1.
fn python(lab: &mut Lab) -> Outcome {
    let words = ["python3", "-c", "import sys; sys.exit('goodbye')"];
    let e = Actor::exec('E', &words.map(Into::into))?;
    lab.watch(e.who);
    lab.until("the end of Python", || (e.who.state() == "Z").then_some(()))?;
    if e.who.status() == 127 << 8 {
        let why = lab.either("there is no python3 here", "这台机器上没有 python3").to_owned();
        lab.skip_checks(&["python-code", "python-text"], &why);
        return Ok(());
    }
    lab.event("python", &[]);
    lab.check("python-code", 1, e.who.status() >> 8);
    lab.check("python-text", "goodbye", e.output().trim());
    Ok(())
}

fn ended(lab: &Lab, actor: &Actor) -> Outcome {
    lab.until("the end", || (actor.who.state() == "Z").then_some(()))
}

/// How often the text was written.
fn lines(actor: &Actor) -> usize {
    actor.output().matches("hello").count()
}
