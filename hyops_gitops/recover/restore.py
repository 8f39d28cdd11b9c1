"""Restore: rebuild a lost or outdated primary from the log.

1. the log, verified, without an open intent
2. the primary, or its absence; serial and anchor of every secondary
3. only a primary that is empty or older than the log; nothing newer on any server
4. what was found is a `drift` entry; then an intent that says `restore`, signed and pushed     (restore_write)
5. one POST, or one PATCH: the recorded zone, its markers, a serial above every secondary's
6. the zone read again: its digest must be the recorded one; NOTIFY and transfers until secondaries serve it
7. the result, signed and pushed

Replacing the SOA is the one exception to never writing it: a serial that is not above a secondary's is ignored by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from hyops_gitops.apply.look import (
    AnchorState,
    anchor_in,
    check_kind,
    check_signing,
    judge_anchor,
    not_reconciled,
)
from hyops_gitops.apply.opening import ApplyBase, ApplyRequest, open_log
from hyops_gitops.apply.record import result_of
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import ZoneHeader, why_inconclusive
from hyops_gitops.core.fields import Flat, Part, Split
from hyops_gitops.core.guards import find_override, override_line
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.network import DnsClient, ZoneReader, ZoneRestorer
from hyops_gitops.core.serials import is_newer, serial_above
from hyops_gitops.core.servers import ZoneCopy, ask_all, copy_questions, servers_of
from hyops_gitops.core.text import masked
from hyops_gitops.core.zone import RRset, Zone, soa_serial
from hyops_gitops.log.admin_entries import Gap, MissingEntries
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.log import Log, zone_after_intent
from hyops_gitops.log.parts import AuthorityRef, ContractsRef, Restore, ZoneDigests
from hyops_gitops.log.reconciling import segment_warnings
from hyops_gitops.log.retirement import retirements
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.state import after_changes, differences_between

_TROUBLES = Split((Part("silent", tuple[str, ...], tuple), Part("troubles", Mapping[str, str], dict)))


@dataclass(frozen=True, slots=True)
class RestorePlan(JsonReport):
    """The zone to bring back, and the state before."""

    zone: str
    records: int  # of the zone as it will be
    zone_sha256: str  # as it will be
    serial_before: int | None  # None: there is no zone
    troubles: Annotated[Mapping[str, str], _TROUBLES]  # what each secondary without a known serial did instead
    restore: Annotated[Restore, Flat()]


_TRIES = 2


@dataclass(frozen=True, slots=True)
class SecondaryState:
    """Serial and anchor of one secondary."""

    name: str
    soa: RRset | None  # None: it does not serve the zone, or does not answer
    anchor: Anchor | None
    trouble: str = ""  # what it did instead of answering

    @property
    def serial(self) -> int | None:
        """The serial of its zone."""
        return soa_serial(self.soa)


@dataclass(frozen=True, slots=True)
class PrimaryState:
    """The zone on the primary, where there is one."""

    header: ZoneHeader | None  # None: it has no such zone
    seen: Sequence[RRset]
    zone: Zone
    state: AnchorState | Literal["absent"]
    anchor: Anchor | None


def ask_secondaries(authority: Authority, dns: DnsClient) -> tuple[SecondaryState, ...]:
    """Serial and anchor of each secondary, by DNS."""
    questions = copy_questions(authority.zone)
    secondaries = [server for server in servers_of(authority) if server.role == "secondary"]
    found: dict[str, SecondaryState] = {}
    for _ in range(_TRIES):
        missing = [server for server in secondaries if server.name not in found or found[server.name].soa is None]
        for server, answers in ask_all(dns, dict.fromkeys(missing, questions)).items():
            copy, about_soa = ZoneCopy.of(authority.zone, answers), answers[questions[0]]
            if about_soa.authoritative and about_soa.rcode == "NOERROR":
                found[server.name] = SecondaryState(server.name, copy.soa, copy.anchor)
            else:
                found[server.name] = SecondaryState(server.name, None, None, why_inconclusive([about_soa]))
    return tuple(found[server.name] for server in secondaries)


def look_at_primary(primary: ZoneRestorer, authority: Authority, log: Log) -> PrimaryState:
    """Read the zone on the primary, and judge its anchor.

    Raises:
        Refused: guards `primary`, `signed-zone`, `other-log`.
        OutsideFailure: the API cannot be reached.
    """
    if not primary.exists():
        return PrimaryState(None, (), Zone.of(log.zone, ()), "absent", None)
    header = primary.header()
    check_kind(header, authority)  # the serial is set by this very update, above all that are known
    check_signing(header, authority)
    return found_in(primary, log, header)


def found_in(primary: ZoneReader, log: Log, header: ZoneHeader) -> PrimaryState:
    """Read a zone that exists."""
    seen = primary.rrsets()
    anchor = anchor_in(seen, log.zone)
    return PrimaryState(
        header, seen, Zone.of(log.zone, seen).respelled(log.observed), judge_anchor(anchor, log), anchor
    )


def newer_anchor(found: PrimaryState, served: Sequence[SecondaryState], log: Log) -> tuple[str, Anchor] | None:
    """The server whose anchor is newest and unknown to the log.

    Raises:
        Refused: guard `other-log`: a server shows the anchor of another log; guard `breakglass`: of an unreconciled
            segment.
    """
    shown = [(f"secondary {secondary.name}", secondary.anchor) for secondary in served if secondary.anchor is not None]
    if found.anchor is not None:
        shown.append(("the primary", found.anchor))
    states = [(server, anchor, judge_anchor(anchor, log)) for server, anchor in shown]
    for _, anchor, state in states:
        if state == "breakglass":
            raise not_reconciled(log.zone, anchor)
    ahead = [(server, anchor) for server, anchor, state in states if state == "ahead"]
    return max(ahead, key=lambda server: server[1].seq, default=None)


def log_gap(server: str, anchor: Anchor, log: Log) -> Refused:
    """The refusal to restore an older zone than is served."""
    return Refused(
        f"{server} was last changed by entry {anchor.seq}, but this log ends at {log.head.seq}: its zone is older",
        guard="log-gap",
        hint="bring the entries back: `hyops-gitops evidence import CLONE`; "
        f"if they are gone for good: {override_line('log-gap')}",
    )


def is_behind(found: PrimaryState, served: Sequence[SecondaryState]) -> bool:
    """Whether a secondary's serial is newer than the primary's."""
    serial = found.header.serial if found.header else None
    known = [secondary.serial for secondary in served if secondary.serial is not None]
    return serial is None or any(other != serial and is_newer(other, serial) for other in known)


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Arguments of restore."""

    apply: ApplyRequest  # as of an apply
    transfer_keys: tuple[str, ...] = ()  # names of TSIG keys, for a zone that has to be created


