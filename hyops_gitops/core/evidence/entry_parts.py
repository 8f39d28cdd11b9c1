"""What evidence entries are made of: values that several types of entry share, with their JSON form and back."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.evidence.entry_plan import drift_from_json
from hyops_gitops.core.json_fields import Fields, Json, present, time_text
from hyops_gitops.core.plan.plan import Drift


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
class Person:
    """Somebody, as a forge knows them (login and id) or, without one, by the name in a commit. Never an address."""

    name: str
    id: str | None = None  # the forge's number; None: only the name is known

    def to_json(self) -> Json:
        """The entry's form."""
        return {"name": self.name, **present(id=self.id)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Person":
        """Back from the entry's form."""
        return cls(fields.text("name"), fields.optional_text("id"))


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's yes, and the commit they saw where that is known."""

    by: Person
    commit: str | None = None

    def to_json(self) -> Json:
        """The entry's form."""
        return {"by": self.by.to_json(), **present(commit=self.commit)}

    @classmethod
    def from_json(cls, fields: Fields) -> "Approval":
        """Back from the entry's form."""
        return cls(Person.from_json(fields.nested("by")), fields.optional_text("commit"))


@dataclass(frozen=True, slots=True)
class MergedCommit:
    """One first-parent commit of the contracts' branch that an apply carries out, and who stands behind it."""

    commit: str
    title: str  # at most 200 characters, secrets and e-mail addresses masked
    author: Person
    time: datetime
    approvals: tuple[Approval, ...] = ()
    head: str | None = None  # the last commit of the pull request or merged branch
    merged_by: Person | None = None
    pull_request: str | None = None  # its number or address
    source: str = "commit"  # where people and approvals are from: the commit itself, or a forge
    declared: Declaration = NOTHING_DECLARED  # by its trailers
    bypass: str | None = None  # how it got past its review: direct-push, review; None: it did not, or nobody knows

    def to_json(self) -> Json:
        """The entry's form."""
        return {
            "commit": self.commit,
            "title": self.title,
            "author": self.author.to_json(),
            "time": time_text(self.time),
            "approvals": [approval.to_json() for approval in self.approvals],
            "source": self.source,
            **present(
                head=self.head,
                merged_by=self.merged_by.to_json() if self.merged_by else None,
                pull_request=self.pull_request,
                bypass=self.bypass,
            ),
            **self.declared.to_json(),
        }

    @classmethod
    def from_json(cls, fields: Fields) -> "MergedCommit":
        """Back from the entry's form."""
        return cls(
            fields.text("commit"),
            fields.text("title"),
            Person.from_json(fields.nested("author")),
            fields.time("time"),
            fields.each("approvals", Approval.from_json),
            fields.optional_text("head"),
            fields.optional("merged_by", Person.from_json),
            fields.optional_text("pull_request"),
            fields.text("source"),
            declared=Declaration.from_json(fields),
            bypass=fields.optional_text("bypass"),
        )


def asked_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """Who wrote these commits, each once."""
    return tuple(dict.fromkeys(one.author.name for one in merged))


def approved_by(merged: Iterable[MergedCommit]) -> tuple[str, ...]:
    """Who approved any of these commits, each once."""
    return tuple(dict.fromkeys(approval.by.name for one in merged for approval in one.approvals))


@dataclass(frozen=True, slots=True)
class Hold:
    """A name that stays where an intent put it until its contract says something else than it did then."""

    name: str
    contract_sha256: str  # of the contract's data (core.history.holds)

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
ServerVerdict = Literal["converged", "stale", "silent"]
VERDICTS: tuple[ServerVerdict, ...] = ("converged", "stale", "silent")


Server = tuple[str, str]  # role, name


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What one server answered in the end, and when it first answered with everything expected."""

    role: str  # primary, secondary, resolver
    name: str
    address: str
    verdict: ServerVerdict
    after_ms: int | None  # since the update was accepted; None while not converged
    answers: tuple[tuple[str, str, str, int | None, tuple[str, ...]], ...] = ()  # name, type, rcode, TTL, rdata
    overdue: bool = False  # a resolver that is stale for longer than any TTL allows
    lost: bool = False  # it stands at a site declared lost, so nobody waited for it
    rcode: str = ""  # what it answered instead of an answer: SERVFAIL, REFUSED; the verdict is silent then

    @property
    def key(self) -> Server:
        """Which server it is."""
        return (self.role, self.name)

    @property
    def called(self) -> str:
        """Its role and name; the primary, mostly, is called what it is."""
        return self.role if self.role == self.name else f"{self.role} {self.name}"

    @property
    def said(self) -> str:
        """The verdict for people."""
        return f"cannot conclude: answered {self.rcode}" if self.rcode else self.verdict

    @property
    def state(self) -> str:
        """The server and its verdict, as part of a sentence."""
        return f"{self.called} answered {self.rcode}" if self.rcode else f"{self.called} is {self.verdict}"

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
            **present(overdue=self.overdue, lost=self.lost, rcode=self.rcode),
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
            overdue=fields.flag("overdue"),
            lost=fields.flag("lost"),
            rcode=fields.optional_text("rcode") or "",
        )


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
