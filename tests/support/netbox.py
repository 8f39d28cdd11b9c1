"""A small NetBox on loopback: shapes, filters and paging as a 4.7 answers, and faults."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
Answer = tuple[int, str, bytes]  # status, content type, body
TOKEN = "nbt_abcdefghijkl.0123456789abcdef0123456789abcdef01234567"
PAGE = 1000


def nested(name: str, number: int = 1) -> Object:
    return {"id": number, "url": f"http://netbox.invalid/api/x/{number}/", "name": name, "slug": name.lower()}


def address(number: int, text: str, **members: object) -> Object:
    """One of ipam/ip-addresses."""
    plain: Object = {
        "id": number,
        "address": f"{text}/{128 if ':' in text else 24}",
        "vrf": None,
        "status": {"value": "active", "label": "Active"},
        "role": None,
        "dns_name": "",
        "tenant": None,
        "owner": None,
        "tags": [],
        "assigned_object_type": None,
        "assigned_object": None,
    }
    return plain | members


def prefix(number: int, text: str, **members: object) -> Object:
    """One of ipam/prefixes."""
    plain: Object = {"id": number, "prefix": text, "vrf": None, "scope_type": None, "scope": None}
    return plain | {"tenant": None, "owner": None, "tags": []} | members


def service(number: int, ports: list[str], addresses: list[int], **members: object) -> Object:
    """One of ipam/services."""
    plain: Object = {
        "id": number,
        "name": "main",
        "parent_object_type": "dcim.device",
        "parent_object_id": 1,
        "port_mappings": ports,
        "protocol": None,
        "ports": None,
        "ipaddresses": [{"id": each, "address": "192.0.2.1/24"} for each in addresses],
    }
    return plain | members


def at_site(slug: str) -> Object:
    return {"scope_type": "dcim.site", "scope": nested(slug)}


def on_device(number: int) -> Object:
    """An address's assignment to an interface of a device."""
    return {
        "assigned_object_type": "dcim.interface",
        "assigned_object": {"id": number + 100, "name": "eth0", "device": nested(f"device{number}", number)},
    }


def answer(document: object, status: int = 200) -> Answer:
    return status, "application/json", json.dumps(document).encode()


@dataclass
class NetboxServer:
    """The objects, and what to answer in their place."""

    objects: dict[str, list[Object]] = field(default_factory=dict)  # by path below /api/
    version: str = "4.7.3"
    tags: frozenset[str] = frozenset({"dns-endpoint"})
    sites: frozenset[str] = frozenset({"lab"})
    fault: Callable[["NetboxServer", str, dict[str, list[str]]], Answer | None] | None = None
    requests: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)  # the length of each request line
    url: str = ""

    def put(self, path: str, *objects: Object) -> None:
        self.objects.setdefault(path, []).extend(objects)

    def get(self, path: str, query: dict[str, list[str]]) -> Answer:
        """The answer to one GET below /api/."""
        self.requests.append((path, query))
        if self.fault is not None and (wrong := self.fault(self, path, query)) is not None:
            return wrong
        if path == "status":
            return answer({"netbox-version": self.version})
        for name, known in (("tag", self.tags), ("site", self.sites)):
            if set(query.get(name, ())) - known:
                return answer({name: ["Select a valid choice. x is not one of the available choices."]}, 400)
        found = [each for each in self.objects.get(path, ()) if self._fits(path, each, query)]
        return answer(self._page(path, found, query))

    def _fits(self, path: str, each: Object, query: dict[str, list[str]]) -> bool:
        if path == "ipam/services":
            listed = {str(inner["id"]) for inner in each["ipaddresses"]}
            by = {"ip_address_id": listed, "device_id": {str(each["parent_object_id"])}}
            return all(by[name] & set(query[name]) for name in by.keys() & query.keys())
        if "address" in query and each["address"].partition("/")[0] not in query["address"]:
            return False
        if "object_type" in query and each["object_type"] not in query["object_type"]:
            return False
        return "tag" not in query or set(query["tag"]) <= {tag["slug"] for tag in each["tags"]}

    def _page(self, path: str, found: list[Object], query: dict[str, list[str]]) -> Object:
        limit = min(int(query.get("limit", ["50"])[0]) or PAGE, PAGE)
        by_id = "start" in query and self.version >= "4.6"
        if by_id:
            rest = sorted((each for each in found if each["id"] >= int(query["start"][0])), key=lambda each: each["id"])
            after = {"start": [str(rest[limit]["id"])]} if len(rest) > limit else None
        else:
            first = int(query.get("offset", ["0"])[0])
            rest = found[first:]
            after = {"offset": [str(first + limit)]} if len(rest) > limit else None
        inner = "&".join(f"{name}={text}" for name, texts in {**query, **(after or {})}.items() for text in texts)
        link = f"http://elsewhere.invalid/api/{path}/?{inner}" if after else None  # as behind a careless proxy
        return {"count": None if by_id else len(found), "next": link, "previous": None, "results": rest[:limit]}


@contextlib.contextmanager
def netbox_server(server: NetboxServer, token: str = TOKEN) -> Iterator[NetboxServer]:
    """The server, on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            server.headers.append(dict(self.headers))
            server.lines.append(len(self.requestline))
            kind = "Bearer" if token.startswith("nbt_") else "Token"
            if self.headers.get("Authorization") != f"{kind} {token}":
                status, of, body = answer({"detail": "Invalid v2 token"}, 403)
            else:
                path = parts.path.removeprefix("/api/").rstrip("/")
                status, of, body = server.get(path, parse_qs(parts.query, keep_blank_values=True))
            self.send_response(status)
            self.send_header("Content-Type", of)
            self.send_header("Content-Length", str(len(body)))
            if 300 <= status < 400:
                self.send_header("Location", body.decode())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
