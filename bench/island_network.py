"""Hosts of their own on one Linux machine: network namespaces, TLS by a test CA, and a capture.

The centre and each island are a namespace. A cable goes from each island to the centre and nowhere
else, and the firewall of both ends lets HTTPS to the centre's two ports through and nothing more.
Needs root, and the programs ip, nft, nginx, openssl and tshark.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("ip", "nft", "nginx", "openssl", "tshark")
CENTRE, STORE = "centre.cdi.test", "store.cdi.test"
CENTRE_PORT, STORE_PORT = 443, 9443
AIRFLOW_PORT, OBJECTS_PORT = 8080, 9000  # behind TLS, on the centre's loopback
_FIREWALL = """
table inet islands {{
  chain incoming {{
    type filter hook input priority 0; policy drop;
    iifname "lo" accept
    ct state established,related accept
    {incoming}
  }}
  chain outgoing {{
    type filter hook output priority 0; policy drop;
    oifname "lo" accept
    ct state established,related accept
    {outgoing}
  }}
  chain passing {{ type filter hook forward priority 0; policy drop; }}
}}
"""
_HTTPS = f"tcp dport {{ {CENTRE_PORT}, {STORE_PORT} }} accept"
_NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/bodies;
  proxy_temp_path {folder}/answers;
  client_max_body_size 64m;
  ssl_certificate {folder}/server.pem;
  ssl_certificate_key {folder}/server.key;
  proxy_set_header Host $http_host;
  proxy_set_header X-Forwarded-For $remote_addr;
  proxy_set_header X-Forwarded-Proto https;
  proxy_http_version 1.1;
  server {{
    listen {centre_port} ssl;
    server_name {centre};
    location / {{ proxy_pass http://127.0.0.1:{airflow_port}; }}
  }}
  server {{
    listen {store_port} ssl;
    server_name {store};
    # the test library would take another host's first name for that of a bucket
    location / {{
      proxy_set_header Host localhost:{objects_port};
      proxy_pass http://127.0.0.1:{objects_port};
    }}
  }}
}}
"""


def run(*command: str | Path, **options: object) -> str:
    """Run a program and return what it printed; an error tells what it said."""
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return str(done.stdout)


@dataclass
class Network:
    """The namespaces of a centre and its islands.

    Attributes:
        prefix: What their names begin with, so that two runs do not meet.
        islands: Names of the islands, without the prefix.
    """

    prefix: str
    islands: tuple[str, ...]
    made: list[str] = field(default_factory=list)

    def space(self, name: str) -> str:
        """The name of a namespace."""
        return f"{self.prefix}-{name}"

    def addresses(self, island: str) -> tuple[str, str]:
        """The two ends of an island's cable: the centre's and its own."""
        number = self.islands.index(island) + 1
        return f"10.77.{number}.1", f"10.77.{number}.2"

    def inside(self, name: str, *command: str | Path) -> list[str]:
        """The command that runs another one inside a namespace; it becomes that one."""
        return ["ip", "netns", "exec", self.space(name), *map(str, command)]

    @contextlib.contextmanager
    def up(self) -> Iterator["Network"]:
        """Make all namespaces, cables and firewalls, and take them away at the end."""
        missing = [program for program in PROGRAMS if not shutil.which(program)]
        if missing or os.geteuid() != 0:
            sys.exit(f"this needs root and the programs {', '.join(missing or PROGRAMS)}")
        try:
            for name in ("centre", *self.islands):
                run("ip", "netns", "add", self.space(name))
                self.made.append(name)
                run(*self.inside(name, "ip", "link", "set", "lo", "up"))
            for island in self.islands:
                self._lay_cable(island)
            cables = ", ".join(f'"{island}"' for island in self.islands)
            self._set_firewall("centre", f"iifname {{ {cables} }} {_HTTPS}", "")
            yield self
        finally:
            for name in self.made:
                run("ip", "netns", "del", self.space(name))
                shutil.rmtree(Path("/etc/netns") / self.space(name), ignore_errors=True)

    def _lay_cable(self, island: str) -> None:
        ours, theirs = self.addresses(island)
        centre, there = self.space("centre"), self.space(island)
        # each end has its name in its own namespace
        run("ip", "-n", centre, "link", "add", island, "type", "veth", "peer", "name", "cable",
            "netns", there)  # fmt: skip
        run("ip", "-n", centre, "address", "add", f"{ours}/30", "dev", island)
        run("ip", "-n", there, "address", "add", f"{theirs}/30", "dev", "cable")
        self.connect(island)
        run("ip", "-n", there, "link", "set", "cable", "up")
        hosts = Path("/etc/netns") / there / "hosts"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(f"127.0.0.1 localhost\n{ours} {CENTRE} {STORE}\n", encoding="utf-8")
        self._set_firewall(island, "", f"ip daddr {ours} {_HTTPS}")

    def _set_firewall(self, name: str, incoming: str, outgoing: str) -> None:
        rules = _FIREWALL.format(incoming=incoming, outgoing=outgoing)
        run(*self.inside(name, "nft", "-f", "-"), input=rules)

    def cut(self, island: str) -> None:
        """Pull the island's cable out at the centre."""
        run("ip", "-n", self.space("centre"), "link", "set", island, "down")

    def connect(self, island: str) -> None:
        """Plug it in."""
        run("ip", "-n", self.space("centre"), "link", "set", island, "up")

    def reaches(self, name: str, host: str, port: int) -> bool:
        """Whether a connection from a namespace to an address is answered."""
        ask = f"import socket; socket.create_connection(({host!r}, {port}), 3)"
        command = self.inside(name, sys.executable, "-c", ask)
        return not subprocess.run(command, capture_output=True, check=False).returncode


