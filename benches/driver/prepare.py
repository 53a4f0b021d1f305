"""What must be there before the first measurement: our own programs, the peers' packages."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from driver.peers import MADE, Peer

POLICY = Path("/usr/sbin/policy-rc.d")


def build(root: Path) -> dict[str, str]:
    """Builds forkd, the example, the load generator and tokio's echo as they are released; gives their paths by name."""
    targets = ["--bin", "forkd", "--example", "hello_http", "--bench", "load", "--bench", "tokio_echo"]
    words = ["cargo", "build", "--release", "--locked", *targets, "--message-format=json-render-diagnostics"]
    built = subprocess.run(words, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode != 0:
        raise SystemExit("bench: cannot build forkd (see above)")
    messages = (json.loads(line) for line in built.stdout.splitlines())
    programs = {message["target"]["name"]: message["executable"] for message in messages if message.get("executable")}
    make_peers(root, Path(programs["tokio_echo"]))
    return programs


def make_peers(root: Path, tokio: Path) -> None:
    """Puts the peers of our own where `peers` looks for them. What links Rust compiles C."""
    MADE.mkdir(parents=True, exist_ok=True)
    shutil.copy(tokio, MADE / "tokio_echo")
    source = root / "benches" / "peers" / "floor_echo.c"
    if subprocess.run(["cc", "-O2", "-Wall", "-o", MADE / "floor_echo", source], check=False).returncode != 0:
        raise SystemExit("bench: cannot compile benches/peers/floor_echo.c (see above)")


@contextlib.contextmanager
def services_stay_down() -> Iterator[None]:
    """Debian's packages start their services when they are installed; a policy forbids it for the moment."""
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            POLICY.unlink()


def install(packages: list[str]) -> None:
    """Installs Debian packages, quietly; a failure shows when the program is looked for again."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    words = ["apt-get", "install", "--yes", "--quiet=2", "--no-install-recommends", *packages]
    with services_stay_down():
        done = subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            subprocess.run(["apt-get", "update", "--quiet=2"], stdout=subprocess.DEVNULL, check=False)
            subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, check=False)


def present(peers: list[Peer], say) -> list[Peer]:
    """The peers that can run here, after installing what is missing where that is allowed."""
    missing = sorted({peer.package for peer in peers if not found(peer)})
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {' '.join(missing)}")
        install(missing)
    for peer in peers:
        if not found(peer):
            say(f"{peer.name} is skipped: no `{peer.program}` here (as root: apt-get install {peer.package})")
    return [peer for peer in peers if found(peer)]


def found(peer: Peer) -> bool:
    """Servers live in /usr/sbin, which is not on everybody's path."""
    return shutil.which(peer.program) is not None
