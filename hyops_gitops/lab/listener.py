"""A stand-in for a service: it listens, and answers 200 on /health.

Run by its path with the standard library alone (`python -I listener.py NAME HOST PORT`), so that it starts wherever
the program itself does.
"""

import http.server
import ipaddress
import json
import socket
import sys

HEALTH_PATH = "/health"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Says who it is."""

    server_version = "hyops-lab"
    sys_version = ""
    timeout = 5  # seconds: a connection that asks nothing, as a TCP probe's, is dropped
    name = ""

    def do_GET(self) -> None:
        """200 and who this is on /health, 404 elsewhere."""
        found = self.path == HEALTH_PATH
        body = json.dumps({"service": self.name}).encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - as above


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without looking up the host's name, which may ask a resolver."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)


def main(name: str, host: str, port: int) -> None:
    """Listen until ended."""
    _Handler.name = name
    if ipaddress.ip_address(host).version == 6:  # noqa: PLR2004
        _Server.address_family = socket.AF_INET6
    try:
        server = _Server((host, port), _Handler)
    except OSError as error:
        sys.exit(f"cannot listen on {host} port {port}: {(error.strerror or str(error)).lower()}")
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
