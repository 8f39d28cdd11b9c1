"""What evidence entries say about the zone: one frozen dataclass per type, with its JSON form and back.

Entries about the log itself are in `custody_entries`; the envelope around all of them (sequence, chain, signer, pinned
files) is in `envelope`. Digests are 64 lower-case hex, times whole seconds of UTC. What is not known is absent, never
invented. A reader ignores fields it does not know, and concludes nothing from a type it does not know.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.damage import Damage
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import Fields, Json, present, time_text
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
    change_from_json,
    drift_from_json,
    held_from_json,
    override_from_json,
    override_json,
)
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.plan import Change, Drift, Held


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be sent, written and accepted before it is."""

    contracts: ContractsRef
    authority: AuthorityRef
    merged: tuple[MergedCommit, ...]
    before: ZoneDigests
    expected: ZoneDigests
    plan_sha256: str
    changes: tuple[Change, ...]
    drift: tuple[Drift, ...]
    held: tuple[Held, ...]
    overrides: tuple[Override, ...]
    lease: Lease
    readiness: tuple[ReadinessReport, ...] = ()  # of the targets that endpoints move to
    restore: Restore | None = None  # nothing is changed but brought back
    sites_lost: tuple[str, ...] = ()  # whose servers are watched, but not required
    rollback_of: int | None = None  # the intent whose changes this one takes back
    holds: tuple[Hold, ...] = ()  # names that stay as this leaves them, until their contracts change
    declared: Declaration = NOTHING_DECLARED  # by whoever ran this, where no commit does: break-glass
    repair: tuple[Damage, ...] = ()  # rows that contradicted each other, which this rewrites

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            **_asked_json(self),
            "zone": {"before": self.before.to_json(), "expected": self.expected.to_json()},
            "plan": {
                "digest": self.plan_sha256,
                "changes": [change.to_json() for change in self.changes],
                "drift": [drift.to_json() for drift in self.drift],
                "held": [held.to_json() for held in self.held],
            },
            "overrides": [override_json(override) for override in self.overrides],
            "lease": self.lease.to_json(),
            **present(
                readiness=[one.to_json() for one in self.readiness],
                restore=self.restore.to_json() if self.restore else None,
                site_lost=list(self.sites_lost),
                rollback_of=self.rollback_of,
                holds=[hold.to_json() for hold in self.holds],
                declared=self.declared.to_json(),
                repair=[one.to_json() for one in self.repair],
            ),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Intent":
        """Back from the entry's form."""
        zone, plan = fields.nested("zone"), fields.nested("plan")
        return cls(
            *_asked(fields),
            ZoneDigests.from_json(zone.nested("before")),
            ZoneDigests.from_json(zone.nested("expected")),
            plan.sha256("digest"),
            plan.each("changes", change_from_json),
            plan.each("drift", drift_from_json),
            plan.each("held", held_from_json),
            fields.each("overrides", override_from_json),
            Lease.from_json(fields.nested("lease")),
            fields.optional_each("readiness", ReadinessReport.from_json),
            fields.optional("restore", Restore.from_json),
            fields.optional_texts("site_lost"),
            fields.optional_integer("rollback_of"),
            fields.optional_each("holds", Hold.from_json),
            fields.optional("declared", Declaration.from_json) or NOTHING_DECLARED,
            fields.optional_each("repair", Damage.from_json),
        )


ResultOutcome = Literal["applied", "failed", "refused"]
OUTCOMES: tuple[ResultOutcome, ...] = ("applied", "failed", "refused")
DigestSource = Literal["computed", "read"]  # from the plan, or from the zone itself
DIGEST_SOURCES: tuple[DigestSource, ...] = ("computed", "read")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an intent."""

    intent_seq: int
    intent_sha256: str
    outcome: ResultOutcome
    converged: bool  # every server that the policy requires serves it
    serial_before: int | None
    after: ZoneDigests
    after_source: DigestSource
    accepted: datetime | None  # when the primary accepted the update
    servers: tuple[ServerReport, ...]
    retire: tuple[Retirement, ...]
    reason: str = ""  # why not applied
    recovered: bool = False  # found out by another run, after the writer of the intent had gone
    services: tuple[ServiceReport, ...] = ()  # whether what moved answers through its name
    timeline: tuple[Moment, ...] = ()
    damage: tuple[Damage, ...] = ()  # at the names of the update, as they were read back: another writer's doing

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "intent": {"seq": self.intent_seq, "sha256": self.intent_sha256},
            "outcome": self.outcome,
            "converged": self.converged,
            "serial": {"before": self.serial_before, "after": self.after.serial},
            "zone": {"after": self.after.to_json(), "source": self.after_source},
            "servers": [server.to_json() for server in self.servers],
            "retire": [one.to_json() for one in self.retire],
            **present(
                reason=self.reason,
                accepted=time_text(self.accepted) if self.accepted else None,
                recovered=self.recovered,
                services=[one.to_json() for one in self.services],
                timeline=[one.to_json() for one in self.timeline],
                damage=[one.to_json() for one in self.damage],
            ),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Result":
        """Back from the entry's form."""
        intent, zone = fields.nested("intent"), fields.nested("zone")
        return cls(
            intent.integer("seq"),
            intent.sha256("sha256"),
            fields.choice("outcome", OUTCOMES),
            fields.boolean("converged"),
            fields.nested("serial").optional_integer("before"),
            ZoneDigests.from_json(zone.nested("after")),
            zone.choice("source", DIGEST_SOURCES),
            fields.optional_time("accepted"),
            fields.each("servers", ServerReport.from_json),
            fields.each("retire", Retirement.from_json),
            fields.optional_text("reason") or "",
            recovered=fields.flag("recovered"),
            services=fields.optional_each("services", ServiceReport.from_json),
            timeline=fields.optional_each("timeline", Moment.from_json),
            damage=fields.optional_each("damage", Damage.from_json),
        )


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Contracts that asked for nothing new: every merge has a disposition."""

    contracts: ContractsRef
    authority: AuthorityRef
    merged: tuple[MergedCommit, ...]
    caught_up: tuple[ServerReport, ...] = ()  # servers that now serve what the last applied intent did without them
    retire: tuple[Retirement, ...] = ()  # what is known since then
    segment_caught_up: tuple[ServerReport, ...] = ()  # the same, of what a reconciled segment changed after all else

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            **_asked_json(self),
            **present(
                caught_up=[one.to_json() for one in self.caught_up],
                retire=[one.to_json() for one in self.retire],
                segment_caught_up=[one.to_json() for one in self.segment_caught_up],
            ),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Unchanged":
        """Back from the entry's form."""
        return cls(
            *_asked(fields),
            fields.optional_each("caught_up", ServerReport.from_json),
            fields.optional_each("retire", Retirement.from_json),
            fields.optional_each("segment_caught_up", ServerReport.from_json),
        )


