"""A proxy before a PowerDNS API that answers in a database's place, or lets another writer come between."""

import re
from collections.abc import Callable

from hyops_gitops.core.authority import ServerAddress
from tests.support.proxy import Patch, Proxy

_STORED = b"HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_AWAY = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 21\r\n\r\nInternal Server Error"


class Between(Proxy):
    """Passes everything on, but for what a test sets.

    `lies`: whether a PATCH is answered with 204 and stored nowhere, as a Galera node does whose transaction the cluster
    rolls back after PowerDNS was told that it was committed (a stand-in: it takes two writers and luck to see it).
    `then`: runs once, after the next update has been stored and before its 204 is passed on.
    """

    def __init__(self, upstream: ServerAddress) -> None:
        self.lies: Callable[[Patch], bool] = lambda _: False
        self.then: Callable[[], None] | None = None
        self.unreadable = False
        self.asked: list[str] = []  # the names that were asked for one by one
        self.whole = 0  # times that the whole zone was read
        super().__init__(upstream)

    def _forward(self, raw: bytes) -> bytes:
        if raw.startswith(b"GET "):
            if name := re.match(rb"GET \S*[?&]rrset_name=([^& ]*)", raw):
                self.asked.append(name[1].decode())
            self.whole += re.match(rb"GET \S*/zones/[^/?& ]+ ", raw) is not None
            return _AWAY if self.unreadable else super()._forward(raw)
        patch = Patch(raw, 0)
        if raw.startswith(b"PATCH ") and self.lies(patch):
            return _STORED
        reply = super()._forward(raw)
        if raw.startswith(b"PATCH ") and patch.claims and self.then is not None:
            then, self.then = self.then, None
            then()
        return reply
