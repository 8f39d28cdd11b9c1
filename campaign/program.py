"""The program's command line as a process of the campaign's: with limits, another clock, a signal, or a planted fault.

`main` is for `tests.support.commands.Forked`. In its environment, beside what `tests.support.applier` reads:
CAMPAIGN_FILE_BYTES and CAMPAIGN_MEMORY_MIB: limits of the process; of memory, above what it has at its start
CAMPAIGN_CLOCK: seconds that its clock is ahead
CAMPAIGN_JUMP: after how many looks at the clock it is set, and by how many seconds
CAMPAIGN_MACHINE: the identity of another machine's boot
CAMPAIGN_NETWORK: the second machine, where it is
CAMPAIGN_USAGE: a file that gets what the process took
CAMPAIGN_PLANT: a fault of `PLANTS`, which the witness has to find; the product has no such switch
"""

import os
import resource
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Self

from campaign.second_machine import enter
from hyops_gitops.adapters.host import machine
from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.apply import carry_out, finish
from hyops_gitops.apply.prepare import Preparation
from hyops_gitops.apply.read_back import NOTHING_READ
from hyops_gitops.apply.send import PatchOutcome
from hyops_gitops.cli import wiring
from hyops_gitops.cli.main import execute
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.names import MARKER_LABEL
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.outside import Process
from hyops_gitops.core.zone import Key, Operation, RRset
from tests.support.applier import MarkingWorkspace, MarkingWriter, Marks

LIMITS = {"CAMPAIGN_FILE_BYTES": (resource.RLIMIT_FSIZE, 1), "CAMPAIGN_MEMORY_MIB": (resource.RLIMIT_AS, 1 << 20)}


class _OtherClock(SystemClock):
    """Real time, some seconds ahead or behind."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


def _jumping(after: str, seconds: str) -> type[datetime]:
    """A wall clock that is set at one of the looks at it."""
    looks = iter(range(int(after)))

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            ahead = timedelta() if next(looks, None) is not None else timedelta(seconds=float(seconds))
            return super().now(tz) + ahead

    return Jumping


class CampaignWorkspace(MarkingWorkspace):
    """The program's own adapters, where nothing says otherwise."""

    clock = _OtherClock(timedelta(seconds=float(os.environ.get("CAMPAIGN_CLOCK", "0"))))

    @cached_property
    def process(self) -> Process:
        """This run, on the machine that the environment says."""
        own = super().process
        return replace(own, boot_id=os.environ.get("CAMPAIGN_MACHINE", own.boot_id or "")) if own.boot_id else own

    def open_writer(self, authority: Authority) -> ZoneWriter:
        writer = super().open_writer(authority)
        return _Twice(writer, Marks({})) if os.environ.get("CAMPAIGN_PLANT") == "sent twice" else writer


class _Twice(MarkingWriter):
    """Sends what an update is about once more, without what fences it."""

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        receipt = super().patch(deletes, replaces, first)
        again = [rrset for rrset in replaces if MARKER_LABEL not in rrset.name and rrset.type != "SOA"]
        if again:
            super().patch([], again)
        return receipt


def _without_intent() -> None:
    """Send the change, and write nothing."""

    def carry(prepared: Preparation, *_: object) -> None:
        writes = [change for change in prepared.plan.changes if change.writes]
        deletes = [change.key for change in writes if change.after is None]
        prepared.primary.patch(deletes, [change.after for change in writes if change.after is not None])
        raise OutsideFailure("planted: nothing was recorded", code="planted")

    _plant(finish, "carry_out", carry)


def _denies() -> None:
    """Send the change, and record that it failed."""
    real = vars(carry_out)["send"]
    _plant(carry_out, "send", lambda *given: replace(real(*given), outcome="failed", reason="planted"))


def _pretends() -> None:
    """Send nothing, and record that it was applied."""
    _plant(carry_out, "send", lambda *_: PatchOutcome("applied"))
    _plant(carry_out, "believed", lambda _primary, _update, sent, *_: (sent, NOTHING_READ))


def _nothing() -> None:
    return


def _plant(module: ModuleType, name: str, value: object) -> None:
    """Replace what a module has by this name."""
    vars(module)[name] = value


PLANTS: Mapping[str, Callable[[], None]] = {
    "intent skipped": _without_intent,
    "result denies": _denies,
    "result pretends": _pretends,
    "sent twice": _nothing,  # by its writer
}


def main(arguments: Sequence[str]) -> int:
    """The program's own main function, as the environment says."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it and hands that on
    if begun := os.environ.get("CAMPAIGN_BEGUN"):
        Path(begun).touch()
    time.tzset()
    if network := os.environ.get("CAMPAIGN_NETWORK"):
        enter(network)
    for name, (limit, unit) in LIMITS.items():
        if name in os.environ:
            most = int(os.environ[name]) * unit + (_mapped() if limit == resource.RLIMIT_AS else 0)
            resource.setrlimit(limit, (most, most))
    wiring.LocalWorkspace = CampaignWorkspace  # type: ignore[misc]  # the one seam, opened from outside
    if jump := os.environ.get("CAMPAIGN_JUMP"):
        _plant(machine, "datetime", _jumping(*jump.split(" ")))
    PLANTS.get(os.environ.get("CAMPAIGN_PLANT", ""), _nothing)()
    try:
        return execute(list(arguments))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if "CAMPAIGN_USAGE" in os.environ:
            Path(os.environ["CAMPAIGN_USAGE"]).write_text(_usage())


def _usage() -> str:
    """CPU seconds with git's, KiB of memory at most, open handles."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_s = sum(used.ru_utime + used.ru_stime for used in (own, children))
    return f"{cpu_s:.3f} {own.ru_maxrss} {len(list(Path('/proc/self/fd').iterdir()))}"


def _mapped() -> int:
    """Bytes of address space that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
