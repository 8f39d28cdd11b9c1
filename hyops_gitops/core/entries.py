"""What evidence entries say: one frozen dataclass per type, with its JSON form and back.

The envelope around them (sequence, chain, signer, pinned files) is `core.envelope`. Digests are 64 lower-case hex,
times whole seconds of UTC. What is not known is absent, never invented. Fields that a reader does not know are ignored;
a type that it does not know means that it cannot conclude.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import Fields, time_text
from hyops_gitops.core.plan import Action, Change, Drift, Held
from hyops_gitops.core.zone import RRset

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class ContractsRef:
    """Which contracts: a commit and the digest of its manifest.

    The manifest has a line `SHA256  PATH` for each file under authority/ and endpoints/, by path, as sha256sum prints.
    """

    commit: str
    manifest: str

    def to_json(self) -> Json:
        """The entry's form."""
        return {"commit": self.commit, "manifest": self.manifest}

    @classmethod
    def from_json(cls, fields: Fields) -> "ContractsRef":
        """Back from the entry's form."""
        return cls(fields.text("commit"), fields.sha256("manifest"))


@dataclass(frozen=True, slots=True)
class AuthorityRef:
    """Which authority file: its digest, and whether it came from outside the commit (`--authority`)."""

    sha256: str
    outside_commit: bool

    def to_json(self) -> Json:
        """The entry's form."""
        return {"sha256": self.sha256, "outside_commit": self.outside_commit}

    @classmethod
    def from_json(cls, fields: Fields) -> "AuthorityRef":
        """Back from the entry's form."""
        return cls(fields.sha256("sha256"), fields.boolean("outside_commit"))


@dataclass(frozen=True, slots=True)
class ZoneDigests:
    """The zone at one moment: the managed set, the whole of it, and the serial the API reported."""

    managed: str
    whole: str
    serial: int | None

    def to_json(self) -> Json:
        """The entry's form."""
        serial: Json = {} if self.serial is None else {"serial": self.serial}
        return {"managed": self.managed, "whole": self.whole, **serial}

    @classmethod
    def from_json(cls, fields: Fields) -> "ZoneDigests":
        """Back from the entry's form."""
        return cls(fields.sha256("managed"), fields.sha256("whole"), fields.optional_integer("serial"))


@dataclass(frozen=True, slots=True)
class MergedCommit:
    """One first-parent commit of the contracts' branch that an apply carries out."""

    commit: str
    title: str  # at most 200 characters, secrets and e-mail addresses masked
    author: str  # as the commit names them, masked likewise
    time: datetime

    def to_json(self) -> Json:
        """The entry's form."""
        return {"commit": self.commit, "title": self.title, "author": self.author, "time": time_text(self.time)}

    @classmethod
    def from_json(cls, fields: Fields) -> "MergedCommit":
        """Back from the entry's form."""
        return cls(fields.text("commit"), fields.text("title"), fields.text("author"), fields.time("time"))


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the writer of an intent may act on it, and how to tell that it is gone."""

    seconds: int
    boot_id: str | None
    pid: int

    def to_json(self) -> Json:
        """The entry's form."""
        boot: Json = {} if self.boot_id is None else {"boot_id": self.boot_id}
        return {"seconds": self.seconds, "pid": self.pid, **boot}

    @classmethod
    def from_json(cls, fields: Fields) -> "Lease":
        """Back from the entry's form."""
        return cls(fields.integer("seconds"), fields.optional_text("boot_id"), fields.integer("pid"))


@dataclass(frozen=True, slots=True)
class Genesis:
    """The first entry: the commit it was made at, and the keys trusted from the start."""

    commit: str
    trusted: tuple[tuple[str, str], ...]  # principal, key

    def to_json(self) -> Json:
        """The entry's form."""
        return {"commit": self.commit, "trusted": [{"principal": who, "key": key} for who, key in self.trusted]}

    @classmethod
    def from_json(cls, fields: Fields) -> "Genesis":
        """Back from the entry's form."""
        trusted = tuple((one.text("principal"), one.text("key")) for one in fields.objects("trusted"))
        return cls(fields.text("commit"), trusted)


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

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "contracts": self.contracts.to_json(),
            "authority": self.authority.to_json(),
            "changes": [commit.to_json() for commit in self.merged],
            "zone": {"before": self.before.to_json(), "expected": self.expected.to_json()},
            "plan": {
                "digest": self.plan_sha256,
                "changes": [change.to_json() for change in self.changes],
                "drift": [drift.to_json() for drift in self.drift],
                "held": [held.to_json() for held in self.held],
            },
            "overrides": [_override_json(override) for override in self.overrides],
            "lease": self.lease.to_json(),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Intent":
        """Back from the entry's form."""
        zone, plan = fields.nested("zone"), fields.nested("plan")
        return cls(
            ContractsRef.from_json(fields.nested("contracts")),
            AuthorityRef.from_json(fields.nested("authority")),
            tuple(MergedCommit.from_json(one) for one in fields.objects("changes")),
            ZoneDigests.from_json(zone.nested("before")),
            ZoneDigests.from_json(zone.nested("expected")),
            plan.sha256("digest"),
            tuple(_change(one) for one in plan.objects("changes")),
            tuple(_drift(one) for one in plan.objects("drift")),
            tuple(Held(one.text("name"), one.text("contract"), one.text("reason")) for one in plan.objects("held")),
            tuple(_override(one) for one in fields.objects("overrides")),
            Lease.from_json(fields.nested("lease")),
        )


