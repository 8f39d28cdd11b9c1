"""A proxy before the primary's API that does one thing wrong to the PATCHes that it was told of."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.authority import ServerAddress
from tests.support.proxy import Patch, Proxy

_BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_CUT_AT = 24


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to PATCHes, from the next on."""

    way: str  # of WAYS
    times: int = 1
    delay_s: float = 0.5


class TroubleProxy(Proxy):
    """Passes everything on, but for what `trouble` says."""

    def __init__(self, upstream: ServerAddress) -> None:
        self.trouble: Trouble | None = None
        self.before: Callable[[], None] | None = None  # once, ahead of the next PATCH
        self.after: Callable[[], None] | None = None  # once, when the server has answered it
        self.answered: Callable[[], None] = lambda: None  # whenever the server has answered a PATCH
        self.down = False  # every request, whatever it is, gets no reply
        self.done = 0  # how many PATCHes met the trouble
        self._late: list[threading.Thread] = []
        super().__init__(upstream)

    def calm(self) -> None:
        """No trouble any more, and nothing of it under way."""
        self.trouble = self.before = self.after = None
        self.doubling = self.down = False
        self.done = 0
        for thread in self._late:
            thread.join()
        self._late.clear()

    def _exchange(self, raw: bytes) -> bytes:
        if self.down:
            return b""
        if not raw.startswith(b"PATCH "):
            return super()._exchange(raw)
        before, self.before = self.before, None
        if before:
            before()
        trouble = self.trouble
        if trouble and self.done < trouble.times:
            self.done += 1
            reply = WAYS[trouble.way](self, raw, trouble.delay_s)
        else:
            reply = super()._exchange(raw)
        after, self.after = self.after, None
        if after:
            after()
        return reply

    def _once(self, raw: bytes) -> bytes:
        reply = super()._once(raw)
        if raw.startswith(b"PATCH "):
            self.answered()
        return reply

    def pass_on(self, raw: bytes) -> bytes:
        """Send one on, and keep what the server said."""
        reply = self._once(raw)
        status = int(reply.split(None, 2)[1]) if reply.startswith(b"HTTP/") else 0
        self.patches.append(Patch(raw, status))
        return reply

    def pass_on_later(self, raw: bytes, delay_s: float) -> None:
        """Send one on when whoever sent it has gone."""

        def later() -> None:
            time.sleep(delay_s)
            self.pass_on(raw)

        thread = threading.Thread(target=later)
        self._late.append(thread)
        thread.start()

    def wait_for(self, count: int, longest_s: float) -> None:
        """Until so many PATCHes have met the trouble."""
        until = time.monotonic() + longest_s
        while self.done < count and time.monotonic() < until:
            time.sleep(0.002)

    def pass_on_twice(self, raw: bytes) -> bytes:
        """Two at the same moment; the last reply."""
        self.doubling = True
        try:
            return super()._exchange(raw)
        finally:
            self.doubling = False


def _lost(_: TroubleProxy, __: bytes, ___: float) -> bytes:
    return b""


def _late(proxy: TroubleProxy, raw: bytes, delay_s: float) -> bytes:
    proxy.pass_on_later(raw, delay_s)
    return b""


def _unanswered(proxy: TroubleProxy, raw: bytes, _: float) -> bytes:
    proxy.pass_on(raw)
    return b""


def _cut(proxy: TroubleProxy, raw: bytes, _: float) -> bytes:
    return proxy.pass_on(raw)[:_CUT_AT]


def _slow_request(proxy: TroubleProxy, raw: bytes, delay_s: float) -> bytes:
    time.sleep(delay_s)
    return proxy.pass_on(raw)


def _slow_reply(proxy: TroubleProxy, raw: bytes, delay_s: float) -> bytes:
    reply = proxy.pass_on(raw)
    time.sleep(delay_s)
    return reply


def _doubled(proxy: TroubleProxy, raw: bytes, _: float) -> bytes:
    return proxy.pass_on_twice(raw)


def _repeated(proxy: TroubleProxy, raw: bytes, delay_s: float) -> bytes:
    reply = proxy.pass_on(raw)
    proxy.pass_on_later(raw, delay_s)
    return reply


def _out_of_order(proxy: TroubleProxy, raw: bytes, delay_s: float) -> bytes:
    """The next one goes first, if one comes in time; and of two replies the later one."""
    place, waits = proxy.done, delay_s / 2
    proxy.wait_for(place + 1, waits)
    reply = proxy.pass_on(raw)
    proxy.wait_for(place + 2, waits)
    return reply


def _gateway_before(_: TroubleProxy, __: bytes, ___: float) -> bytes:
    return _BAD_GATEWAY


def _gateway_after(proxy: TroubleProxy, raw: bytes, _: float) -> bytes:
    proxy.pass_on(raw)
    return _BAD_GATEWAY


WAYS: Mapping[str, Callable[[TroubleProxy, bytes, float], bytes]] = {
    "request lost": _lost,
    "request late, client gone": _late,
    "reply lost": _unanswered,
    "reply cut": _cut,
    "request delayed": _slow_request,
    "reply delayed": _slow_reply,
    "doubled at once": _doubled,
    "repeated later": _repeated,
    "out of order": _out_of_order,
    "502 before": _gateway_before,
    "502 after": _gateway_after,
}
