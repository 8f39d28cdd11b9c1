"""What a restore is about to do, and what came of it, as values."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

from hyops_gitops.apply.look import (
    AnchorState,
    anchor_in,
    check_kind,
    check_signing,
    judge_anchor,
    not_reconciled,
)
from hyops_gitops.apply.opening import Opened
from hyops_gitops.apply.ports import ApplyPorts, ApplyRequest
from hyops_gitops.apply.servers import answered
from hyops_gitops.core.authority import Authority, Secondary
from hyops_gitops.core.errors import Exit, Refused
from hyops_gitops.core.exchange import Question, ZoneHeader, why_inconclusive
from hyops_gitops.core.guards import override_line
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.network import DnsClient, ZoneReader, ZoneRestorer
from hyops_gitops.core.serials import is_newer
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import RRset, Zone, soa_serial
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.log import Log
from hyops_gitops.log.parts import Restore

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


_TIMEOUT_S = 2.0
_TRIES = 2


@dataclass(frozen=True, slots=True)
class Served:
    """What one secondary says of the zone."""

    name: str
    soa: RRset | None  # None: it does not serve the zone, or does not answer
    anchor: Anchor | None
    trouble: str = ""  # what it did instead of answering

    @property
    def serial(self) -> int | None:
        """Of the zone that it serves."""
        return soa_serial(self.soa)


@dataclass(frozen=True, slots=True)
class Found:
    """The primary as it is."""

    header: ZoneHeader | None  # None: it has no such zone
    seen: Sequence[RRset]
    zone: Zone
    state: AnchorState | Literal["absent"]
    anchor: Anchor | None


def ask_secondaries(authority: Authority, dns: DnsClient) -> tuple[Served, ...]:
    """Serial and anchor of each secondary, by DNS."""
    soa, marker = Question(authority.zone, "SOA"), Question(anchor_name(authority.zone), "TXT")

    def ask(server: Secondary) -> Served:
        served = Served(server.name, None, None)
        for _ in range(_TRIES):
            answers = dns.ask(server.dns, [soa, marker], recursion_desired=False, timeout_s=_TIMEOUT_S)
            served = replace(served, trouble=why_inconclusive([answers[soa]]))
            if answers[soa].authoritative and answers[soa].rcode == "NOERROR":
                found = answered(answers[marker], marker)
                served = Served(server.name, answered(answers[soa], soa), Anchor.parse(found) if found else None)
            if served.soa is not None:
                break
        return served

    if not authority.secondaries:
        return ()
    with ThreadPoolExecutor(max_workers=len(authority.secondaries)) as pool:
        return tuple(pool.map(ask, authority.secondaries))


def look_at_primary(primary: ZoneRestorer, authority: Authority, log: Log) -> Found:
    """The zone on the primary, judged by its anchor.

    Raises:
        Refused: guards `primary`, `signed-zone`, `other-log`.
        OutsideFailure: the API cannot be reached.
    """
    if not primary.exists():
        return Found(None, (), Zone.of(log.zone, ()), "absent", None)
    header = primary.header()
    check_kind(header, authority)  # the serial is set by this very update, above all that are known
    check_signing(header, authority)
    return found_in(primary, log, header)


def found_in(primary: ZoneReader, log: Log, header: ZoneHeader) -> Found:
    """The zone as it is there."""
    seen = primary.rrsets()
    anchor = anchor_in(seen, log.zone)
    return Found(header, seen, Zone.of(log.zone, seen).respelled(log.observed), judge_anchor(anchor, log), anchor)


def newer_anchor(found: Found, served: Sequence[Served], log: Log) -> tuple[str, Anchor] | None:
    """Who shows an intent that the log does not have yet, and which; the newest of them.

    Raises:
        Refused: guard `other-log`: a server shows what another log has written; guard `breakglass`: what nobody
            has reconciled yet.
    """
    shown = [(f"secondary {one.name}", one.anchor) for one in served if one.anchor is not None]
    if found.anchor is not None:
        shown.append(("the primary", found.anchor))
    states = [(who, anchor, judge_anchor(anchor, log)) for who, anchor in shown]
    for _, anchor, state in states:
        if state == "breakglass":
            raise not_reconciled(log.zone, anchor)
    ahead = [(who, anchor) for who, anchor, state in states if state == "ahead"]
    return max(ahead, key=lambda one: one[1].seq, default=None)


def log_gap(who: str, anchor: Anchor, log: Log) -> Refused:
    """The refusal to bring back less than somebody still serves."""
    return Refused(
        f"{who} was last changed by entry {anchor.seq}, but this log ends at {log.head.seq}: what it recorded is older",
        guard="log-gap",
        hint="bring the entries back: `hyops-gitops evidence import CLONE`; "
        f"if they are gone for good: {override_line('log-gap')}",
    )


def is_behind(found: Found, served: Sequence[Served]) -> bool:
    """Whether a secondary has a newer serial than the primary, and so would ignore it."""
    serial = found.header.serial if found.header else None
    known = [one.serial for one in served if one.serial is not None]
    return serial is None or any(one != serial and is_newer(one, serial) for one in known)


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """One call of restore."""

    apply: ApplyRequest  # as of an apply
    transfer_keys: tuple[str, ...] = ()  # names of TSIG keys, for a zone that has to be made


@dataclass(frozen=True, slots=True)
class RestorePorts:
    """The outside."""

    apply: ApplyPorts
    open_primary: Callable[[Authority], ZoneRestorer]
    segments: tuple[str, ...] = ()  # break-glass segments in this folder


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is written; `plan` is None when there is nothing to bring back."""

    request: RestoreRequest
    opened: Opened
    primary: ZoneRestorer
    found: Found
    served: tuple[Served, ...]
    wanted: Zone
    gap: Gap | None
    plan: RestorePlan | None
