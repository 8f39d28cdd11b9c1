"""What evidence entries are made of: values that several types of entry share, with their JSON form and back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.guards import Override
from hyops_gitops.core.json_fields import Fields, Json, present, time_text
from hyops_gitops.core.zone import RRset
from hyops_gitops.plan.plan import Action, Change, Drift, Held


def override_json(override: Override) -> Json:
    """The entry's form of an override."""
    said = {"guard": override.guard, "reason": override.reason, "source": override.source}
    return {**said, **present(name=override.name)}


def override_from_json(fields: Fields) -> Override:
    """Back from the entry's form of an override."""
    return Override(fields.text("guard"), fields.optional_text("name"), fields.text("reason"), fields.text("source"))


def _rrset(name: str, rrtype: str, ttl: int | None, rdata: tuple[str, ...]) -> RRset | None:
    return None if ttl is None else RRset.of(name, rrtype, ttl, rdata)


def change_from_json(fields: Fields) -> Change:
    """Back from `Change.to_json`; which records were disabled is not in it."""
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


def drift_from_json(fields: Fields) -> Drift:
    """Back from `Drift.to_json`."""
    name, rrtype, ttl = fields.text("name"), fields.text("type"), fields.nested("ttl")
    return Drift(
        name,
        rrtype,
        _rrset(name, rrtype, ttl.optional_integer("recorded"), fields.texts("recorded")),
        _rrset(name, rrtype, ttl.optional_integer("observed"), fields.texts("observed")),
        fields.text("contract"),
    )


def held_from_json(fields: Fields) -> Held:
    """Back from `Held.to_json`."""
    return Held(fields.text("name"), fields.text("contract"), fields.text("reason"))


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
        return {"managed": self.managed, "whole": self.whole, **present(serial=self.serial)}

    @classmethod
    def from_json(cls, fields: Fields) -> "ZoneDigests":
        """Back from the entry's form."""
        return cls(fields.sha256("managed"), fields.sha256("whole"), fields.optional_integer("serial"))


@dataclass(frozen=True, slots=True)
class Hold:
    """A name that stays where an intent put it until its contract says something else than it did then."""

    name: str
    contract_sha256: str  # of the contract's data (log.holds)

    def to_json(self) -> Json:
        """The entry's form."""
        return {"name": self.name, "contract_sha256": self.contract_sha256}

    @classmethod
    def from_json(cls, fields: Fields) -> "Hold":
        """Back from the entry's form."""
        return cls(fields.text("name"), fields.sha256("contract_sha256"))


@dataclass(frozen=True, slots=True)
class Lease:
    """How long the writer of an intent may act on it, and how to tell that it is gone."""

    seconds: int
    boot_id: str | None
    pid: int

    def to_json(self) -> Json:
        """The entry's form."""
        return {"seconds": self.seconds, "pid": self.pid, **present(boot_id=self.boot_id)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Lease":
        """Back from the entry's form."""
        return cls(fields.integer("seconds"), fields.optional_text("boot_id"), fields.integer("pid"))


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key as the log knows it: whose, and for which namespaces (empty: any)."""

    principal: str
    key: str  # `<type> <base64>`
    namespaces: tuple[str, ...]

    def to_json(self) -> Json:
        """The entry's form."""
        return {"principal": self.principal, "key": self.key, "namespaces": list(self.namespaces)}

    @classmethod
    def from_json(cls, fields: Fields) -> "TrustedKey":
        """Back from the entry's form."""
        return cls(fields.text("principal"), fields.text("key"), fields.texts("namespaces"))


@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    """What stopped an apply."""

    guard: str  # or `findings`
    name: str | None
    message: str

    def to_json(self) -> Json:
        """The entry's form."""
        return {"guard": self.guard, "message": self.message, **present(name=self.name)}

    @classmethod
    def from_json(cls, fields: Fields) -> "RecordedRefusal":
        """Back from the entry's form."""
        return cls(fields.text("guard"), fields.optional_text("name"), fields.text("message"))


SecondaryDriftKind = Literal["behind", "edited"]  # an older zone; other content under the same serial
SECONDARY_DRIFTS: tuple[SecondaryDriftKind, ...] = ("behind", "edited")


@dataclass(frozen=True, slots=True)
class Retirement:
    """From when on no cache can hold the old target of a moved endpoint; None while that cannot be known."""

    name: str
    after: datetime | None
    why: str = ""  # why it cannot be known
    not_before: datetime | None = None  # by the TTLs alone, where `after` is not known

    def to_json(self) -> Json:
        """The shape used in receipts and in evidence."""
        return {
            "name": self.name,
            "after": time_text(self.after) if self.after else None,
            **present(why=self.why, not_before=time_text(self.not_before) if self.not_before else None),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Retirement":
        """Back from that shape."""
        return cls(
            fields.text("name"),
            fields.optional_time("after"),
            fields.optional_text("why") or "",
            fields.optional_time("not_before"),
        )


@dataclass(frozen=True, slots=True)
class Restore:
    """The zone of an earlier entry, brought back to a primary that had lost it."""

    from_seq: int  # the entry that left the zone so
    created: bool  # the primary had no such zone
    serial: int  # the zone gets this one
    serials: tuple[tuple[str, int | None], ...]  # of each secondary by name, None where it did not say
    differences: tuple[Drift, ...]  # recorded is what comes back, observed what was there

    def to_json(self) -> Json:
        """The entry's form."""
        asked = [{"name": name, **present(serial=serial)} for name, serial in self.serials]
        return {
            "from": self.from_seq,
            "created": self.created,
            "serial": self.serial,
            "secondaries": asked,
            "differences": [one.to_json() for one in self.differences],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "Restore":
        """Back from the entry's form."""
        return cls(
            fields.integer("from"),
            fields.boolean("created"),
            fields.integer("serial"),
            tuple((one.text("name"), one.optional_integer("serial")) for one in fields.objects("secondaries")),
            fields.each("differences", drift_from_json),
        )


@dataclass(frozen=True, slots=True)
class SecondaryDrift:
    """A secondary that does not hold what the primary holds."""

    name: str
    address: str
    kind: SecondaryDriftKind
    differences: tuple[Drift, ...]  # recorded: the primary's; observed: the secondary's

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "name": self.name,
            "address": self.address,
            "kind": self.kind,
            "differences": [one.to_json() for one in self.differences],
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "SecondaryDrift":
        """Back from the entry's form."""
        return cls(
            fields.text("name"),
            fields.text("address"),
            fields.choice("kind", SECONDARY_DRIFTS),
            fields.each("differences", drift_from_json),
        )
