"""Answers of a real NetBox: recorded on their way through a server of ours, and given again without one.

A recording holds what was asked for, by whom, and the answer byte for byte, and answers nothing else. Where the program
asks otherwise than it did, `HYOPS_RECORD=1 script/test --netbox DIR` makes it again.
"""

import contextlib
import hashlib
import json
import lzma
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from ssl import SSLContext
from typing import Any

import requests

Reply = Callable[["Request", Mapping[str, str]], "Answer"]
ANYWHERE = "http://netbox.invalid"  # stands in a recording for the URL of the server that was asked
_HEADERS = ("Content-Type", "API-Version", "Allow", "Vary", "ETag", "Location")
TIMEOUT_S = 300


@dataclass(frozen=True)
class Request:
    """One request, without what differs from run to run: a token is the name of who has it."""

    method: str
    target: str
    who: str


@dataclass(frozen=True)
class Answer:
    """One reply; `base` is the URL that its links start with."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    base: str = ANYWHERE

    @classmethod
    def of_json(cls, document: object, status: int = 200, **headers: str) -> "Answer":
        return cls(status, {"Content-Type": "application/json", **headers}, json.dumps(document).encode())

    @classmethod
    def of_html(cls, text: str, status: int = 200, **headers: str) -> "Answer":
        return cls(status, {"Content-Type": "text/html; charset=utf-8", **headers}, text.encode())

    def document(self) -> Any:
        return json.loads(self.body)

    def changed(self, document: object) -> "Answer":
        """The same reply with another document."""
        return Answer(self.status, self.headers, json.dumps(document).encode(), self.base)


@dataclass
class Recording:
    """Answers by request, and the tokens of those who asked."""

    tokens: dict[str, str]  # who -> a token of the form that it has
    answers: dict[Request, Answer] = field(default_factory=dict)

    def write(self, file: Path) -> None:
        """One line a request, compressed: the objects of many answers are the same."""
        lines = [json.dumps({"tokens": {who: _like(who, token) for who, token in sorted(self.tokens.items())}})]
        for request, answer in sorted(self.answers.items(), key=lambda item: (item[0].target, item[0].who)):
            body = answer.body.decode().replace(answer.base, ANYWHERE)
            lines.append(
                json.dumps([request.method, request.target, request.who, answer.status, dict(answer.headers), body])
            )
        file.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines).encode(), preset=9))

    @classmethod
    def read(cls, file: Path) -> "Recording":
        first, *lines = lzma.decompress(file.read_bytes()).decode().splitlines()
        recording = cls(json.loads(first)["tokens"])
        for line in lines:
            method, target, who, status, headers, body = json.loads(line)
            recording.answers[Request(method, target, who)] = Answer(status, headers, body.encode())
        return recording

    def keeping(self, reply: Reply) -> Reply:
        """The same answers, kept in this recording."""

        def keep(request: Request, headers: Mapping[str, str]) -> Answer:
            self.answers[request] = answer = reply(request, headers)
            return answer

        return keep


def _like(who: str, token: str) -> str:
    """A token of the same form, made of a name."""
    digits = hashlib.sha256(who.encode()).hexdigest()
    key, dot, secret = token.partition(".")
    return f"nbt_{digits[: len(key) - 4]}.{digits[-len(secret) :]}" if dot else digits[: len(token)]


@dataclass
class Front:
    """A server before a NetBox, or in its place."""

    url: str
    reply: Reply
    tokens: Mapping[str, str]
    requests: list[Request] = field(default_factory=list)

    def who(self, authorization: str) -> str:
        """The name of the token in a header, or that there is none or an unknown one."""
        word, _, token = authorization.partition(" ")
        names = [name for name, known in self.tokens.items() if known == token]
        return f"{word} {names[0] if names else 'unknown'}" if token else "nothing"

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        request = Request(method, target, self.who(headers.get("Authorization", "")))
        self.requests.append(request)
        return self.reply(request, headers)


@contextlib.contextmanager
def fronting(
    reply: Reply,
    tokens: Mapping[str, str] | None = None,
    tls: SSLContext | None = None,
) -> Iterator[Front]:
    """A server on loopback that gives the answers of `reply`, their links with its own URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(length)
            answer = front.answer(self.command, self.path, self.headers)  # type: ignore[arg-type]  # a mapping of str
            body = answer.body.replace(answer.base.encode(), front.url.encode())
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value.replace(answer.base, front.url))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            return  # the client is gone, or does not like our certificate

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    name = "localhost" if tls else "127.0.0.1"
    front = Front(f"http{'s' if tls else ''}://{name}:{server.server_port}", reply, tokens or {})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def passing(url: str) -> Reply:
    """Ask the real NetBox at this URL."""

    def reply(request: Request, headers: Mapping[str, str]) -> Answer:
        kept = {name: headers[name] for name in ("Authorization", "Accept", "User-Agent") if name in headers}
        with requests.Session() as session:
            session.trust_env = False
            done = session.request(
                request.method, url + request.target, headers=kept, timeout=TIMEOUT_S, allow_redirects=False
            )
        shown = {name: done.headers[name] for name in _HEADERS if name in done.headers}
        return Answer(done.status_code, shown, done.content, url)

    return reply


def recorded(recording: Recording) -> Reply:
    """Give what is in the recording."""

    def reply(request: Request, _: Mapping[str, str]) -> Answer:
        unknown = Answer.of_json({"detail": f"not recorded, see {__name__}: {request.target}"}, 501)
        return recording.answers.get(request, unknown)

    return reply
