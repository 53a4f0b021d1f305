"""A server that runs: started in a session of its own, read from /proc, ended by its pids."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from driver.peers import Peer, Place

TICK = os.sysconf("SC_CLK_TCK")
START_LIMIT = 10.0
STOP_LIMIT = 5.0


class CannotRun(Exception):
    """A peer did not start, or did not answer; the text says which and why."""


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, path: str, body: int) -> bool:
    """Whether the server gives `path` as it should: status 200, the right length."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0) as stream:
            stream.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            head = stream.makefile("rb").read(2048).partition(b"\r\n\r\n")[0]
    except OSError:
        return False
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return head.split(b" ")[1:2] == [b"200"] and length is not None and int(length[1]) == body


def echoes(kind: socket.SocketKind, port: int, body: int) -> bool:
    """Whether the server sends back what it gets."""
    sent = bytes(body)
    try:
        with socket.socket(socket.AF_INET, kind) as client:
            # A datagram that comes too early is lost, and asked again.
            client.settimeout(0.1 if kind == socket.SOCK_DGRAM else 1.0)
            client.connect(("127.0.0.1", port))
            client.sendall(sent)
            return client.recv(body, socket.MSG_WAITALL) == sent
    except OSError:
        return False


@dataclasses.dataclass(frozen=True)
class Usage:
    """Seconds of CPU time: in all, and as the clock's ticks counted them, in user mode and altogether."""

    all: float = 0.0
    user_ticks: float = 0.0
    ticks: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.all + other.all, self.user_ticks + other.user_ticks, self.ticks + other.ticks)

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.all - other.all, self.user_ticks - other.user_ticks, self.ticks - other.ticks)

    @property
    def user(self) -> float:
        """What of it was in user mode. To be asked of the difference between two looks: only there the ticks have a
        share that says something about this stretch of time."""
        return self.all * self.user_ticks / self.ticks if self.ticks else 0.0


def fields_of(stat: Path) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may have anything in it: state, parent, group, session…"""
    text = stat.read_text()
    return text[text.rindex(")") + 2:].split()


def session_of(leader: int) -> dict[Path, list[str]]:
    """All processes of a session, those too that have ended and wait for their parent: where each is, and its stat."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = fields_of(Path(entry.path, "stat"))
            except OSError:
                continue
            if int(fields[3]) == leader:
                found[Path(entry.path)] = fields
    return found


def usage_of(process: Path, fields: list[str]) -> Usage:
    """What a process and the children that it reaped have used. stat(5) counts in hundredths of a second, which is
    nothing for one process of sixty: the sum comes from schedstat, in nanoseconds, and its parts from stat."""
    user, system, reaped_user, reaped_system = (int(field) / TICK for field in fields[11:15])
    try:
        own = sum(int(task.read_text().split()[0]) for task in process.glob("task/*/schedstat")) / 1e9
    except OSError:
        own = user + system
    reaped = reaped_user + reaped_system
    return Usage(own + reaped, user + reaped_user, user + system + reaped)


class Server:
    """A peer in its place, from `with` until its end."""

    def __init__(self, peer: Peer, place: Place, core: int | None, path: str, body: int) -> None:
        self.peer, self.place, self.path = peer, place, path
        place.scratch.mkdir(mode=0o755)
        self.log = place.scratch / "output"
        with self.log.open("wb") as log:
            pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
            self.process = subprocess.Popen(
                peer.command(place), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=place.scratch,
                start_new_session=True, preexec_fn=pin)
        self.pid = self.process.pid
        try:
            self.wait_until_it_answers(body)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_it_answers(self, body: int) -> None:
        deadline = time.monotonic() + START_LIMIT
        while not self.answers(body):
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                words = self.log.read_text(errors="replace").strip().splitlines()[-3:]
                how = f"ended with {self.process.returncode}" if ended else f"gives no {body} bytes at {self.path}"
                raise CannotRun(f"{self.peer.name} {how}: {' / '.join(words) or 'it said nothing'}")
            time.sleep(0.01)

    def answers(self, body: int) -> bool:
        kinds = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
        if self.place.speaks in kinds:
            return echoes(kinds[self.place.speaks], self.place.port, body)
        return answers(self.place.port, self.path, body)

    def cpu(self) -> Usage:
        """What all its processes, and the children that they have reaped, have used until now."""
        return sum((usage_of(*process) for process in session_of(self.pid).items()), Usage())

    def workers(self) -> list[int]:
        """The children of the master."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def stop(self) -> None:
        """Asks it to end, then ends what is left of its session."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        for process in session_of(self.pid):
            try:
                os.kill(int(process.name), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


def proportional_kb(pid: int) -> int:
    """The memory of a process in kB, pages that it shares counted in proportion (PSS)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"(?m)^Pss:\s+(\d+)", text)
    return int(found[1]) if found else 0
