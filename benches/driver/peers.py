"""The servers: forkd in its forms, and those beside it. A new peer is one more row of a table."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

BODY = "Hello, world!"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and how large a server is to be started."""

    port: int
    workers: int
    connections: int
    root: Path
    scratch: Path
    # "http", or what an echo travels by: "tcp", "udp".
    speaks: str = "http"

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def write(self, name: str, text: str) -> str:
        """Writes a configuration file that goes when the server goes."""
        path = self.scratch / name
        path.write_text(text)
        return str(path)


@dataclasses.dataclass(frozen=True)
class Peer:
    """A server, and how it is started in the foreground."""

    name: str
    program: str
    # The Debian package that has it; none: it is made here.
    package: str
    command: Callable[[Place], list[str]]
    hello: str = "/"


def user(directive: str) -> str:
    """Servers that root starts give up their rights in the workers, as they are installed to do."""
    return directive if os.geteuid() == 0 else ""


def nginx(options: str = "") -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        kinds = ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
        temporary = " ".join(f"{kind}_temp_path {place.scratch}/{kind};" for kind in kinds)
        configuration = f"""
            daemon off; worker_processes {place.workers}; pid {place.scratch}/pid; {user("user www-data;")}
            error_log {place.scratch}/error.log warn;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; sendfile on; {options} {temporary}
                keepalive_requests 1000000000; default_type application/octet-stream;
                server {{
                    listen {place.address} backlog=4096; root {place.root};
                    location = / {{ default_type text/plain; return 200 "{BODY}"; }}
                }}
            }}"""
        return ["nginx", "-e", f"{place.scratch}/error.log", "-c", place.write("nginx.conf", configuration)]

    return command


def apache(place: Place) -> list[str]:
    # A process of Apache's prefork model serves one connection at a time: it gets one for each, or some must wait.
    processes = max(place.workers, place.connections)
    module = "/usr/lib/apache2/modules/mod_"
    configuration = f"""
        LoadModule mpm_prefork_module {module}mpm_prefork.so
        LoadModule authz_core_module {module}authz_core.so
        ServerName localhost
        Listen {place.address}
        ListenBacklog 4096
        PidFile {place.scratch}/pid
        DefaultRuntimeDir {place.scratch}
        ErrorLog {place.scratch}/error.log
        DocumentRoot {place.root}
        KeepAlive On
        MaxKeepAliveRequests 0
        StartServers {processes}
        MinSpareServers {processes}
        MaxSpareServers {processes + 1}
        ServerLimit {processes}
        MaxRequestWorkers {processes}
        {user("User www-data")}
        {user("Group www-data")}
        <Directory {place.root}>
            AllowOverride None
            Require all granted
        </Directory>
        """
    return ["apache2", "-DFOREGROUND", "-f", place.write("apache.conf", configuration)]


def lighttpd(place: Place) -> list[str]:
    workers = place.workers if place.workers > 1 else 0
    configuration = f"""
        server.bind = "127.0.0.1"
        server.port = {place.port}
        server.document-root = "{place.root}"
        server.errorlog = "{place.scratch}/error.log"
        server.max-worker = {workers}
        server.max-keep-alive-requests = 1000000000
        server.listen-backlog = 4096
        mimetype.assign = ( ".txt" => "text/plain", "" => "application/octet-stream" )
        """
    return ["lighttpd", "-D", "-f", place.write("lighttpd.conf", configuration)]


NGINX = Peer("nginx", "nginx", "nginx-light", nginx())
NGINX_CACHE = Peer("nginx, open_file_cache", "nginx", "nginx-light", nginx("open_file_cache max=1000 inactive=60s;"))
APACHE = Peer("apache prefork", "apache2", "apache2-bin", apache, hello="/hello.txt")
LIGHTTPD = Peer("lighttpd", "lighttpd", "lighttpd", lighttpd, hello="/hello.txt")


# Where `prepare` puts what it makes of benches/peers.
MADE = Path(__file__).resolve().parents[2] / "target" / "peers"


def floor(place: Place) -> list[str]:
    return [str(MADE / "floor_echo"), place.speaks, str(place.port)]


def tokio(place: Place) -> list[str]:
    return [str(MADE / "tokio_echo"), place.speaks, place.address]


FLOOR = Peer("the bare system calls in C", str(MADE / "floor_echo"), "", floor)
TOKIO = Peer("tokio", str(MADE / "tokio_echo"), "", tokio)


def ours(programs: dict[str, str]) -> dict[str, Peer]:
    """forkd in its forms; `programs` are what was just built."""

    def hello(place: Place) -> list[str]:
        return [programs["hello_http"], place.address, str(place.workers)]

    def http(*options: str) -> Callable[[Place], list[str]]:
        def command(place: Place) -> list[str]:
            words = [programs["forkd"], "http", str(place.root), "--listen", place.address]
            return [*words, "--workers", str(place.workers), "--runtime-dir", str(place.scratch), *options]

        return command

    def echo(place: Place) -> list[str]:
        address = f"udp:{place.address}" if place.speaks == "udp" else place.address
        words = [programs["forkd"], "echo", "--listen", address, "--workers", str(place.workers)]
        return [*words, "--runtime-dir", str(place.scratch)]

    return {
        "echo": Peer("forkd", programs["forkd"], "", echo),
        "hello_http": Peer("forkd", programs["hello_http"], "", hello),
        "http": Peer("forkd", programs["forkd"], "", http(), hello="/hello.txt"),
        "http blocking": Peer("forkd", programs["forkd"], "", http("--model", "blocking"), hello="/hello.txt"),
    }
