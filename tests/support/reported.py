"""A year of a zone in a few dozen entries, for reports: moves, an incident, drift, break-glass, keys."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hyops_gitops.adapters.files import report_templates
from hyops_gitops.audit.report import ALWAYS, Period
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.people import Approval, MergedCommit, Person
from hyops_gitops.core.readiness import ProbeReport, ReadinessReport
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.log.admin_entries import Gap, Genesis, ImportedSegment, MissingEntries, Reconcile, TrustChange
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.entries import Body, Intent, Refusal, Result, Unchanged, ZoneDrift
from hyops_gitops.log.envelope import NO_HASH, EntryList, Envelope, Subject, decode, encode
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import (
    AuthorityRef,
    ContractsRef,
    Lease,
    RecordedRefusal,
    Retirement,
    TrustedKey,
    ZoneDigests,
)
from hyops_gitops.log.segment import Base
from hyops_gitops.log.timeline import ServiceReport
from hyops_gitops.plan.plan import Action, Change, Drift
from hyops_gitops.report.facts import Facts, ReportSubject, facts_of
from hyops_gitops.report.render import report_files

ZONE = "hyops.internal"
START = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
KEY = "ssh-ed25519 QUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUdvbGRlbg=="
SEGMENT = "5e9a3e475e9a"
POSTGRES, ORDERS, SEARCH = (f"{service}.prod.{ZONE}" for service in ("postgres", "orders", "search"))
ONPREM = {POSTGRES: "10.12.0.31", ORDERS: "10.12.0.32", SEARCH: "10.12.0.33"}
CLOUD = {POSTGRES: "10.72.16.24", ORDERS: "10.72.16.32", SEARCH: "10.72.16.33"}


def sha(number: int) -> str:
    """Any SHA-256."""
    return sha256_hex(str(number).encode())


@dataclass
class Story:
    """Entries as they are written one after the other."""

    entries: EntryList = field(default_factory=EntryList)
    at: datetime = START
    zone: dict[str, str] = field(default_factory=dict)
    commits: int = 0

    def write(self, body: Body, minutes: int = 1, principal: str = "applier@hyops") -> None:
        """One more entry, some minutes after the one before."""
        self.at += timedelta(minutes=minutes)
        seq = len(self.entries) + 1
        envelope = Envelope(
            Subject(ZONE, sha(seq)),
            log="0123456789abcdef0123456789abcdef",
            seq=seq,
            prev_entry=self.entries[-1].sha256 if self.entries else NO_HASH,
            prev_sig=sha(900 + seq) if self.entries else NO_HASH,
            time=self.at,
            principal=principal,
            key=KEY,
            signers_sha256=sha(7),
            tool="hyops-gitops 0.1.0",
            run={"ci": "github", "url": f"https://forge.example/hyops/dns/actions/runs/{4200 + seq}"},
            files={},
            form=1,
        )
        data = encode(envelope, body)
        self.entries.append(data, decode(data))

    def merged(
        self, title: str, asked: str, approved: str | None, declared: Declaration, bypass: str | None = None
    ) -> MergedCommit:
        """A merged pull request."""
        self.commits += 1
        commit = sha(1000 + self.commits)[:40]
        approvals = (Approval(Person(approved, "18"), commit[::-1]),) if approved else ()
        by = Person(approved, "18") if approved else Person(asked, "17")
        return MergedCommit(
            commit,
            title,
            Person(asked, "17"),
            self.at,
            approvals,
            commit[::-1],
            by,
            str(self.commits),
            "github",
            declared,
            bypass,
        )

    def move(  # noqa: PLR0913 - a story in lines
        self,
        title: str,
        targets: dict[str, str],
        declared: Declaration,
        *,
        asked: str = "ada",
        approved: str | None = "grace",
        overrides: tuple[Override, ...] = (),
        slow: int = 1,
        silent: str = "",
        minutes: int = 3000,
        bypass: str | None = None,
    ) -> None:
        """A change from its merge to its result."""
        changes = tuple(self.change(name, target) for name, target in sorted(targets.items()))
        merged = self.merged(title, asked, approved, declared, bypass)
        ready = tuple(
            ReadinessReport(
                name, (target,), "ready", (ProbeReport("tcp", target, 5432, "ready", "accepts connections", 3),)
            )
            for name, target in sorted(targets.items())
        )
        intent = Intent(
            ContractsRef(merged.commit, sha(11)),
            AuthorityRef(sha(12), outside_commit=False),
            (merged,),
            ZoneDigests(sha(1), sha(2), 2026011200 + self.commits),
            ZoneDigests(sha(3), sha(4), None),
            sha(5000 + self.commits),
            changes,
            (),
            (),
            overrides,
            Lease(120, "boot", 4711),
            readiness=ready if any(change.cutover for change in changes) else (),
        )
        self.write(intent, minutes)
        self.zone |= targets
        self.write(self.result(changes, ready, slow, silent))

    def change(self, name: str, target: str) -> Change:
        """One name to a target."""
        before = RRset.of(name, "A", 30, [self.zone[name]]) if name in self.zone else None
        after = RRset.of(name, "A", 30, [target])
        path = f"endpoints/{name.split('.')[1]}/{name.split('.', maxsplit=1)[0]}.yaml"
        return Change(
            Action.REPLACE if before else Action.CREATE, name, "A", before, after, path, cutover=before is not None
        )

    def result(self, changes: tuple[Change, ...], ready: Iterable[ReadinessReport], slow: int, silent: str) -> Result:
        """What the servers answered."""
        number = len(self.entries)
        answers = tuple(
            RecordedAnswer(change.name, change.type, "NOERROR", 30, change.after.rdata)
            for change in changes
            if change.after
        )
        servers = []
        for place, (role, name) in enumerate(
            (("primary", "primary"), ("secondary", "cloud"), ("secondary", "onprem"), ("resolver", "clients"))
        ):
            after = (14, 160, 420, 9_000)[place] * slow * (100 + number * 37 % 90) // 100
            quiet = name == silent
            servers.append(
                ServerReport(
                    role,
                    name,
                    f"10.90.0.{53 + place}:53",
                    "silent" if quiet else "converged",
                    None if quiet else after,
                    () if quiet else answers,
                )
            )
        intent = self.entries[-1]
        services = (
            tuple(ServiceReport(report, 700 * slow) for report in ready)
            if any(change.cutover for change in changes)
            else ()
        )
        return Result(
            intent.seq,
            intent.sha256,
            "applied",
            not silent,
            2026011200 + number,
            ZoneDigests(sha(3), sha(4), 2026011201 + number),
            "computed",
            self.at,
            tuple(servers),
            tuple(Retirement(change.name, self.at + timedelta(hours=1)) for change in changes if change.cutover),
            services=services,
        )

    def log(self) -> Log:
        """The log, as if it had been verified."""
        zone = Zone.of(ZONE, [RRset.of(name, "A", 30, [target]) for name, target in self.zone.items()])
        entries = self.entries
        return Log(ZONE, "5b" * 20, entries, Ledger().after(entries), sha(8), zone, ManagedSet.of(ZONE, ()))


def story(releases: int = 24) -> Story:
    """The year, with so many releases before what happens in it."""
    told = Story()
    told.write(Genesis("c0" * 20, (TrustedKey("applier@hyops", KEY, ("hyops-gitops",)),)), principal="root@hyops")
    told.move("First endpoints", ONPREM, Declaration())
    small = [f"{name}.dev.{ZONE}" for name in ("auth", "billing", "cache", "queue")]
    for number, name in zip(range(releases), itertools.cycle(small), strict=False):
        told.move(
            f"Point {name.split('.')[0]} at its next build (#{number + 2})",
            {name: f"10.20.{number}.7"},
            Declaration("maintenance", "weekly release", f"REL-{100 + number}"),
            asked=("ada", "linus", "barbara")[number % 3],
            slow=1 + number % 5,
            minutes=9000,
        )
    told.move(
        "Move postgres.prod to the cloud",
        {POSTGRES: CLOUD[POSTGRES]},
        Declaration("maintenance", "upgrade to 17", "CHG-2041"),
    )
    told.write(_refusal(told), 2600)
    told.move(
        "Fail over from onprem to the cloud",
        {ORDERS: CLOUD[ORDERS], SEARCH: CLOUD[SEARCH]},
        Declaration("incident", "no power at onprem", "INC-4711", ("onprem",)),
        overrides=(Override("readiness", SEARCH, "search warms up for an hour, INC-4711", "trailer"),),
        silent="onprem",
        minutes=45,
    )
    merged = told.merged("Note the outage", "ada", "grace", Declaration())
    told.write(
        Unchanged(
            ContractsRef(merged.commit, sha(11)),
            AuthorityRef(sha(12), outside_commit=False),
            (merged,),
            caught_up=(ServerReport("secondary", "onprem", "10.90.0.55:53", "converged", 5_400_000),),
        ),
        300,
    )
    edited = Drift(
        ORDERS, "A", RRset.of(ORDERS, "A", 30, [CLOUD[ORDERS]]), RRset.of(ORDERS, "A", 30, ["10.9.9.9"]),
        "endpoints/prod/orders.yaml",
    )  # fmt: skip
    told.write(ZoneDrift(merged.commit, ZoneDigests(sha(3), sha(4), 1), ZoneDigests(sha(3), sha(6), 2), (edited,)), 700)
    told.move(
        "Put orders back after the edit by hand",
        {ORDERS: ONPREM[ORDERS]},
        Declaration("incident", "power is back", "INC-4711"),
        asked="linus",
        approved=None,
        overrides=(Override("drift", ORDERS, "edited by hand at 03:10, INC-4711", "command line"),),
        bypass="review",
    )
    for reviewed in (False, True):
        told.write(_segment(told, reviewed), 5000, "carol@hyops")
    told.write(Reconcile(SEGMENT, 2, sha(31), "grace@hyops", reason="agrees with INC-5000"), 300, "grace@hyops")
    told.write(TrustChange("c1" * 20, (TrustedKey("next@hyops", KEY, ()),), (), (), "yearly rotation"), 20_000)
    told.write(Gap("the forge was restored from a back-up", MissingEntries(80, 81), sha(77)), 60)
    told.write(Gap("looked into, INC-5100", acknowledges=len(told.entries)), 60, "grace@hyops")
    told.move("Move search home", {SEARCH: ONPREM[SEARCH]}, Declaration("maintenance", "power is back", "CHG-2050"))
    return told


def _refusal(told: Story) -> Refusal:
    merged = told.merged(
        "Move search.prod to the cloud", "ada", "grace", Declaration("incident", "no power", "INC-4711")
    )
    stopped = RecordedRefusal("readiness", SEARCH, f"{SEARCH} is not ready at 10.72.16.33: tcp 10.72.16.33:443 refused")
    contracts, authority = ContractsRef(merged.commit, sha(11)), AuthorityRef(sha(12), outside_commit=False)
    return Refusal(contracts, authority, (merged,), (stopped,), (told.change(SEARCH, CLOUD[SEARCH]),), ())


def _segment(told: Story, reviewed: bool) -> Reconcile:
    change = told.change(POSTGRES, ONPREM[POSTGRES] if not reviewed else CLOUD[POSTGRES])
    told.zone[POSTGRES] = change.after.rdata[0] if change.after else ""
    imported = ImportedSegment(
        Base((60, sha(60)), None),
        ZoneDigests(sha(3), sha(4), None),
        ZoneDigests(sha(3), sha(9), None),
        (change,),
        Anchor(1, sha(32), SEGMENT),
        ("carol@hyops",),
        ("dave@hyops",),
        told.at + timedelta(minutes=3000),
        (),
        (),
    )
    return Reconcile(SEGMENT if reviewed else "0b5e0b5e0b5e", 2, sha(31), "", imported, "forge and site down, INC-5000")


def subject_of(log: Log, *problems: Problem) -> ReportSubject:
    """What a report says that it is about."""
    return ReportSubject(
        zone=log.zone,
        branch="evidence",
        commit=log.commit,
        genesis=log.entries[0].sha256,
        signers_sha256=sha(7),
        entries=len(log.entries),
        problems=problems,
        tool="hyops-gitops 0.1.0",
    )


def facts_about(log: Log, period: Period = ALWAYS) -> Facts:
    """What a report of a log shows."""
    return facts_of(subject_of(log), log, (), period)


def pages_of(log: Log, period: Period = ALWAYS) -> dict[str, str]:
    """The files of its report."""
    return {name: content.decode() for name, content in report_files(facts_about(log, period), report_templates())}


def with_entries(entries: EntryList, zone: str) -> Log:
    """A log of entries that need not be sound."""
    return Log(zone, "5b" * 20, entries, Ledger().after(entries), sha(8), Zone.of(zone, ()), ManagedSet.of(zone, ()))
