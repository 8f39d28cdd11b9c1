"""The program's command line, with marks at its steps; at one of them, or some time after it, it kills or stops itself.

`main`, a function for `tests.support.commands.Forked`, has in its environment
RECOVERY_MARKS: a file descriptor to write each mark to as it is passed, a line `MARK NANOSECONDS` each
RECOVERY_AT and RECOVERY_SIGNAL: the mark to raise a signal at, the first time only
RECOVERY_AFTER: seconds; the kernel's alarm that long after the mark takes the place of the signal. Nobody handles it,
so it ends the process as SIGKILL does, wherever that is, and at a moment that no other process could hit
"""

import json
import os
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from hyops_gitops.cli import wiring
from hyops_gitops.cli.main import execute
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.authority import Authority, EvidenceSettings, ServerAddress
from hyops_gitops.core.errors import ServerRefused
from hyops_gitops.core.events import OnEvent
from hyops_gitops.core.exchange import Answer, PatchReceipt, Question, ZoneHeader
from hyops_gitops.core.network import DnsClient, ZoneWriter
from hyops_gitops.core.ports import EvidenceStore, Signer
from hyops_gitops.core.zone import Key, Operation, RRset

MARKS = (
    "started",
    "intent-signing",
    "intent-pushing",
    "intent-pushed",
    "patching",
    "patched",
    "proving",
    "result-signing",
    "result-pushing",
    "result-pushed",
)
ENDED = "ended"  # the mark of a process that was left alone


class Marks:
    """Passes marks, in any order and any number of times."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._descriptor = int(environ.get("RECOVERY_MARKS", "-1"))
        self._at = environ.get("RECOVERY_AT")
        self._signal = signal.Signals[environ.get("RECOVERY_SIGNAL", "SIGKILL")]
        self._after_s = float(environ.get("RECOVERY_AFTER", "0"))

    def passing(self, mark: str) -> None:
        """Say so, and raise the signal, or set the alarm, where this is the place."""
        if self._descriptor >= 0:
            os.write(self._descriptor, f"{mark} {time.monotonic_ns()}\n".encode())
        if mark != self._at:
            return
        self._at = None
        if self._after_s:
            signal.setitimer(signal.ITIMER_REAL, self._after_s)
        else:
            os.kill(os.getpid(), self._signal)


class _MarkingStore:
    """An `EvidenceStore` that passes marks around each append."""

    def __init__(self, store: EvidenceStore, marks: Marks) -> None:
        self._store = store
        self._marks = marks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, parent: str | None, files: Mapping[str, bytes | None], *rest: Any) -> str:
        kind = next(filter(None, (_type(data) for path, data in files.items() if path.endswith(".json") and data)))
        self._marks.passing(f"{kind}-pushing")
        commit = self._store.append(parent, files, *rest)
        self._marks.passing(f"{kind}-pushed")
        return commit


def marking_store(store: EvidenceStore, marks: Marks) -> EvidenceStore:
    """The same store, with marks."""
    return cast("EvidenceStore", _MarkingStore(store, marks))


class MarkingSigner:
    """A `Signer`."""

    def __init__(self, signer: Signer, marks: Marks) -> None:
        self._signer = signer
        self._marks = marks

    def public_key(self) -> str:
        return self._signer.public_key()

    def sign(self, message: bytes, namespace: str) -> bytes:
        if kind := _type(message):
            self._marks.passing(f"{kind}-signing")
        return self._signer.sign(message, namespace)


class MarkingWriter:
    """A `ZoneWriter`. A PATCH that puts down a claim, an update, is told from one that settles."""

    def __init__(self, writer: ZoneWriter, marks: Marks) -> None:
        self._writer = writer
        self._marks = marks

    def header(self) -> ZoneHeader:
        return self._writer.header()

    def rrsets(self) -> tuple[RRset, ...]:
        return self._writer.rrsets()

    def rrsets_at(self, names: Collection[str]) -> tuple[RRset, ...]:
        return self._writer.rrsets_at(names)

    def rrsets_below(self, name: str) -> tuple[RRset, ...] | None:
        return self._writer.rrsets_below(name)

    def rows_at(self, names: Sequence[str]) -> tuple[RRset, ...]:
        return self._writer.rows_at(names)

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        update = any(one.type == "TXT" for one in replaces)
        self._marks.passing("patching" if update else "settling")
        try:
            receipt = self._writer.patch(deletes, replaces, first)
        except ServerRefused:
            if not update:
                self._marks.passing("settled")  # as one that had landed
            raise
        self._marks.passing("patched" if update else "settled")
        return receipt

    def check_size(self, deletes: Sequence[Key], replaces: Sequence[RRset]) -> None:
        self._writer.check_size(deletes, replaces)

    def notify(self) -> None:
        self._writer.notify()


class MarkingDns:
    """A `DnsClient`."""

    def __init__(self, dns: DnsClient, marks: Marks) -> None:
        self._dns = dns
        self._marks = marks
        self._passed = False

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        if not self._passed:
            self._passed = True
            self._marks.passing("proving")
        return self._dns.ask(server, questions, recursion_desired=recursion_desired, timeout_s=timeout_s)


class MarkingWorkspace(LocalWorkspace):
    """The program's own adapters, each within a wrapper."""

    def __init__(
        self,
        root: Path,
        environ: Mapping[str, str] | None = None,
        on_event: OnEvent = lambda _: None,
        authority_file: Path | None = None,
    ) -> None:
        super().__init__(root, environ, on_event, authority_file)
        self._marks = Marks(os.environ)
        self._marks.passing("started")

    def open_store(self, settings: EvidenceSettings) -> EvidenceStore:
        return marking_store(super().open_store(settings), self._marks)

    def open_writer(self, authority: Authority) -> ZoneWriter:
        return MarkingWriter(super().open_writer(authority), self._marks)

    def open_signer(self) -> Signer:
        return MarkingSigner(super().open_signer(), self._marks)

    @cached_property
    def dns(self) -> DnsClient:
        return MarkingDns(super().dns, self._marks)


def _type(data: bytes) -> str | None:
    """The type of the entry in these bytes, if it is one."""
    if not data.startswith(b"{"):
        return None
    kind = json.loads(data)["predicate"]["type"]
    assert isinstance(kind, str)
    return kind


def main(arguments: Sequence[str]) -> int:
    """The program's own main function, with marks."""
    wiring.LocalWorkspace = MarkingWorkspace  # type: ignore[misc]  # the one seam, opened from outside
    try:
        return execute(list(arguments))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        Marks(os.environ).passing(ENDED)
