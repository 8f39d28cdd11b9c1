"""Workspaces with one fault each, around the real parts."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import ReplyLost
from hyops_gitops.core.exchange import PatchReceipt, ZoneHeader
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.zone import Key, Operation, RRset
from hyops_gitops.log.workspace import Workspace

Hook = Callable[[int], None]  # gets the number of the PATCH, from 1; what it raises is raised


def nothing(_number: int) -> None:
    """The hook that does nothing."""


@dataclass
class Primary:
    """A primary that counts what is sent to it; `before` runs ahead of each PATCH, `after` once it is stored."""

    before: Hook = nothing
    after: Hook = nothing
    header: Callable[[ZoneHeader], ZoneHeader] = lambda header: header
    patches: list[tuple[Sequence[Key], Sequence[RRset], Sequence[Operation]]] = field(default_factory=list)
    notified: int = 0
    read: list[str] = field(default_factory=list)  # the names that were read with what is disabled there; `*`: all

    def swap(self, ports: Workspace) -> Workspace:
        """Stand between apply and the primary."""

        def open_writer(authority: Authority) -> ZoneWriter:
            return _Writer(ports.open_writer(authority), self)

        return ports.replaced(open_writer=open_writer)


@dataclass(frozen=True)
class _Writer:
    inner: ZoneWriter
    primary: Primary

    def header(self) -> ZoneHeader:
        return self.primary.header(self.inner.header())

    def rrsets(self) -> tuple[RRset, ...]:
        self.primary.read.append("*")
        return self.inner.rrsets()

    def rrsets_at(self, names: Collection[str]) -> tuple[RRset, ...]:
        self.primary.read.extend(names)
        return self.inner.rrsets_at(names)

    def rrsets_below(self, name: str) -> tuple[RRset, ...] | None:
        return self.inner.rrsets_below(name)

    def rows_at(self, names: Sequence[str]) -> tuple[RRset, ...]:
        return self.inner.rows_at(names)

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        self.primary.patches.append((deletes, replaces, first))
        number = len(self.primary.patches)
        self.primary.before(number)
        receipt = self.inner.patch(deletes, replaces, first)
        self.primary.after(number)
        return receipt

    def check_size(self, deletes: Sequence[Key], replaces: Sequence[RRset]) -> None:
        self.inner.check_size(deletes, replaces)

    def notify(self) -> None:
        self.primary.notified += 1
        self.inner.notify()


@dataclass
class FakeClock:
    """The real time, moved; sleeping only moves it on."""

    offset: timedelta = timedelta(0)
    slept: float = 0.0
    real: SystemClock = field(default_factory=SystemClock)

    def now(self) -> datetime:
        """UTC."""
        return self.real.now() + self.offset

    def monotonic(self) -> float:
        """Real seconds, and those slept."""
        return self.real.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        """Do not wait."""
        self.slept += seconds

    def swap(self, ports: Workspace) -> Workspace:
        """Apply by this clock."""
        return ports.replaced(clock=self)


def fail_first(times: int, error: Exception) -> Hook:
    """A hook that raises for the first PATCHes."""

    def hook(number: int) -> None:
        if number <= times:
            raise error

    return hook


LOST = ReplyLost("no reply", code="powerdns-connection-lost")


def with_primary(primary: Primary) -> Callable[[Workspace], Workspace]:
    """The primary with its faults, and a clock that does not make the test wait."""
    clock = FakeClock()
    return lambda ports: clock.swap(primary.swap(ports))
