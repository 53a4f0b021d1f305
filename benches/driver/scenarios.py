"""What is measured: a new scenario is one more row, a new set of them one more entry of `SETS`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from driver import measure, peers


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One measurement, made of forkd and of each peer in turn."""

    key: str
    title: str
    # Which form of forkd stands for it; one of `peers.ours`.
    ours: str
    # What is done with a running server, and gives its figures by name.
    measure: Callable[..., dict[str, float]]
    # The rows of the table that come from it: the figure's name, and its words.
    rows: tuple[tuple[str, str], ...]
    # The file asked for; none: what the peer answers 13 bytes at.
    path: str | None = None
    body: int = len(peers.BODY)
    connections: int = 64
    workers: int = 1
    # "http", or what an echo travels by: "tcp", "udp".
    speaks: str = "http"
    # Further words for the load generator.
    plan: tuple[str, ...] = ()


CPU = (("cpu_us", "CPU µs per request"), ("user_us", "of it in user mode"), ("p99_us", "p99 latency µs"))
TOTAL = (("cpu_us", "CPU µs per request"),)
MEMORY = (("idle_kb", "PSS kB per worker, idle"), ("load_kb", "PSS kB per worker, 64 connections busy"),
          ("idle_all_kb", "PSS kB of all processes, idle"), ("load_all_kb", "PSS kB of all processes, busy"))

HELLO = Scenario("hello", "hello, keep-alive", "hello_http", measure.load, CPU)
PIPELINED = Scenario("pipelined", "hello, 16 pipelined", "hello_http", measure.load, CPU, plan=("depth=16",))
ONE_SHOT = Scenario("one-shot", "hello, a connection each", "hello_http", measure.load, TOTAL, plan=("mode=one-shot",))
BLOCKING = Scenario("blocking", "13-byte file, a connection each, forkd --model blocking", "http blocking",
                    measure.load, TOTAL, path="/hello.txt", plan=("mode=one-shot",))
FILE = Scenario("file", "1 KiB file, keep-alive", "http", measure.load, CPU, path="/1k", body=1 << 10)
FILE_64K = Scenario("64k", "64 KiB file, keep-alive", "http", measure.load, TOTAL, path="/64k", body=64 << 10)
FILE_10M = Scenario("10m", "10 MiB file, keep-alive", "http", measure.load, TOTAL, path="/10m", body=10 << 20,
                    connections=8)
MEMORY_USE = Scenario("memory", "memory, 2 workers", "http", measure.memory, MEMORY, path="/1k", body=1 << 10, workers=2)
RESPAWN = Scenario("respawn", "kill -9 of a worker", "http", measure.respawn,
                   (("respawn_us", "µs until its replacement is there"),), connections=2, workers=2)

ECHO_TCP = Scenario("echo-tcp", "echo over TCP, 64 bytes", "echo", measure.load, TOTAL, body=64, speaks="tcp",
                    plan=("mode=echo",))
ECHO_UDP = Scenario("echo-udp", "echo over UDP, 64 bytes", "echo", measure.load, TOTAL, body=64, speaks="udp",
                    plan=("mode=echo-udp",))

BASE = (HELLO, ONE_SHOT, BLOCKING, FILE, MEMORY_USE, RESPAWN)
HTTP = (HELLO, PIPELINED, ONE_SHOT, BLOCKING, FILE, FILE_64K, FILE_10M)
ECHO = (ECHO_TCP, ECHO_UDP)

# Sets by name: their scenarios, and the peers that stand beside forkd.
SETS = {
    "base": (BASE, (peers.NGINX, peers.APACHE)),
    "echo": (ECHO, (peers.FLOOR, peers.TOKIO)),
    "http": (HTTP, (peers.NGINX, peers.NGINX_CACHE, peers.LIGHTTPD, peers.APACHE)),
}

# Files that the servers hand out, by name and size; every name above is here.
FILES = {"hello.txt": len(peers.BODY), "1k": 1 << 10, "64k": 64 << 10, "10m": 10 << 20}


def chosen(words: list[str]) -> tuple[list[Scenario], list[peers.Peer]]:
    """The scenarios and peers that the words of the command line name; without words those of `base`."""
    by_key = {scenario.key: scenario for scenario in (*BASE, *HTTP, *ECHO)}
    wanted: list[Scenario] = []
    beside: list[peers.Peer] = []
    for word in words or ["base"]:
        if word not in SETS and word not in by_key:
            raise SystemExit(f"bench: cannot measure `{word}`: no such scenario ({', '.join([*SETS, *by_key])})")
        home = "echo" if by_key.get(word) in ECHO else "base"
        scenarios, others = SETS.get(word, ((by_key.get(word),), SETS[home][1]))
        wanted += [scenario for scenario in scenarios if scenario not in wanted]
        beside += [peer for peer in others if peer not in beside]
    return wanted, beside