@dataclass(frozen=True, slots=True)
class PreparedRestore:
    """Everything known before the first write; without a plan, nothing differs."""

    request: RestoreRequest
    opened: ApplyBase
    primary: ZoneRestorer
    found: PrimaryState
    served: tuple[SecondaryState, ...]
    wanted: Zone
    gap: Gap | None
    plan: RestorePlan | None


def refs_applied_last(opened: ApplyBase) -> tuple[ContractsRef, AuthorityRef]:
    """Contracts and authority of an entry that carries out no commit."""
    recorded = opened.log.recorded
    if recorded is None:
        raise AssertionError("unreachable: something was applied")
    used, then = opened.authority_ref, recorded.authority
    outside = used.outside_commit or then.outside_commit or used.sha256 != then.sha256
    return recorded.contracts, AuthorityRef(used.sha256, outside_commit=outside)


def prepare_restore(request: RestoreRequest, workspace: Workspace) -> PreparedRestore:
    """Make steps 1 to 3; close the open intent of `recover`.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: as an apply does; `not-outdated`, `log-gap`, `other-log`, `open-intent`; `breakglass`: a server shows a
            segment that is not in the log, and what the log recorded is older.
        InvalidData: code `nothing-recorded`: no change was applied yet.
        OutsideFailure: the remote or the API cannot be reached.
    """
    opened = open_log(request.apply, workspace)
    authority = opened.authority
    workspace.on_event(Step(f"asking {len(authority.secondaries)} secondaries for serial and anchor"))
    served = ask_secondaries(authority, workspace.dns)
    workspace.on_event(Step(f"reading the primary, {authority.primary.api.url}"))
    primary = workspace.open_restorer(authority)
    opened = _without_open_intent(opened, served, primary, request, workspace)
    log = opened.log
    for text in segment_warnings(log, workspace.segment_folder.segments(), authority.policy.breakglass.review_h):
        workspace.on_event(Warned(text))
    if log.anchor is None or log.recorded is None:
        raise InvalidData(
            f"cannot restore {log.zone}: its log has no applied change, and so no recorded zone",
            code="nothing-recorded",
            hint="create the zone by hand, then run `hyops-gitops apply`",
        )
    found = look_at_primary(primary, authority, log)
    gap = _gap(found, served, opened, request)
    wanted, seq = log.zone_to_restore()
    differences = differences_between(wanted, found.zone, log.state)
    if found.state in ("current", "lost"):
        if differences:
            raise Refused(
                f"the primary is not outdated: it has the anchor of the last applied intent; "
                f"{len(differences)} RRsets were changed since",
                guard="not-outdated",
                hint="treat it as drift: `hyops-gitops plan --live` shows it, an apply overrides it name by name",
            )
        if not is_behind(found, served):
            return PreparedRestore(request, opened, primary, found, served, wanted, None, None)
    serials = [secondary.serial for secondary in served if secondary.serial is not None]
    known = [*serials, *([found.header.serial] if found.header else []), *([log.serial] if log.serial else [])]
    troubles = {
        secondary.name: secondary.trouble or "does not serve the zone"
        for secondary in served
        if secondary.serial is None
    }
    restore = Restore(
        from_seq=seq,
        created=found.header is None,
        serial=serial_above(known, some_unknown=bool(troubles)),
        serials=tuple((secondary.name, secondary.serial) for secondary in served),
        differences=tuple(differences),
    )
    serial_before = found.header.serial if found.header else None
    plan = RestorePlan(log.zone, len(wanted.lines()), wanted.digest(), serial_before, troubles, restore)
    return PreparedRestore(request, opened, primary, found, served, wanted, gap, plan)


