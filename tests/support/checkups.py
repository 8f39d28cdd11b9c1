"""A doctor that looks at a world."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.checkup import Check, DoctorRequest
from hyops_gitops.observe.doctor import Checkup, examine
from tests.support.world import World

SITES = DoctorRequest(runner_site="hetzner", remote_site="hetzner")


# What a bare repository does not show, nor PowerDNS without a proxy.
LOOKED = {
    "protection-main": "an update hook, looked at today",
    "clock": "one machine",
}


ONLY_WRITER = {"isolation": "the applier is the only writer"}  # where the database makes that a question


class Skewed(SystemClock):
    """A clock that is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


def checkup_of(
    world: World,
    request: DoctorRequest = SITES,
    attests: Mapping[str, str] = {**LOOKED, **ONLY_WRITER},
    swap: Callable[[Workspace], Workspace] = lambda ports: ports,
) -> Checkup:
    """Everything tried; nothing may be another afterwards."""
    assert world.remote is not None
    hook = world.remote / "hooks" / "update"
    hook.write_text("#!/bin/sh\nexit 0\n")
    hook.chmod(0o755)
    before = world.git("for-each-ref"), world.evidence_head(), world.git("status", "--porcelain")
    checkup = examine(
        replace(request, bound_url=world.environ.get("HYOPS_PRIMARY_URL", "")), swap(world.wiring()), attests
    )
    assert (world.git("for-each-ref"), world.evidence_head(), world.git("status", "--porcelain")) == before
    return checkup


def wrong(world: World, **options: object) -> dict[str, Check]:
    """The checks of a world that are not ok, by id."""
    checks = checkup_of(world, **options).checks  # type: ignore[arg-type]  # options by name
    return {check.id: check for check in checks if check.state not in ("ok", "attested")}


@dataclass(frozen=True)
class Dated:
    """A reader behind a proxy that tells the time, which PowerDNS does not."""

    reader: ZoneReader

    def header(self) -> ZoneHeader:
        return replace(self.reader.header(), server_time=SystemClock().now())

    def rrsets(self) -> tuple[RRset, ...]:
        return self.reader.rrsets()

    def rrsets_at(self, names: Collection[str]) -> tuple[RRset, ...]:
        return self.reader.rrsets_at(names)

    def rrsets_below(self, name: str) -> tuple[RRset, ...] | None:
        return self.reader.rrsets_below(name)

    def rows_at(self, names: Sequence[str]) -> tuple[RRset, ...]:
        return self.reader.rows_at(names)


def with_clock(by: timedelta) -> Callable[[Workspace], Workspace]:
    """A workspace whose clock is off by this much, and an API that tells the right time."""

    def swap(ports: Workspace) -> Workspace:
        return ports.replaced(clock=Skewed(by), open_reader=lambda authority: Dated(ports.open_reader(authority)))

    return swap
