"""Figures as people read them: a table in Markdown, and what must be known about it."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import time
from pathlib import Path

# A share of a core that something else took: figures of such a round are worth less.
DISTURBED = 0.15
# Below it the server waited for the generator, and paid for being woken.
SATURATED = 0.9

Pairs = list[tuple[dict[str, float], dict[str, float]]]


def number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def cell(pairs: Pairs, figure: str) -> str:
    """The ratio of each pair, ours to theirs: median (smallest-largest), and of what."""
    ratios = [ours[figure] / theirs[figure] for ours, theirs in pairs if theirs[figure] > 0]
    if not ratios:
        return "too small to tell"
    of = number(statistics.median(theirs[figure] for _, theirs in pairs))
    middle, smallest, largest = map(ratio, (statistics.median(ratios), min(ratios), max(ratios)))
    return f"**{middle}** ({smallest}-{largest}) of {of}"


def table(results: list[tuple[object, dict[str, Pairs]]], heads: dict[str, str]) -> list[str]:
    """One row per figure, one column per peer."""
    lines = ["| | forkd | " + " | ".join(f"beside {head}" for head in heads.values()) + " |"]
    lines.append("|---|---|" + "---|" * len(heads))
    for scenario, by_peer in results:
        for figure, words in scenario.rows:
            ours = [our[figure] for pairs in by_peer.values() for our, _ in pairs]
            cells = [cell(by_peer[name], figure) if by_peer.get(name) else "-" for name in heads]
            middle = number(statistics.median(ours)) if ours else "-"
            lines.append(f"| {scenario.title}: {words} | {middle} | " + " | ".join(cells) + " |")
    return lines


def remarks(results: list[tuple[object, dict[str, Pairs]]]) -> list[str]:
    """What takes from the worth of a figure: failures, a machine that did other things, servers that waited."""
    lines, disturbed, rounds = [], 0, 0
    for scenario, by_peer in results:
        for name, pairs in by_peer.items():
            for who, figures in (("forkd", [ours for ours, _ in pairs]), (name, [theirs for _, theirs in pairs])):
                lines += remarks_on(scenario, who, figures)
            rounds += len(pairs)
            disturbed += sum(max(map(foreign, pair)) > DISTURBED for pair in pairs)
    if disturbed:
        lines.append(f"{disturbed} of {rounds} rounds were disturbed: others took over {DISTURBED:.0%} of a core.")
    return list(dict.fromkeys(lines))


def remarks_on(scenario, who: str, figures: list[dict[str, float]]) -> list[str]:
    """The failures of one server, and whether it was busy all the time when nothing else was."""
    lines = []
    failed = sum(found.get("failures", 0) for found in figures)
    if failed:
        lines.append(f"{scenario.title}: {who} failed {failed:.0f} requests.")
    quiet = [found["busy"] for found in figures if "busy" in found and foreign(found) <= DISTURBED]
    if quiet and statistics.median(quiet) < SATURATED:
        lines.append(f"{scenario.title}: {who} waited for the generator ({statistics.median(quiet):.0%} busy).")
    return lines


def foreign(figures: dict[str, float]) -> float:
    """The share of a core that neither the server nor the generator took."""
    return figures.get("foreign", 0.0)


def failures(results: list[tuple[object, dict[str, Pairs]]]) -> float:
    """Requests that forkd failed."""
    pairs = (pair for _, by_peer in results for pairs in by_peer.values() for pair in pairs)
    return sum(ours.get("failures", 0) for ours, _ in pairs)


def head(peer) -> str:
    """A peer as the table names it: with its version, if somebody packed one."""
    return f"{peer.name} ({version(peer.program)})" if peer.package else peer.name


def version(program: str) -> str:
    """The version that a program says it has."""
    path = shutil.which(program) or program
    said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else "?"


def commit(root: Path) -> str:
    words = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except FileNotFoundError:
        said = ""
    return said or "no commit"


def machine() -> str:
    """The processor, how many of them, and the kernel."""
    model = re.search(r"(?m)^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text())
    name = model[1].strip() if model else os.uname().machine
    return f"{os.cpu_count()} x {name}, Linux {os.uname().release}"


def preface(root: Path, rounds: int, seconds: float, pinned: bool) -> list[str]:
    """When and where: a table without it says nothing."""
    where = "server on one core, generator on another" if pinned else "not pinned: fewer than two cores"
    compiler = subprocess.run(["rustc", "-V"], capture_output=True, text=True, check=False).stdout.split()
    return [
        f"{time.strftime('%-d %B %Y')}, {machine()}; forkd {commit(root)}, rustc {' '.join(compiler[1:2])}.",
        f"Loopback, {where}; {rounds} rounds of {seconds:g} s, forkd and the peer right after each other in each:",
        "median of the ratios (smallest-largest), and the peer's own figure. Below 1 forkd is the cheaper one.",
    ]
