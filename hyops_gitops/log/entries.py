"""Entries about the zone, with derived reader, writer and schema (core.codec).

Entries about the log itself are in `admin_entries`; the envelope around all of them (sequence, chain, signer, pinned
files) is in `envelope`. Digests are 64 lower-case hex, times whole seconds of UTC. What is not known is absent, never
invented. A reader ignores fields it does not know, and concludes nothing from a type it does not know.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.damage import Damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.fields import ALWAYS, LEFT_OUT, At, Commit, Natural, Part, Seq, Sha256, Split
from hyops_gitops.core.guards import Override
from hyops_gitops.core.people import MergedCommit
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.log.admin_entries import Gap, Genesis, Reconcile, TrustChange
from hyops_gitops.log.parts import (
    AuthorityRef,
    ContractsRef,
    Hold,
    Lease,
    RecordedRefusal,
    Restore,
    Retirement,
    SecondaryDrift,
    ZoneDigests,
)
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.plan import Change, Drift, Held


@dataclass(frozen=True, slots=True)
class ContractsEntry(JsonObject):
    """The contracts that an entry is about, and who stands behind them."""

    contracts: ContractsRef  # which contracts
    authority: AuthorityRef  # under which authority file
    merged: Annotated[tuple[MergedCommit, ...], At("changes")]  # the commits it carries out, oldest first


@dataclass(frozen=True, slots=True)
class Intent(ContractsEntry):
    """What is about to be sent, written and accepted before it is."""

    before: Annotated[ZoneDigests, At("zone.before")]  # the zone before
    expected: Annotated[ZoneDigests, At("zone.expected")]  # the zone as it will be
    plan_sha256: Annotated[Sha256, At("plan.digest")]  # the plan's digest
    changes: Annotated[tuple[Change, ...], At("plan.changes")]  # what will be done, RRset by RRset
    drift: Annotated[tuple[Drift, ...], At("plan.drift")]  # what was changed outside the log, and is left alone
    held: Annotated[tuple[Held, ...], At("plan.held")]  # endpoints that are left as they were applied last
    overrides: tuple[Override, ...]  # guards that were lifted
    lease: Lease  # how long the writer may act on it
    readiness: tuple[ReadinessReport, ...] = ()  # of the targets that endpoints move to
    restore: Restore | None = None  # nothing is changed but brought back
    sites_lost: Annotated[tuple[str, ...], At("site_lost")] = ()  # whose servers are watched, but not required
    rollback_of: Seq | None = None  # the intent whose changes this one takes back
    holds: tuple[Hold, ...] = ()  # names that stay as this leaves them, until their contracts change
    declared: Declaration = NOTHING_DECLARED  # by the operator of break-glass, where no commit does
    repair: tuple[Damage, ...] = ()  # rows that contradicted each other, which this rewrites


ResultOutcome = Literal["applied", "failed", "refused"]
DigestSource = Literal["computed", "read"]  # from the plan, or from the zone itself


# The serial is written a second time, beside the one before; only `zone.after` is read.
_AFTER = Split(
    (
        Part("zone.after", ZoneDigests, lambda after: after),
        Part("serial.after", Natural | None, lambda after: after.serial),
    ),
    lambda _, after, _serial: after,
)


@dataclass(frozen=True, slots=True)
class Result(JsonObject):
    """Outcome of an intent."""

    intent_seq: Annotated[Seq, At("intent.seq")]  # of the intent
    intent_sha256: Annotated[Sha256, At("intent.sha256")]  # of the intent
    outcome: ResultOutcome  # applied: the primary has it; failed: it was not accepted; refused: it was not sent
    converged: bool  # whether every server that the policy requires serves it
    serial_before: Annotated[Natural | None, At("serial.before")]  # the zone's serial before the update
    after: Annotated[ZoneDigests, _AFTER]  # the zone as it was left
    after_source: Annotated[DigestSource, At("zone.source")]  # computed: from the plan; read: from the zone itself
    accepted: Annotated[datetime | None, LEFT_OUT]  # when the primary accepted the update
    servers: tuple[ServerReport, ...]  # each server in the end
    retire: tuple[Retirement, ...]  # old targets of moved endpoints
    reason: str = ""  # why it was not applied
    recovered: bool = False  # found out by another run, after the writer of the intent had gone
    services: tuple[ServiceReport, ...] = ()  # whether what moved answers through its name
    timeline: tuple[Moment, ...] = ()  # how it spread, in order
    damage: tuple[Damage, ...] = ()  # at the names of the update, as they were read back: another writer's doing


@dataclass(frozen=True, slots=True)
class Unchanged(ContractsEntry):
    """Contracts that asked for nothing new: every merge has a disposition."""

    caught_up: tuple[ServerReport, ...] = ()  # servers that now serve what the last applied intent did without them
    retire: tuple[Retirement, ...] = ()  # what is known since then of old targets
    segment_caught_up: tuple[ServerReport, ...] = ()  # the same, of what a reconciled segment changed after all else


def _by_path(moment: str) -> Split:
    """Pairs of path and SHA-256 as an object."""
    return Split((Part(moment, Mapping[str, Sha256], dict),), lambda _, digests: tuple(digests.items()))


@dataclass(frozen=True, slots=True)
class AuthorityChange(JsonObject):
    """The authority file or the signers changed since the last recorded commit."""

    commit: Commit  # the contracts' commit
    before: Annotated[tuple[tuple[str, str], ...], _by_path("before")]  # SHA-256 by path, as recorded
    after: Annotated[tuple[tuple[str, str], ...], _by_path("after")]  # SHA-256 by path, at the commit


@dataclass(frozen=True, slots=True)
class Refusal(ContractsEntry):
    """An apply stopped by a guard or a finding before sending."""

    refusals: tuple[RecordedRefusal, ...]  # what stopped it
    changes: Annotated[tuple[Change, ...], At("plan.changes")]  # what would have been done, where there was a plan
    overrides: tuple[Override, ...]  # guards that were lifted


@dataclass(frozen=True, slots=True)
class ZoneDrift(JsonObject):
    """A change of the zone outside the log."""

    commit: Commit  # of the contracts, at the run that found it
    before: Annotated[ZoneDigests, At("zone.before")]  # as recorded
    after: Annotated[ZoneDigests, At("zone.after")]  # as found
    differences: tuple[Drift, ...]  # the contract is empty for RRsets that no contract owns
    restored: Annotated[bool, ALWAYS] = False  # whether the anchor says that the zone went back, or was rebuilt
    secondaries: tuple[SecondaryDrift, ...] = ()  # those that do not hold what the primary holds
    damage: tuple[Damage, ...] = ()  # rows of the zone that contradict each other


Body = Genesis | Intent | Result | Refusal | Unchanged | ZoneDrift | AuthorityChange | TrustChange | Gap | Reconcile
BODY_TYPES: dict[str, type[Body]] = {
    "genesis": Genesis,
    "intent": Intent,
    "result": Result,
    "refusal": Refusal,
    "unchanged": Unchanged,
    "drift": ZoneDrift,
    "authority": AuthorityChange,
    "trust": TrustChange,
    "gap": Gap,
    "reconcile": Reconcile,
}


def type_name(body: Body) -> str:
    """The entry's `type`."""
    return next(name for name, cls in BODY_TYPES.items() if isinstance(body, cls))