def make_certificates(folder: Path) -> Path:
    """Make a test CA and the server's certificate by it; returns the file that trusts the CA."""
    authority = folder / "ca.pem"
    new = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
           "-nodes", "-days", "2")  # fmt: skip
    run(*new, "-keyout", folder / "ca.key", "-out", authority, "-subj", "/CN=Test CA",
        "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    run(*new, "-keyout", folder / "server.key", "-out", folder / "server.pem",
        "-subj", f"/CN={CENTRE}", "-CA", authority, "-CAkey", folder / "ca.key",
        "-addext", f"subjectAltName=DNS:{CENTRE},DNS:{STORE}",
        "-addext", "basicConstraints=critical,CA:FALSE")  # fmt: skip
    return authority


@contextlib.contextmanager
def serve_tls(folder: Path) -> Iterator[None]:
    """Run nginx before Airflow and the object store; this process must be in the centre's space."""
    config = folder / "nginx.conf"
    config.write_text(
        _NGINX.format(
            folder=folder, centre=CENTRE, centre_port=CENTRE_PORT, airflow_port=AIRFLOW_PORT,
            store=STORE, store_port=STORE_PORT, objects_port=OBJECTS_PORT,
        ),
        encoding="utf-8",
    )  # fmt: skip
    # its workers may not become another user: the folder belongs to this one
    with stopping(["nginx", "-c", str(config), "-g", "user root;"], folder / "nginx.log"):
        yield


@contextlib.contextmanager
def capture(interfaces: tuple[str, ...], file: Path, what: str) -> Iterator[None]:
    """Write all packets of some interfaces of this namespace into a file."""
    chosen = [part for name in interfaces for part in ("-i", name, "-f", what)]
    command = ["tshark", "-q", *chosen, "-w", str(file)]
    with stopping(command, file.with_suffix(".log"), signal.SIGINT):
        yield


def read_bodies(file: Path) -> bytes:
    """Put together the bodies of all HTTP requests and answers of a capture, and their lines."""
    fields = ("http.request.full_uri", "http.file_data", "http.request.line", "http.response.line")
    asked = [part for name in fields for part in ("-e", name)]
    told = run("tshark", "-r", file, "-Y", "http", "-T", "fields", *asked)
    return b"\n".join(map(_as_bytes, told.replace("\n", "\t").split("\t")))


def _as_bytes(shown: str) -> bytes:
    """A body is shown in hexadecimal digits, all else as it is."""
    with contextlib.suppress(ValueError):
        return bytes.fromhex(shown)
    return shown.encode()


@contextlib.contextmanager
def stopping(
    command: list[str], log: Path, ending: signal.Signals = signal.SIGTERM, **options: object
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program for the length of a `with` block."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **options
        )  # type: ignore[call-overload]
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(ending)
                process.wait(60)
