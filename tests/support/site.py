"""A world behind a proxy, appliers as processes of their own, and what must hold whatever became of them."""

import multiprocessing
import os
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.host.machine import boot_identity
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsWriter
from hyops_gitops.apply.apply import apply
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.cli.wiring import TOOL
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.outside import Process
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.log import Log
from hyops_gitops.log.pinned_heads import verify_log
from tests.support import applier
from tests.support.commands import Forked
from tests.support.proxy import WAIT_S, Proxy
from tests.support.repository import ROOT
from tests.support.served_zone import PatientWriter
from tests.support.world import Ran, Swap, World

LONG = "HYOPS_LONG" in os.environ
PRIMARY_ONLY = {"timeout_s": 20, "require": ["primary"]}  # the secondaries are watched, but not waited for
_CHUNK = 65536


class Applier:
    """A running applier and its marks. Killed at the end, if it still runs."""

    def __init__(
        self, world: World, *arguments: str, at: str | None = None, raising: str = "SIGKILL", after_s: float = 0
    ) -> None:
        environ = dict(world.environ)
        if at is not None:
            environ |= {"RECOVERY_AT": at, "RECOVERY_SIGNAL": raising, "RECOVERY_AFTER": str(after_s)}
        self._marks, marks = multiprocessing.Pipe(duplex=False)
        command = ["apply", "--repo", str(world.root), *arguments]
        self.process = Forked(applier.main, command, ROOT, environ, marks)
        marks.close()
        self._seen = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.process.end()
        self._marks.close()

    @property
    def marks(self) -> list[str]:
        """The marks passed so far, as far as they were read."""
        return self._seen.decode().split()[::2]

    @property
    def gaps(self) -> Mapping[str, float]:
        """Seconds from each mark to the one after it, by the former; of the marks read so far."""
        times = [int(one) / 1e9 for one in self._seen.decode().split()[1::2]]
        return {mark: after - before for mark, before, after in zip(self.marks, times, times[1:], strict=False)}

    def wait_for(self, mark: str) -> bool:
        """Until this mark is passed; False when the process ended without."""
        deadline = time.monotonic() + WAIT_S
        while mark not in self.marks:
            assert time.monotonic() < deadline, f"{mark} not passed: {self.marks}"
            if not self._read(deadline - time.monotonic()):
                return False
        return True

    def wait_until_stopped(self) -> None:
        """Until a signal has stopped it."""
        deadline = time.monotonic() + WAIT_S
        stat = Path(f"/proc/{self.process.pid}/stat")
        while stat.read_text().rpartition(")")[2].split()[0] != "T":
            assert self.process.poll() is None, self.finish().err
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def finish(self) -> Ran:
        """Its end: every mark, its output and exit status."""
        code = self.process.wait(4 * WAIT_S)
        while self._read(1.0):
            pass
        return Ran(code, self.process.out.decode(), self.process.err.decode())

    def wait_for_words(self, words: bytes) -> None:
        """Until it has written these to stderr."""
        self.process.wait_for_words(words, WAIT_S)

    def _read(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._marks], [], [], max(0.0, timeout_s))
        chunk = os.read(self._marks.fileno(), _CHUNK) if ready else b""
        self._seen += chunk
        return bool(chunk)


@dataclass
class Site:
    """One world whose primary is behind a proxy, and what its contracts say."""

    world: World
    proxy: Proxy
    lab: Lab
    targets: dict[str, str] = field(default_factory=lambda: {"first": "10.0.0.1"})
    _number: int = 1

    @classmethod
    def make(cls, directory: Path, zone: str, lab: Lab, **policy: object) -> "Site":
        """A world with its log started, nothing applied yet."""
        directory.mkdir(exist_ok=True)
        proxy = Proxy(lab.primary.api)
        try:
            behind = replace(lab, primary=replace(lab.primary, api=proxy.address))
            world = World.make(directory, zone, behind, **policy)  # type: ignore[arg-type]  # policy by name
        except BaseException:
            proxy.close()
            raise
        return cls(world, proxy, lab)

    def change(self, service: str = "first") -> str:
        """Merge a contract with a target that no contract had before; the commit."""
        self._number += 1
        self.targets[service] = f"10.{self._number >> 16}.{self._number >> 8 & 255}.{self._number & 255}"
        self.world.contract(service, self.targets[service])
        return self.world.commit(f"Move {service} to {self.targets[service]}")

    def apply(
        self,
        *,
        recover: int | None = None,
        wait: bool = True,
        boot_id: str | None = boot_identity(),
        swap: Swap = lambda ports: ports,
    ) -> Receipt:
        """An ordinary apply of HEAD, in this process, as a live process of this boot."""
        request = ApplyRequest(
            revision="HEAD",
            work_tree_matters=True,
            wait=wait,
            recover=recover,
        )
        process = Process(TOOL, boot_id=boot_id, pid=os.getpid())
        return apply(request, swap(self.world.wiring().replaced(process=process)))

    @property
    def primary(self) -> PowerDnsWriter:
        """The primary's API, past the proxy."""
        return PatientWriter(self.lab.primary.api_url, "localhost", self.world.zone, self.lab.api_key)

    def zone_bytes(self) -> tuple[int, str]:
        """Everything that the zone holds, markers and serial included."""
        return self.primary.header().serial, repr(self.primary.rrsets())

    def verified(self) -> Log:
        """The log, fetched and verified from its first byte."""
        wiring = self.world.wiring()
        if self.world.remote is not None:
            self.world.git("fetch", "-q", "origin", "evidence")
        reading = verify_log(wiring.replaced(work_tree=WorkTree(self.world.root)))
        assert reading.ok, reading.problems
        assert reading.log is not None
        return reading.log

    def check(self) -> Log:
        """What must hold after any accident and one ordinary apply: log, contracts, zone and wire agree."""
        log = self.verified()
        assert log.open_intent is None
        served = {rrset.name: rrset.rdata for rrset in self.primary.rrsets() if rrset.type == "A"}
        assert served == {self.world.name(service): (target,) for service, target in self.targets.items()}
        assert (
            log.observed.digest() == log.state.zone.digest() or log.observed.rrsets.keys() >= log.state.entries.keys()
        )
        intents = {one.seq: one.sha256 for one in log.entries if isinstance(one.body, Intent)}
        for patch in self.proxy.updates():  # nothing was ever sent without its intent
            assert patch.claims is not None
            seq, sha256 = patch.claims
            assert intents[seq] == sha256
        landed = [patch.claims[0] for patch in self.proxy.landed() if patch.claims]
        applied = [one.intent_entry.seq for one in log.applied_after(0)]
        assert landed == applied, "each applied intent landed once, in the order of the log, and no other did"
        anchors = [rrset for rrset in self.primary.rrsets_at([anchor_name(log.zone)]) if rrset.type == "TXT"]
        assert [Anchor.parse(one) for one in anchors] == [
            Anchor(one.intent_entry.seq, one.intent_entry.sha256) for one in log.applied_after(0)
        ][-1:]
        return log


def results(log: Log) -> Mapping[int, Result]:
    """The results, by the number of their intent."""
    return {one.body.intent_seq: one.body for one in log.entries if isinstance(one.body, Result)}
