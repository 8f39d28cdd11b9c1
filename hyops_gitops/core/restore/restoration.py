"""What a restore is about to do, and what came of it, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.apply.receipt import EntryRef
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.evidence.entry_parts import Restore, ServerReport

RestoreOutcome = Literal["restored", "nothing", "unconfirmed", "failed"]


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What comes back."""

    zone: str
    records: int  # of the zone as it will be
    zone_sha256: str  # as it will be
    restore: Restore
    serial_before: int | None  # None: there is no zone
    silent: tuple[str, ...]  # secondaries that did not say what they serve
    troubles: Mapping[str, str]  # what each of those did instead of answering

    def to_json(self) -> dict[str, object]:
        """The shape used in `hyops-restore/1`."""
        return {
            "zone": self.zone,
            "records": self.records,
            "zone_sha256": self.zone_sha256,
            "serial_before": self.serial_before,
            "silent": list(self.silent),
            "troubles": dict(self.troubles),
            **self.restore.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of it."""

    outcome: RestoreOutcome
    zone: str
    head: EntryRef
    plan: RestorePlan | None = None
    reason: str = ""
    serial_after: int | None = None
    servers: Sequence[ServerReport] = ()
    intent: EntryRef | None = None
    result: EntryRef | None = None

    @property
    def exit_code(self) -> Exit:
        """What the process answers."""
        return {
            "restored": Exit.OK,
            "nothing": Exit.OK,
            "unconfirmed": Exit.UNCONFIRMED,
            "failed": Exit.OUTSIDE,
        }[self.outcome]

    def to_json(self) -> dict[str, object]:
        """`hyops-restore/1`."""
        return {
            "format": "hyops-restore/1",
            "outcome": self.outcome,
            "zone": self.zone,
            "reason": self.reason,
            "plan": self.plan.to_json() if self.plan else None,
            "serial_after": self.serial_after,
            "servers": [server.to_json() for server in self.servers],
            "intent": self.intent.to_json() if self.intent else None,
            "result": self.result.to_json() if self.result else None,
            "head": self.head.to_json(),
        }
