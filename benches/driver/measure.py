"""What is done with a running server, and the figures that it gives."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import statistics
import subprocess
import time
from pathlib import Path

from driver.server import TICK, Server, proportional_kb

WARM_SECONDS = 0.5
RESPAWN_LIMIT = 5.0
RESPAWN_TRIES = 4
# A worker that lived shorter may be replaced with a delay: that is a crash loop, and not measured here.
SETTLED_SECONDS = 1.2


@dataclasses.dataclass(frozen=True)
class Bench:
    """What all measurements share."""

    generator: str
    seconds: float
    server_core: int | None
    generator_core: int | None

    @property
    def pinned(self) -> bool:
        return self.server_core is not None


def generator_words(bench: Bench, scenario, server: Server, seconds: float) -> list[str]:
    place = server.place
    if bench.generator == "wrk":
        close = ["-H", "Connection: close"] if "mode=one-shot" in scenario.plan else []
        url = f"http://{place.address}{server.path}"
        return ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds:.0f}", "--latency", *close, url]
    words = [f"to={place.address}", f"path={server.path}", f"connections={scenario.connections}"]
    words += [f"seconds={seconds}", f"body={scenario.body}", f"wait={'spin' if bench.pinned else 'sleep'}"]
    return [bench.generator, *words, *scenario.plan]


def ask(bench: Bench, scenario, server: Server, seconds: float) -> subprocess.Popen[str]:
    """Starts a bounded load on the generator's core."""
    core = bench.generator_core
    pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
    words = generator_words(bench, scenario, server, seconds)
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, preexec_fn=pin)


def answer(bench: Bench, load: subprocess.Popen[str], seconds: float) -> dict:
    """What the generator found."""
    try:
        text, _ = load.communicate(timeout=seconds + 30)
    finally:
        load.kill()
    if load.returncode != 0:
        raise SystemExit("bench: the load generator failed")
    return wrk_answer(text) if bench.generator == "wrk" else json.loads(text)


def wrk_answer(text: str) -> dict:
    """wrk's report in the words of our own generator."""
    count = re.search(r"(\d+) requests in ([\d.]+)s", text)
    errors = re.findall(r"(connect|read|write|timeout|Non-2xx or 3xx responses:) (\d+)", text)
    unit = {"us": 1, "ms": 1e3, "s": 1e6}
    times = {share: float(value) * unit[scale]
             for share, value, scale in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", text)}
    failures = {name: int(number) for name, number in errors}
    good = int(count[1]) - failures.get("Non-2xx or 3xx responses:", 0)
    return {"good": good, "seconds": float(count[2]), "p50_us": times.get("50", 0), "p99_us": times.get("99", 0),
            "failures": failures}


def busy_seconds() -> float:
    """CPU time that the whole machine has spent on anything."""
    user, nice, system, _idle, _wait, irq, softirq = Path("/proc/stat").read_text().split()[1:8]
    return sum(map(int, (user, nice, system, irq, softirq))) / TICK


def load(bench: Bench, scenario, server: Server) -> dict[str, float]:
    """CPU time per good answer under a closed loop, after a warm-up."""
    answer(bench, ask(bench, scenario, server, max(1, WARM_SECONDS) if bench.generator == "wrk" else WARM_SECONDS), 5)
    before, machine_before = server.cpu(), busy_seconds()
    own_before, start = os.times(), time.monotonic()
    found = answer(bench, ask(bench, scenario, server, bench.seconds), bench.seconds)
    wall, good = time.monotonic() - start, max(1, found["good"])
    used, machine, own = server.cpu() - before, busy_seconds() - machine_before, os.times()
    generator = sum(own[:4]) - sum(own_before[:4])
    return {
        "cpu_us": used.all * 1e6 / good,
        "user_us": used.user * 1e6 / good,
        "p50_us": found["p50_us"],
        "p99_us": found["p99_us"],
        "per_second": found["good"] / found["seconds"],
        "failures": sum(found["failures"].values()),
        "busy": used.all / wall,
        "foreign": (machine - used.all - generator) / wall,
    }


def memory(bench: Bench, scenario, server: Server) -> dict[str, float]:
    """PSS of the workers when nothing happens and in the middle of a load."""
    time.sleep(SETTLED_SECONDS)
    idle = [proportional_kb(pid) for pid in server.workers()]
    idle_master = proportional_kb(server.pid)
    running = ask(bench, scenario, server, bench.seconds)
    time.sleep(bench.seconds / 2)
    loaded = [proportional_kb(pid) for pid in server.workers()]
    loaded_master = proportional_kb(server.pid)
    found = answer(bench, running, bench.seconds)
    return {
        "idle_kb": statistics.mean(idle),
        "load_kb": statistics.mean(loaded),
        "idle_all_kb": sum(idle) + idle_master,
        "load_all_kb": sum(loaded) + loaded_master,
        "failures": sum(found["failures"].values()),
    }


def respawn(_bench: Bench, _scenario, server: Server) -> dict[str, float]:
    """The time from `kill -9` of the oldest worker until its master has a new child; the middle of some tries."""
    times = []
    for _ in range(RESPAWN_TRIES):
        time.sleep(SETTLED_SECONDS)
        known = server.workers()
        start = time.perf_counter()
        os.kill(known[0], signal.SIGKILL)
        while not set(server.workers()).difference(known) and time.perf_counter() - start < RESPAWN_LIMIT:
            pass
        times.append((time.perf_counter() - start) * 1e6)
    return {"respawn_us": statistics.median(times)}
