"""Fixed values of every type of entry, bare and with every optional field, as one log and one break-glass segment."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hyops_gitops.core.damage import Damage, DamageKind
from hyops_gitops.core.declaration import Declaration, DeclaredHold
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.readiness import ProbeReport, ReadinessReport
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import (
    Continues,
    Gap,
    Genesis,
    ImportedSegment,
    MissingEntries,
    Reconcile,
    StolenKey,
    TrustChange,
)
from hyops_gitops.log.entries import (
    AuthorityChange,
    Body,
    Intent,
    Refusal,
    Result,
    Unchanged,
    ZoneDrift,
)
from hyops_gitops.log.envelope import NO_HASH, EntryList, Envelope, Subject, decode, encode
from hyops_gitops.log.parts import (
    AuthorityRef,
    ContractsRef,
    Hold,
    Lease,
    RecordedRefusal,
    Restore,
    Retirement,
    SecondaryDrift,
    TrustedKey,
    ZoneDigests,
)
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.timeline import Moment, ServiceReport
from hyops_gitops.plan.plan import Action, Change, Drift, Held

ZONE = "golden.internal"
LOG_ID = "0123456789abcdef0123456789abcdef"
SEGMENT = "5e9a3e475e9a"
START = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
COMMIT, HEAD = "c" * 40, "e" * 40
NAME, SECOND, ALIAS = (f"{service}.prod.{ZONE}" for service in ("postgres", "redis", "cache"))
CONTRACT = "endpoints/prod/postgres.yaml"
KEY = "ssh-ed25519 QUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUdvbGRlbg=="
OTHER_KEY = "ssh-ed25519 QUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSW90aGVy"


def sha(letter: str) -> str:
    """A SHA-256 that no text has."""
    return letter * 64


def rrset(name: str, *rdata: str, rrtype: str = "A", ttl: int = 30) -> RRset:
    """One RRset."""
    return RRset.of(name, rrtype, ttl, rdata)


OLD, NEW, NEW6 = rrset(NAME, "10.12.0.31"), rrset(NAME, "10.72.16.24"), rrset(NAME, "2001:db8::24", rrtype="AAAA")
CACHE = rrset(ALIAS, f"{SECOND}.", rrtype="CNAME", ttl=300)
REDIS = rrset(SECOND, "10.12.0.41", "10.12.0.40")
RETIRED = rrset(f"old.prod.{ZONE}", "10.1.1.1")
FOREIGN = RRset.of(ZONE, "TXT", 300, ['"owned by \\"another\\" team"'])
ZONE_BEFORE = Zone.of(ZONE, [OLD, REDIS, FOREIGN])
ZONE_AFTER = Zone.of(ZONE, [NEW, NEW6, CACHE, REDIS, FOREIGN])
STATE = ManagedSet.of(
    ZONE,
    [
        ManagedRRset(NEW, CONTRACT, held=3),
        ManagedRRset(NEW6, CONTRACT, held=3),
        ManagedRRset(CACHE, "endpoints/prod/redis.yaml"),
        ManagedRRset(REDIS, "endpoints/prod/redis.yaml"),
    ],
)
CHANGES = (
    Change(Action.REPLACE, NAME, "A", OLD, NEW, CONTRACT, cutover=True),
    Change(Action.CREATE, NAME, "AAAA", None, NEW6, CONTRACT, cutover=True),
    Change(Action.CREATE, ALIAS, "CNAME", None, CACHE, "endpoints/prod/redis.yaml", cutover=False),
    Change(Action.ADOPT, SECOND, "A", REDIS, REDIS, "endpoints/prod/redis.yaml", cutover=False),
    Change(
        Action.DELETE, f"old.prod.{ZONE}", "A", rrset(f"old.prod.{ZONE}", "10.1.1.1"), None, CONTRACT, cutover=False
    ),
    Change(Action.FORGET, f"gone.prod.{ZONE}", "A", None, None, CONTRACT, cutover=False),
)
CONTRACTS, AUTHORITY = ContractsRef(COMMIT, sha("a")), AuthorityRef(sha("b"), outside_commit=False)
BEFORE, AFTER = ZoneDigests(sha("1"), sha("2"), 2026030100), ZoneDigests(sha("3"), sha("4"), None)
DECLARED = Declaration("incident", "no power", "INC-4711", ("onprem",), (DeclaredHold(SECOND, "no standby"),))
MERGED_BARE = MergedCommit(COMMIT, "Move postgres", Person("Ada"), START)
MERGED = MergedCommit(
    COMMIT,
    "Move postgres.prod (#7) \u2192 GCP <b>",
    Person("ada", "17"),
    START,
    (Approval(Person("bob", "18"), HEAD), Approval(Person("eve"))),
    HEAD,
    Person("bob", "18"),
    "7",
    "github",
    DECLARED,
    "review",
)
DRIFTS = (Drift(NAME, "A", OLD, rrset(NAME, "10.9.9.9"), CONTRACT), Drift(f"mail.{ZONE}", "MX", None, None, ""))
OVERRIDES = (Override("drift", NAME, "seen by Ada", "command line"), Override("restored", None, "rebuilt", "trailer"))
PROBE = ProbeReport("tcp", "10.72.16.24", 5432, "ready", "connected", 3)
READINESS = (
    ReadinessReport(NAME, ("10.72.16.24",), "ready", (PROBE,)),
    ReadinessReport(SECOND, ("10.12.0.40",), "not-probed", (), "nothing listens", START),
)
ANSWERS = (
    RecordedAnswer(NAME, "A", "NOERROR", 30, ("10.72.16.24",)),
    RecordedAnswer(ALIAS, "CNAME", "NXDOMAIN", None, ()),
)
SERVERS = (
    ServerReport("primary", "primary", "192.0.2.1:53", "converged", 12, ANSWERS),
    ServerReport("secondary", "onprem", "192.0.2.2:53", "silent", None, lost=True),
    ServerReport("resolver", "clients", "192.0.2.3:53", "stale", None, overdue=True),
)
RETIRE = (Retirement(NAME, START + timedelta(hours=1)), Retirement(SECOND, None))
KEYS = (TrustedKey("ada", KEY, ("hyops-gitops",)), TrustedKey("lock", OTHER_KEY, ()))
BASE = Base((2, sha("5")), Anchor(2, sha("6")))
HOLDS = (Hold(NAME, sha("7")),)
SECONDARIES = (SecondaryDrift("onprem", "192.0.2.2:53", "edited", DRIFTS),)
RESTORE = Restore(3, True, 2026030200, (("onprem", 2026030100), ("cloud", None)), DRIFTS)
ADOPTED = ImportedSegment(
    BASE,
    BEFORE,
    AFTER,
    CHANGES[:2],
    Anchor(1, sha("e"), SEGMENT),
    ("alice",),
    ("bob",),
    START,
    HOLDS,
    OVERRIDES,
    COMMIT,
)


def intent(*, bare: bool = False) -> Intent:
    """An intent, with or without its optional fields."""
    body = Intent(
        CONTRACTS,
        AUTHORITY,
        (MERGED_BARE,) if bare else (MERGED, MERGED_BARE),
        BEFORE,
        AFTER,
        sha("8"),
        CHANGES[:1] if bare else CHANGES,
        () if bare else DRIFTS,
        () if bare else (Held(SECOND, "endpoints/prod/redis.yaml", "held since entry 3"),),
        () if bare else OVERRIDES,
        Lease(120, None if bare else "boot", 4711),
    )
    if bare:
        return body
    return replace(body, readiness=READINESS, sites_lost=("onprem",), rollback_of=2, holds=HOLDS, declared=DECLARED)


def result(seq: int, sha256: str, *, bare: bool = False) -> Result:
    """The result of an intent, with or without its optional fields."""
    if bare:
        return Result(seq, sha256, "failed", False, None, AFTER, "computed", None, (), (), "refused by the server")
    services = (ServiceReport(READINESS[0], 111), ServiceReport(READINESS[1], None))
    moments = (Moment(0, "accepted", "", "update accepted"), Moment(None, "resolver", "clients", "does not answer"))
    return Result(
        seq, sha256, "applied", True, 2026030100, AFTER, "read", START, SERVERS, RETIRE, "", True, services, moments
    )


def bodies(entries: EntryList) -> Iterator[Body]:
    """Every type of entry, bare ones first; each is asked for when the one before it stands in `entries`."""
    yield Genesis(COMMIT, KEYS, Continues(LOG_ID, 9, sha("9")))
    yield intent(bare=True)
    yield result(2, entries[-1].sha256, bare=True)
    yield intent()
    yield result(4, entries[-1].sha256)
    yield replace(intent(bare=True), changes=(), restore=RESTORE)
    yield replace(result(6, entries[-1].sha256), recovered=False)
    yield Refusal(CONTRACTS, AUTHORITY, (MERGED_BARE,), (RecordedRefusal("history", None, "not a descendant"),), (), ())
    yield Refusal(
        CONTRACTS,
        replace(AUTHORITY, outside_commit=True),
        (MERGED,),
        (RecordedRefusal("drift", NAME, "approved A, live is B"), RecordedRefusal("findings", None, "x: y")),
        CHANGES,
        OVERRIDES,
    )
    yield Unchanged(CONTRACTS, AUTHORITY, (MERGED_BARE,))
    yield Unchanged(CONTRACTS, AUTHORITY, (), SERVERS[:1], RETIRE)
    yield ZoneDrift(COMMIT, BEFORE, AFTER, DRIFTS)
    yield ZoneDrift(
        COMMIT,
        BEFORE,
        AFTER,
        (),
        restored=True,
        secondaries=(SecondaryDrift("onprem", "192.0.2.2:53", "edited", DRIFTS),),
    )
    paths = (("authority/allowed_signers", sha("a")), (f"authority/{ZONE}.yaml", sha("b")))
    yield AuthorityChange(COMMIT, (), paths)
    yield AuthorityChange(HEAD, paths, paths[:1])
    yield TrustChange(COMMIT, KEYS[:1], (), (), "a second applier")
    yield TrustChange(COMMIT, (), KEYS[1:], (StolenKey(OTHER_KEY, 12),), "stolen")
    yield Gap("the forge was rolled back", MissingEntries(19, 23), sha("c"))
    yield Gap("looked into", acknowledges=18)
    yield Reconcile(SEGMENT, 2, sha("d"), "")
    yield Reconcile(
        SEGMENT,
        2,
        sha("d"),
        "bob",
        ImportedSegment(
            BASE,
            BEFORE,
            AFTER,
            CHANGES[:2],
            Anchor(1, sha("e"), SEGMENT),
            ("alice",),
            ("bob",),
            START,
            HOLDS,
            OVERRIDES,
            COMMIT,
        ),
        "no forge",
    )
    yield Reconcile(
        SEGMENT, 1, sha("d"), "", ImportedSegment(BASE, BEFORE, BEFORE, (), None, ("alice",), (), START, (), ())
    )


def segment_bodies(entries: EntryList) -> Iterator[Body]:
    """What break-glass writes into a segment of its own."""
    yield replace(intent(), rollback_of=None)
    yield result(1, entries[-1].sha256)
    yield intent(bare=True)
    yield result(3, entries[-1].sha256, bare=True)


def damage_bodies(entries: EntryList) -> Iterator[Body]:
    """What the log says of rows that contradict each other, each field alone and beside others."""
    twice = RRset.of(f"a.prod.{ZONE}", "A", 60, ["10.0.0.1", "10.0.0.1"])
    equal = Damage(DamageKind.EQUAL_RECORDS, twice.name, (twice,))
    alias = RRset.of(twice.name, "CNAME", 60, [f"b.prod.{ZONE}"])
    beside = Damage(DamageKind.CNAME_BESIDE, twice.name, (twice, alias))
    yield ZoneDrift(COMMIT, BEFORE, BEFORE, (), damage=(equal, beside))
    yield replace(intent(bare=True), repair=(equal, beside))
    yield replace(result(2, entries[-1].sha256, bare=True), damage=(equal,))


def proof_bodies(entries: EntryList) -> Iterator[Body]:
    """What the log says of proof that is missing, and of proof that comes late."""
    refused = ServerReport("secondary", "onprem", "192.0.2.2:53", "silent", None, ANSWERS, rcode="REFUSED")
    held = Retirement(NAME, None, "resolver clients still gives the old answer", START + timedelta(hours=1))
    yield intent(bare=True)
    yield replace(result(1, entries[-1].sha256), servers=(SERVERS[0], refused), retire=(held,))
    yield Unchanged(CONTRACTS, AUTHORITY, (), (), (), SERVERS[:1])


def _envelope(entries: EntryList, segment: SegmentRef | None) -> Envelope:
    seq = len(entries) + 1
    return Envelope(
        Subject(ZONE, ZONE_AFTER.digest()),
        log=LOG_ID,
        seq=seq,
        prev_entry=entries[-1].sha256 if entries else NO_HASH,
        prev_sig=sha("f") if entries else NO_HASH,
        time=START + timedelta(minutes=seq),
        principal="ada",
        key=KEY,
        signers_sha256=sha("0"),
        tool="hyops-gitops 0.1.0",
        run={} if segment else {"ci": "github", "url": "https://forge.example/run/1"},
        files={} if segment else {"README.md": sha("1"), f"zones/{ZONE}.zone": sha("2")},
        form=1,
        segment=segment,
    )


def log() -> tuple[list[bytes], EntryList]:
    """The log: the bytes of each entry, and the entries."""
    return _written(bodies, None)


def damage() -> tuple[list[bytes], EntryList]:
    """A log about damage: the bytes of each entry, and the entries."""
    return _written(damage_bodies, None)


def proof() -> tuple[list[bytes], EntryList]:
    """A log about late proof: the bytes of each entry, and the entries."""
    return _written(proof_bodies, None)


def segment() -> tuple[list[bytes], EntryList]:
    """The segment: the bytes of each entry, and the entries."""
    return _written(segment_bodies, SegmentRef(SEGMENT, BASE))


def _written(
    bodies_after: Callable[[EntryList], Iterator[Body]], ref: SegmentRef | None
) -> tuple[list[bytes], EntryList]:
    written: list[bytes] = []
    entries = EntryList()
    for body in bodies_after(entries):
        written.append(encode(_envelope(entries, ref), body))
        entries.append(written[-1], decode(written[-1]))
    return written, entries
