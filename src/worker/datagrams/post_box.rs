//! Datagrams in batches: one system call brings what waits, and one sends all the answers. recvmmsg(2), sendmmsg(2).

use std::{
    array, fmt,
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, BorrowedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, sendto},
};

/// How many datagrams one call brings.
pub const BATCH: usize = 16;

const SEND: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// Room for a batch of datagrams and for the answers to them.
pub struct PostBox {
    /// A place for each datagram, of the same length. What is never written costs no memory.
    room: Box<[u8]>,
    longest: usize,
    letters: [Letter; BATCH],
    headers: Headers,
    answers: Answers,
}

/// The heads of a batch, as the kernel has them.
struct Headers {
    incoming: MultiHeaders<SockaddrStorage>,
    outgoing: MultiHeaders<SockaddrStorage>,
}

/// A datagram that came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Letter {
    /// How many bytes of it there are.
    pub length: usize,
    /// Who sent it.
    pub from: Option<SockaddrStorage>,
    /// Whether it was longer than its place: the rest is lost.
    pub cut: bool,
}

/// Answers that wait to be sent together.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    /// To whom, and where in `bytes` it ends.
    ends: Vec<usize>,
    to: Vec<Option<SockaddrStorage>>,
}

impl Answers {
    /// One more.
    pub fn push(&mut self, bytes: &[u8], to: &SockaddrStorage) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.to.push(Some(*to));
    }

    fn get(&self, number: usize) -> &[u8] {
        let begin = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.bytes[begin..self.ends[number]]
    }
}

impl PostBox {
    /// Room for datagrams of at most `longest` bytes each.
    pub fn new(longest: usize) -> Self {
        Self {
            room: vec![0; BATCH * longest].into_boxed_slice(),
            longest,
            letters: [Letter::default(); BATCH],
            headers: Headers {
                incoming: MultiHeaders::preallocate(BATCH, None),
                outgoing: MultiHeaders::preallocate(BATCH, None),
            },
            answers: Answers::default(),
        }
    }

    /// Takes what waits at the socket, a batch at most; how many there were.
    ///
    /// # Errors
    /// `EAGAIN` when nothing waits; the errors of earlier answers, such as an unreachable port.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> nix::Result<usize> {
        let mut places = self.room.chunks_exact_mut(self.longest);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(places.next().unwrap_or_default())]);
        let flags = MsgFlags::MSG_DONTWAIT;
        let came = recvmmsg(socket.as_raw_fd(), &mut self.headers.incoming, &mut slices, flags, None)?;
        let mut count = 0;
        for (letter, message) in self.letters.iter_mut().zip(came) {
            let cut = message.flags.contains(MsgFlags::MSG_TRUNC);
            *letter = Letter { length: message.bytes, from: message.address, cut };
            count += 1;
        }
        Ok(count)
    }

    /// A datagram of the last batch, and where answers to it go.
    pub fn open(&mut self, number: usize) -> (Letter, &[u8], &mut Answers) {
        let (letter, begin) = (self.letters[number], number * self.longest);
        (letter, &self.room[begin..begin + letter.length], &mut self.answers)
    }

    /// Sends the answers; how many bytes the kernel took. A queue that is full loses datagrams, as any router on the way
    /// would.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> u64 {
        let answers = &mut self.answers;
        let mut sent = 0;
        let mut next = 0;
        while next < answers.ends.len() {
            let count = (answers.ends.len() - next).min(BATCH);
            let outgoing = &mut self.headers.outgoing;
            match send_some(socket, answers, next, count, outgoing) {
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
        answers.to.clear();
        sent
    }
}

/// Sends `count` answers from `first` on; how many of them the kernel took, and how many bytes.
fn send_some(
    socket: BorrowedFd<'_>,
    answers: &Answers,
    first: usize,
    count: usize,
    headers: &mut MultiHeaders<SockaddrStorage>,
) -> nix::Result<(usize, u64)> {
    if let (1, Some(to)) = (count, &answers.to[first]) {
        let bytes = sendto(socket.as_raw_fd(), answers.get(first), to, SEND)?;
        return Ok((1, bytes as u64));
    }
    // Beyond the count they are empty, and not sent: there are as many addresses as answers.
    let slices: [[IoSlice<'_>; 1]; BATCH] = array::from_fn(|number| {
        let bytes = if number < count { answers.get(first + number) } else { &[] };
        [IoSlice::new(bytes)]
    });
    let to = &answers.to[first..first + count];
    let sent = sendmmsg(socket.as_raw_fd(), headers, &slices[..count], to, [], SEND)?;
    let (mut taken, mut bytes) = (0, 0);
    for message in sent {
        taken += 1;
        bytes += message.bytes as u64;
    }
    Ok((taken, bytes))
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
                let (letter, bytes, answers) = post.open(number);
                seen.push((bytes.to_vec(), letter.cut));
                answers.push(bytes, &letter.from.unwrap());
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
        let (letter, _, answers) = post.open(0);
        let from = letter.from.unwrap();
        // Longer than any datagram can be: EMSGSIZE.
        answers.push(&[0; 70_000], &from);
        answers.push(b"second", &from);
        assert_eq!(post.send(ours.as_fd()), 6);
        let mut answer = [0; 64];
        assert_eq!(theirs.recv(&mut answer).unwrap(), 6);
    }
}
