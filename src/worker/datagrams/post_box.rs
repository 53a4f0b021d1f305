//! Room for a batch of datagrams and for the answers to them, which leave together.

use std::{fmt, net::SocketAddr, os::fd::BorrowedFd};

use nix::errno::Errno;

use crate::sys::datagrams::Heads;
pub use crate::sys::datagrams::{BATCH, Head};

/// Room for a batch of datagrams and for the answers to them.
pub struct PostBox {
    /// A place for each datagram, of the same length. What is never written costs no memory.
    room: Box<[u8]>,
    longest: usize,
    heads: Heads,
    answers: Answers,
}

/// A datagram that came.
#[derive(Debug)]
pub struct Letter<'a> {
    /// What is known of it.
    pub head: Head,
    /// What of it there is.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: Option<SocketAddr>,
}

/// Answers that wait to be sent together.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    /// To which datagram of the batch, and where in `bytes` it ends.
    ends: Vec<(usize, usize)>,
}

impl Answers {
    /// One more, to the sender of the datagram with this number.
    pub fn push(&mut self, letter: usize, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push((letter, self.bytes.len()));
    }

    /// To whom, and what.
    fn get(&self, number: usize) -> (usize, &[u8]) {
        let begin = if number == 0 { 0 } else { self.ends[number - 1].1 };
        let (letter, end) = self.ends[number];
        (letter, &self.bytes[begin..end])
    }
}

impl PostBox {
    /// Room for datagrams of at most `longest` bytes each.
    pub fn new(longest: usize) -> Self {
        let room = vec![0; BATCH * longest].into_boxed_slice();
        Self { room, longest, heads: Heads::new(), answers: Answers::default() }
    }

    /// Takes what waits at the socket, a batch at most; how many there were.
    ///
    /// # Errors
    /// `EAGAIN` when nothing waits; the errors of earlier answers, such as an unreachable port.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> nix::Result<usize> {
        self.heads.receive(socket, self.room.chunks_exact_mut(self.longest))
    }

    /// A datagram of the last batch, and where answers to it go.
    pub fn open(&mut self, number: usize) -> (Letter<'_>, &mut Answers) {
        let (head, begin) = (self.heads.head(number), number * self.longest);
        let bytes = &self.room[begin..begin + head.length];
        (Letter { head, bytes, from: self.heads.sender(number) }, &mut self.answers)
    }

    /// Sends the answers; how many bytes the kernel took. A queue that is full loses datagrams, as any router on the way
    /// would.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> u64 {
        let answers = &mut self.answers;
        let (mut sent, mut next) = (0, 0);
        while next < answers.ends.len() {
            let rest = (next..answers.ends.len()).map(|number| answers.get(number));
            match self.heads.send(socket, rest) {
                Ok((taken, bytes)) => {
                    sent += bytes;
                    next += taken.max(1);
                }
                Err(Errno::EINTR) => {}
                // It is about the first of them: the others may be better off.
                Err(_) => next += 1,
            }
        }
        answers.bytes.clear();
        answers.ends.clear();
        sent
    }
}

impl fmt::Debug for PostBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostBox").field("longest", &self.longest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsFd, time::Duration};

    use super::*;

    fn pair() -> (UdpSocket, UdpSocket) {
        let (ours, theirs) =
            (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        theirs.connect(ours.local_addr().unwrap()).unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (ours, theirs)
    }

    /// Answers all that waits with the same bytes.
    fn echo(post: &mut PostBox, socket: &UdpSocket) -> Vec<(Vec<u8>, bool)> {
        let mut seen = Vec::new();
        while let Ok(count) = post.receive(socket.as_fd()) {
            for number in 0..count {
                let (letter, answers) = post.open(number);
                seen.push((letter.bytes.to_vec(), letter.head.cut));
                answers.push(number, letter.bytes);
            }
            post.send(socket.as_fd());
        }
        seen
    }

    #[test]
    fn more_than_a_batch_comes_and_goes_in_order() {
        let (ours, theirs) = pair();
        let mut post = PostBox::new(64);
        let sent: Vec<Vec<u8>> = (0..BATCH as u8 * 2 + 3).map(|n| vec![n; n.into()]).collect();
        sent.iter().for_each(|bytes| assert_eq!(theirs.send(bytes).unwrap(), bytes.len()));
        let seen: Vec<_> = echo(&mut post, &ours).into_iter().map(|(bytes, _)| bytes).collect();
        assert_eq!(seen, sent);
        for bytes in sent {
            let mut answer = [0; 64];
            let count = theirs.recv(&mut answer).unwrap();
            assert_eq!(answer[..count], bytes);
        }
        assert_eq!(post.receive(ours.as_fd()), Err(Errno::EAGAIN));
    }

    #[test]
    fn a_datagram_that_is_too_long_is_said_to_be_cut_and_the_next_is_whole() {
        let (ours, theirs) = pair();
        let mut post = PostBox::new(5);
        theirs.send(b"0123456789abcdef").unwrap();
        theirs.send(b"next").unwrap();
        assert_eq!(echo(&mut post, &ours), [(b"01234".to_vec(), true), (b"next".to_vec(), false)]);
    }

    #[test]
    fn an_answer_that_cannot_be_sent_does_not_keep_the_others() {
        let (ours, theirs) = pair();
        let mut post = PostBox::new(64);
        theirs.send(b"x").unwrap();
        assert_eq!(post.receive(ours.as_fd()), Ok(1));
        let (letter, answers) = post.open(0);
        assert_eq!(letter.from, Some(theirs.local_addr().unwrap()));
        // Longer than any datagram can be: EMSGSIZE.
        answers.push(0, &[0; 70_000]);
        answers.push(0, b"second");
        assert_eq!(post.send(ours.as_fd()), 6);
        let mut answer = [0; 64];
        assert_eq!(theirs.recv(&mut answer).unwrap(), 6);
    }
}