def _without_open_intent(
    opened: ApplyBase,
    served: tuple[SecondaryState, ...],
    primary: ZoneRestorer,
    request: RestoreRequest,
    workspace: Workspace,
) -> ApplyBase:
    """Close the open intent, where --recover names it: its writer is gone.

    Its update landed if any server shows its anchor; a primary that lost the zone cannot tell. Either way it can never
    land later: the restored zone has a tombstone at its claim.

    Raises:
        Refused: guard `open-intent`.
    """
    log, entry = opened.log, opened.log.open_intent
    if entry is None or not isinstance(entry.body, Intent):
        return opened
    if request.apply.recover != entry.seq:
        raise Refused(
            f"intent {entry.seq} by {entry.envelope.principal} has no result: an apply is running, or one ended before "
            "it recorded its result",
            guard="open-intent",
            hint="run `hyops-gitops apply`, which settles it while the primary has the zone; "
            f"if the zone is lost and that apply surely gone: --recover {entry.seq}",
        )
    anchor = Anchor(entry.seq, entry.sha256)
    landed = any(secondary.anchor == anchor for secondary in served)
    if not landed and primary.exists():
        landed = anchor.rrset(log.zone) in primary.rrsets_at([anchor.rrset(log.zone).name])
    workspace.on_event(
        Warned(f"the update of intent {entry.seq} {'had landed' if landed else 'is assumed not to have landed'}")
    )
    zone = zone_after_intent(log.observed, entry.body) if landed else log.observed
    state = after_changes(log.state, entry.body.changes) if landed else log.state
    reason = "" if landed else "its writer was gone, and no server shows its update; the zone is being restored"
    after = ZoneDigests.of(zone, state, None if landed else entry.body.before.serial)
    result = replace(
        result_of(entry, "applied" if landed else "failed", after, reason),
        retire=retirements(entry.body.changes, workspace.clock.now(), (), log.remembered) if landed else (),
        recovered=True,
    )
    return opened.with_log(opened.writer.append(log, result, zone, state))


def _gap(
    found: PrimaryState, served: tuple[SecondaryState, ...], opened: ApplyBase, request: RestoreRequest
) -> Gap | None:
    ahead = newer_anchor(found, served, opened.log)
    if ahead is None:
        return None
    override = find_override(request.apply.overrides, "log-gap")
    if override is None or "log-gap" not in opened.authority.policy.overridable:
        raise log_gap(*ahead, opened.log)
    _, anchor = ahead
    return Gap(masked(override.reason), MissingEntries(opened.log.head.seq + 1, anchor.seq), anchor.sha256)
