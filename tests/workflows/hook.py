"""A hook of a chat: a real HTTP server with TLS, which keeps what is posted."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.support.services import Authority


@dataclass
class Hook:
    """A service that takes what is posted."""

    url: str
    ca_file: str
    status: int = 200
    taken: list[tuple[str, str]] = field(default_factory=list)  # path and body

    @property
    def body(self) -> dict[str, Any]:
        """The one document that came."""
        ((_, body),) = self.taken
        found: dict[str, Any] = json.loads(body)
        return found


@contextmanager
def taking(directory: Path) -> Iterator[Hook]:
    """A hook, with a certificate of an authority in this directory."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            found.taken.append((self.path, body))
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(b"::error::said the service\n")

        def log_message(self, *_: object) -> None:
            pass

    authority = Authority(directory)
    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        server.socket = authority.server("localhost").wrap_socket(server.socket, server_side=True)
        found = Hook(f"https://localhost:{server.server_port}/hooks/s3cr3t", str(authority.file))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()