@dataclass(frozen=True, slots=True)
class AuthorityChange:
    """The authority file or the signers changed since the last recorded commit."""

    commit: str
    before: tuple[tuple[str, str], ...]  # path, SHA-256
    after: tuple[tuple[str, str], ...]

    def to_json(self) -> Json:
        """The entry's form."""
        return {"commit": self.commit, "before": dict(self.before), "after": dict(self.after)}

    @classmethod
    def from_json(cls, fields: Fields) -> "AuthorityChange":
        """Back from the entry's form."""
        before, after = fields.nested("before"), fields.nested("after")
        return cls(
            fields.text("commit"),
            tuple((path, before.sha256(path)) for path in before.names()),
            tuple((path, after.sha256(path)) for path in after.names()),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An apply that a guard, or a finding, stopped before anything was sent."""

    contracts: ContractsRef
    authority: AuthorityRef
    merged: tuple[MergedCommit, ...]
    refusals: tuple[RecordedRefusal, ...]
    changes: tuple[Change, ...]  # what would have been done, where it came to a plan
    overrides: tuple[Override, ...]

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            **_asked_json(self),
            "refusals": [refusal.to_json() for refusal in self.refusals],
            "plan": {"changes": [change.to_json() for change in self.changes]},
            "overrides": [override_json(override) for override in self.overrides],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Refusal":
        """Back from the entry's form."""
        return cls(
            *_asked(fields),
            fields.each("refusals", RecordedRefusal.from_json),
            fields.nested("plan").each("changes", change_from_json),
            fields.each("overrides", override_from_json),
        )


@dataclass(frozen=True, slots=True)
class ZoneDrift:
    """The zone is not what the entry before left: what happened outside the log."""

    commit: str  # of the contracts, at the run that found it
    before: ZoneDigests  # as recorded
    after: ZoneDigests  # as found
    differences: tuple[Drift, ...]  # contract is "" for RRsets that no contract owns
    restored: bool = False  # the anchor says that the zone went back, or was rebuilt
    secondaries: tuple[SecondaryDrift, ...] = ()  # those that do not hold what the primary holds
    damage: tuple[Damage, ...] = ()  # rows of the zone that contradict each other

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "commit": self.commit,
            "zone": {"before": self.before.to_json(), "after": self.after.to_json()},
            "differences": [one.to_json() for one in self.differences],
            "restored": self.restored,
            **present(
                secondaries=[one.to_json() for one in self.secondaries],
                damage=[one.to_json() for one in self.damage],
            ),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "ZoneDrift":
        """Back from the entry's form."""
        zone = fields.nested("zone")
        return cls(
            fields.text("commit"),
            ZoneDigests.from_json(zone.nested("before")),
            ZoneDigests.from_json(zone.nested("after")),
            fields.each("differences", drift_from_json),
            restored=fields.boolean("restored"),
            secondaries=fields.optional_each("secondaries", SecondaryDrift.from_json),
            damage=fields.optional_each("damage", Damage.from_json),
        )


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


def _asked_json(body: Intent | Unchanged | Refusal) -> Json:
    """Which contracts were to be carried out, under which authority, and the commits that brought them."""
    return {
        "contracts": body.contracts.to_json(),
        "authority": body.authority.to_json(),
        "changes": [commit.to_json() for commit in body.merged],
    }


def _asked(fields: Fields) -> tuple[ContractsRef, AuthorityRef, tuple[MergedCommit, ...]]:
    """Back from those fields."""
    return (
        ContractsRef.from_json(fields.nested("contracts")),
        AuthorityRef.from_json(fields.nested("authority")),
        fields.each("changes", MergedCommit.from_json),
    )


def type_name(body: Body) -> str:
    """The entry's `type`."""
    return next(name for name, cls in BODY_TYPES.items() if isinstance(body, cls))
