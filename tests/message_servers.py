"""A mail server and a web hook on loopback, which keep what they take and refuse when told to."""

import json
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class MailServer(socketserver.TCPServer):
    """Takes mails.

    Attributes:
        mails: The mails that were taken.
        refused: Recipients that are refused for good (550).
        is_busy: Whether every mail is refused for now (451), when it was sent whole.
    """

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.mails: list[str] = []
        self.refused: set[str] = set()
        self.is_busy = False

    def read_mails(self) -> list[tuple[str, str, str]]:
        """Give recipient, subject and text of each mail."""
        read = []
        for text in self.mails:
            mail = message_from_string(text, policy=policy.default)
            body = next(part for part in mail.walk() if part.get_content_maintype() == "text")
            content = str(body.get_content())
            read.append((str(mail["To"]), str(mail["Subject"]), content))
        return read


class _MailHandler(socketserver.StreamRequestHandler):
    """Enough of SMTP to take mails (RFC 5321)."""

    server: MailServer

    def handle(self) -> None:
        """Answer each command."""
        self.say("220 test")
        for line in iter(self.rfile.readline, b""):
            text = line.decode().strip()
            command = text.split()[0].upper()
            if command == "RCPT" and any(f"<{name}>" in text for name in self.server.refused):
                self.say("550 no such user")
            elif command == "DATA":
                self.say("354 go on")
                lines = b"".join(iter(self.rfile.readline, b".\r\n"))
                if self.server.is_busy:
                    self.say("451 try again later")
                else:
                    self.server.mails.append(lines.decode())
                    self.say("250 ok")
            else:
                self.say("221 bye" if command == "QUIT" else "250 ok")

    def say(self, text: str) -> None:
        """Answer."""
        self.wfile.write(f"{text}\r\n".encode())


class HookServer(ThreadingHTTPServer):
    """Takes posts of JSON.

    Attributes:
        posts: Path, authorization and content of every post, also of those that were refused.
        answers: The statuses of the next answers; afterwards it is 200. 0: no answer for some time.
        silence: So many seconds.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        """Listen on a free port.

        Args:
            certificate: File with a certificate and its key; without one it speaks plain HTTP.
        """
        super().__init__(("127.0.0.1", 0), _HookHandler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.posts: list[tuple[str, str | None, dict[str, str]]] = []
        self.answers: list[int] = []
        self.silence = 1.0


class _HookHandler(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    server: HookServer

    def do_POST(self) -> None:
        """Keep path, authorization and body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, self.headers["Authorization"], json.loads(body)))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if not status:
            time.sleep(self.server.silence)
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


def make_certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that its own key signs, and give the file of both."""
    file = folder / "server.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=hook -addext subjectAltName=IP:127.0.0.1 "
        f"-keyout {folder}/key.pem -out {folder}/cert.pem"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    file.write_text((folder / "cert.pem").read_text() + (folder / "key.pem").read_text())
    return file


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """A server in a thread; its port."""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