ServerVerdict = Literal["converged", "stale", "silent"]
VERDICTS: tuple[ServerVerdict, ...] = ("converged", "stale", "silent")


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What one server answered in the end, and when it first answered with everything expected."""

    role: str  # primary, secondary, resolver
    name: str
    address: str
    verdict: ServerVerdict
    after_ms: int | None  # since the update was accepted; None while not converged
    answers: tuple[tuple[str, str, str, int | None, tuple[str, ...]], ...] = ()  # name, type, rcode, TTL, rdata

    def to_json(self) -> Json:
        """The shape used in receipts and in evidence."""
        return {
            "role": self.role,
            "name": self.name,
            "address": self.address,
            "verdict": self.verdict,
            "after_ms": self.after_ms,
            "answers": [
                {"name": name, "type": rrtype, "rcode": rcode, "ttl": ttl, "rdata": list(rdata)}
                for name, rrtype, rcode, ttl, rdata in self.answers
            ],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "ServerReport":
        """Back from that shape."""
        return cls(
            fields.text("role"),
            fields.text("name"),
            fields.text("address"),
            fields.choice("verdict", VERDICTS),
            fields.optional_integer("after_ms"),
            tuple(
                (one.text("name"), one.text("type"), one.text("rcode"), one.optional_integer("ttl"), one.texts("rdata"))
                for one in fields.objects("answers")
            ),
        )


@dataclass(frozen=True, slots=True)
class Retirement:
    """From when on no cache can hold the old target of a moved endpoint; None while that cannot be known."""

    name: str
    after: datetime | None

    def to_json(self) -> Json:
        """The shape used in receipts and in evidence."""
        return {"name": self.name, "after": time_text(self.after) if self.after else None}

    @classmethod
    def from_json(cls, fields: Fields) -> "Retirement":
        """Back from that shape."""
        return cls(fields.text("name"), fields.optional_time("after"))


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

    def to_json(self) -> Json:
        """The entry's form."""
        reason: Json = {"reason": self.reason} if self.reason else {}
        accepted: Json = {"accepted": time_text(self.accepted)} if self.accepted else {}
        return {
            "intent": {"seq": self.intent_seq, "sha256": self.intent_sha256},
            "outcome": self.outcome,
            "converged": self.converged,
            "serial": {"before": self.serial_before, "after": self.after.serial},
            "zone": {"after": self.after.to_json(), "source": self.after_source},
            "servers": [server.to_json() for server in self.servers],
            "retire": [one.to_json() for one in self.retire],
            **reason,
            **accepted,
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
            tuple(ServerReport.from_json(one) for one in fields.objects("servers")),
            tuple(Retirement.from_json(one) for one in fields.objects("retire")),
            fields.optional_text("reason") or "",
        )


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Contracts that asked for nothing new: every merge has a disposition."""

    contracts: ContractsRef
    authority: AuthorityRef
    merged: tuple[MergedCommit, ...]

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "contracts": self.contracts.to_json(),
            "authority": self.authority.to_json(),
            "changes": [commit.to_json() for commit in self.merged],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Unchanged":
        """Back from the entry's form."""
        return cls(
            ContractsRef.from_json(fields.nested("contracts")),
            AuthorityRef.from_json(fields.nested("authority")),
            tuple(MergedCommit.from_json(one) for one in fields.objects("changes")),
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


Body = Genesis | Intent | Result | Unchanged | AuthorityChange
BODY_TYPES: dict[str, type[Body]] = {
    "genesis": Genesis,
    "intent": Intent,
    "result": Result,
    "unchanged": Unchanged,
    "authority": AuthorityChange,
}


def type_name(body: Body) -> str:
    """The entry's `type`."""
    return next(name for name, cls in BODY_TYPES.items() if isinstance(body, cls))


def _override_json(override: Override) -> Json:
    name: Json = {} if override.name is None else {"name": override.name}
    return {"guard": override.guard, "reason": override.reason, "source": override.source, **name}


def _override(fields: Fields) -> Override:
    return Override(fields.text("guard"), fields.optional_text("name"), fields.text("reason"), fields.text("source"))


def _rrset(name: str, rrtype: str, ttl: int | None, rdata: tuple[str, ...]) -> RRset | None:
    return None if ttl is None else RRset.of(name, rrtype, ttl, rdata)


def _change(fields: Fields) -> Change:
    name, rrtype, ttl = fields.text("name"), fields.text("type"), fields.nested("ttl")
    return Change(
        fields.choice("action", list(Action)),
        name,
        rrtype,
        _rrset(name, rrtype, ttl.optional_integer("before"), fields.texts("before")),
        _rrset(name, rrtype, ttl.optional_integer("after"), fields.texts("after")),
        fields.text("contract"),
        cutover=fields.boolean("cutover"),
    )


def _drift(fields: Fields) -> Drift:
    name, rrtype, ttl = fields.text("name"), fields.text("type"), fields.nested("ttl")
    return Drift(
        name,
        rrtype,
        _rrset(name, rrtype, ttl.optional_integer("recorded"), fields.texts("recorded")),
        _rrset(name, rrtype, ttl.optional_integer("observed"), fields.texts("observed")),
        fields.text("contract"),
    )
