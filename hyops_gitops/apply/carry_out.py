"""Steps 7 to 11: intent, one PATCH, proof, result.

Whether the change is right was decided before: it comes as a `Preparation`.
"""

from collections.abc import Sequence
from dataclasses import field, replace
from datetime import datetime

from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.apply.prepare import Preparation
from hyops_gitops.apply.probe import answering_badly, prove_services
from hyops_gitops.apply.prove import converged, prove
from hyops_gitops.apply.read_back import NOTHING_READ, ReadBack, believed
from hyops_gitops.apply.record import recorded_overrides, result_of
from hyops_gitops.apply.recover import free_lost_numbers, overtaken
from hyops_gitops.apply.send import LastLook, PatchOutcome, send, update_of
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.outside import Process
from hyops_gitops.core.ports import Clock
from hyops_gitops.core.serials import forecast_serial, is_newer
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.servers import servers_of
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.entries import DigestSource, Intent, Result
from hyops_gitops.log.log import Log, placed
from hyops_gitops.log.parts import Lease, ZoneDigests
from hyops_gitops.log.retirement import after_caches, judged, retirements
from hyops_gitops.log.timeline import ServiceReport, timeline
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.state import after_changes

_RESULT_PAUSES_S = (0.0, 0.5, 2.0, 5.0)
_ROUNDING_S = 3.0  # caches and retirement times count in whole seconds
_LEASE_SPARE_S = 20.0  # of the lease, kept for writing the result


class Stopwatch:
    """The duration of each step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self.timings_ms: dict[str, int] = {}

    def lap(self, step: str) -> None:
        """Note the time since the step before."""
        now = self._clock.monotonic()
        self.timings_ms[step] = round((now - self._since) * 1000)
        self._since = now


@dataclass(frozen=True, slots=True)
class IntentOutcome:
    result: Result  # as it was recorded
    intended: Log  # with the intent as its newest entry
    log: Log  # with the result
    reason: str = ""  # why it was not applied, in full
    serial: int | None = None
    back: ReadBack = NOTHING_READ


def carry_out(
    prepared: Preparation, log: Log, request: ApplyRequest, workspace: Workspace, watch: Stopwatch
) -> IntentOutcome:
    """Steps 7 to 11.

    Raises:
        Refused: guard `race`: another applier's entry came first; nothing was sent.
        OutsideFailure: the intent could not be written; nothing was sent.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    free_lost_numbers(prepared.primary, log, restored=prepared.observation.state == "restored")
    started = workspace.clock.monotonic()
    state = after_changes(log.state, prepared.plan.changes)
    intent = _intent_of(prepared, state, workspace.process)
    intended = prepared.opened.writer.append(log, intent, prepared.plan.observed, log.state)
    watch.lap("intent")
    workspace.on_event(Step(f"intent {intended.head.seq} is signed and in the log; sending one PATCH"))
    update = update_of(prepared, log, intended, workspace.clock.now())
    sent = send(prepared.primary, update, workspace.clock, LastLook(prepared, intended, workspace.clock, started))
    sent, back = believed(prepared.primary, update, sent, workspace.clock, workspace.on_event)
    accepted = _Accepted(workspace.clock.now(), workspace.clock.monotonic())
    watch.lap("patch")
    if sent.outcome != "applied":
        carried = _not_applied(prepared, intended, sent, workspace)
    else:
        _look_at_serial(prepared, workspace)
        lease_ends = started + intent.lease.seconds - _LEASE_SPARE_S
        proof = _prove(prepared, intended, accepted, lease_ends if request.watch else accepted.monotonic, workspace)
        watch.lap("converge")
        stored = _Stored(sent, back, accepted, state, intent.expected)
        carried = _applied(prepared, intended, stored, proof, workspace)
    watch.lap("result")
    return carried


def _intent_of(prepared: Preparation, state: ManagedSet, process: Process) -> Intent:
    """The intent of a prepared change, which leads to this managed set."""
    plan, opened = prepared.plan, prepared.opened
    return Intent(
        contracts=opened.contracts,
        authority=opened.authority_ref,
        merged=prepared.merged,
        before=ZoneDigests.of(plan.observed, opened.log.state, prepared.serial),
        expected=ZoneDigests.of(plan.expected_zone(), state, None),
        plan_sha256=plan.digest(),
        changes=plan.changes,
        drift=plan.drift,
        held=plan.held,
        overrides=recorded_overrides(prepared.overrides),
        lease=Lease(opened.authority.policy.lease_s, process.boot_id, process.pid),
        readiness=prepared.readiness,
        sites_lost=prepared.sites_lost,
        declared=prepared.declared,
        rollback_of=prepared.rollback_of,
        holds=prepared.holds,
        repair=tuple(damage for repair in prepared.repair for damage in repair.damage),
    )


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The moment at which the primary accepted the update, by both clocks."""

    at: datetime
    monotonic: float


@dataclass(frozen=True, slots=True)
class _Stored:
    """An accepted update, in the database and as its intent wants it."""

    sent: PatchOutcome
    back: ReadBack
    accepted: _Accepted
    state: ManagedSet  # less what the intent has held
    expected: ZoneDigests


@dataclass(slots=True)
class _Proof:
    """The observations of an update."""

    servers: tuple[ServerReport, ...] = ()
    services: tuple[ServiceReport, ...] = field(default=())


def _not_applied(prepared: Preparation, intended: Log, sent: PatchOutcome, workspace: Workspace) -> IntentOutcome:
    plan, serial = prepared.plan, prepared.serial
    after = ZoneDigests.of(plan.observed, intended.state, serial)
    result = result_of(intended.head, sent.outcome, after, sent.reason)
    log = _record(prepared, intended, result, plan.observed, intended.state, workspace)
    return IntentOutcome(result, intended, log, sent.reason, serial)


def _prove(
    prepared: Preparation, intended: Log, accepted: _Accepted, watch_until: float, workspace: Workspace
) -> _Proof:
    """Steps 9 and 10: servers, services through their names, caches."""
    plan, opened, lost = prepared.plan, prepared.opened, prepared.sites_lost
    moved = prepared.targets
    proof = _Proof()

    def linger(seen: Sequence[ServerReport]) -> float:
        done = {report.key for report in seen if report.verdict == "converged"}
        watched = [server for server in servers_of(opened.authority, lost) if server.authoritative]
        serving = [server for server in watched if server.key in done]
        zone = plan.expected_zone()
        proof.services = prove_services(moved, serving, opened.authority, zone, accepted.monotonic, workspace)
        behind = any(server.key not in done for server in watched if server.required)
        if not moved or behind or answering_badly(proof.services):
            return accepted.monotonic  # nothing to watch, or bad news to report at once
        # No cache may hold the old records any longer than this, if they were what it has.
        longest = max(change.before.ttl for change in plan.changes if change.cutover and change.before is not None)
        return min(workspace.clock.monotonic() + longest + _ROUNDING_S, watch_until)

    anchor = intended.head.anchor
    proof.servers = prove(
        opened.authority,
        prepared.primary,
        anchor,
        plan.changes,
        accepted.monotonic,
        workspace,
        sites_lost=lost,
        linger=linger,
    )
    return proof


def _applied(
    prepared: Preparation, intended: Log, stored: _Stored, proof: _Proof, workspace: Workspace
) -> IntentOutcome:
    plan, authority, lost = prepared.plan, prepared.opened.authority, prepared.sites_lost
    accepted, back = stored.accepted, stored.back
    if back.unread and not any(server.role != "resolver" and server.verdict == "converged" for server in proof.servers):
        raise Unconfirmed(
            f"the update was accepted, and neither the primary nor a server shows it: {back.unread}",
            code="not-read-back",
            hint="run `hyops-gitops apply`, which settles the open intent",
        )
    zone = plan.expected_zone()
    state = after_changes(stored.state, (), placed(prepared.holds, intended.numbered(intended.head.seq)))
    serial, source = _serial_after(prepared, stored, workspace)
    known = retirements(plan.changes, accepted.at, proof.servers, intended.remembered)
    retire = after_caches(known, authority)
    servers = tuple(judged(server, retire, workspace.clock.now()) for server in proof.servers)
    is_converged = converged(authority, servers, lost)
    moments = timeline(servers, proof.services) if any(change.cutover for change in plan.changes) else ()
    result = replace(
        result_of(intended.head, "applied", replace(stored.expected, serial=serial)),  # holds are in no digest
        converged=is_converged,
        after_source=source,
        accepted=accepted.at.replace(microsecond=0),
        servers=servers,
        retire=retire,
        services=proof.services,
        timeline=moments,
        damage=back.damage,
    )
    log = _record(prepared, intended, result, zone, state, workspace)
    return IntentOutcome(result, intended, log, serial=serial, back=back)


def _serial_after(prepared: Preparation, stored: _Stored, workspace: Workspace) -> tuple[int | None, DigestSource]:
    """The serial now, and whether the zone was read for it.

    While the serial moved as one change moves it, and still is what our update made of it, no other writer is seen:
    a database without isolation may give two changes one serial. Otherwise the zone, read back whole or read now, is
    compared with what was expected. A difference is left to the next apply, which reads the zone whole and records it
    as drift: it must not take the serial recorded now for a sign that the zone is as recorded.
    """
    sent, back = stored.sent, stored.back
    forecast = forecast_serial(prepared.observation.header, stored.accepted.at).stored
    if sent.new_serial in forecast and back.serial == sent.new_serial and not back.differing:
        return sent.new_serial, "computed"
    serial, rows = back.serial, back.whole
    if serial is None or not rows:
        try:
            serial, rows = prepared.primary.header().serial, prepared.primary.rrsets()
        except OutsideFailure as error:
            workspace.on_event(Warned(f"cannot read the zone again: {error.message}"))
            return None if sent.new_serial in forecast else sent.new_serial, "computed"
    zone = Zone.of(prepared.plan.zone, rows).respelled(prepared.plan.expected_zone())
    if not is_newer(serial, prepared.serial):
        workspace.on_event(Warned(f"the serial was {prepared.serial} and is {serial}: no secondary transfers that"))
    if zone.digest() != prepared.plan.expected_zone().digest():
        moved = f", serial {prepared.serial} -> {serial}" if serial not in forecast else ""
        workspace.on_event(Warned(f"another writer changed the zone meanwhile{moved}; the next apply shows what"))
        return None if serial in forecast else serial, "computed"
    return serial, "read"


def _look_at_serial(prepared: Preparation, workspace: Workspace) -> None:
    """Warn where secondaries do not learn of this update."""
    before, zone = prepared.observation.header, prepared.plan.zone
    if forecast_serial(before, workspace.clock.now()).moves is not None:
        return
    try:
        after = prepared.primary.header()
    except OutsideFailure as error:
        workspace.on_event(Warned(f"cannot see whether the served serial moved: {error.message}"))
        return
    if not is_newer(after.edited_serial, before.edited_serial):
        setting = f"SOA-EDIT-API {after.soa_edit_api} and SOA-EDIT {after.soa_edit or 'not set'}"
        stuck = f"the served serial of {zone} did not move, it was {before.edited_serial} and is {after.edited_serial}"
        way = f"bring them up with `drift --retransfer NAME`; then: pdnsutil set-meta {zone} SOA-EDIT-API INCREASE"
        workspace.on_event(Warned(f"{stuck} ({setting}): secondaries do not learn of this change; {way}"))


def _record(
    prepared: Preparation, intended: Log, result: Result, zone: Zone, state: ManagedSet, workspace: Workspace
) -> Log:
    """Append the result after entries written meanwhile; retry where the remote fails.

    Raises:
        Unconfirmed: it cannot be written, and the intent stays open; or another run wrote one.
        OutsideFailure: another run took this one for dead, and made sure that its update never lands.
    """
    log, reason = intended, ""
    for pause in _RESULT_PAUSES_S:
        workspace.clock.sleep(pause)
        try:
            if reason:
                log = prepared.opened.writer.newest()
            settled = log.end_of(intended.head)
            if settled is None:
                log = prepared.opened.writer.append(log, result, zone, state)
            elif settled[0] != result:  # else it had arrived, and only the answer was lost
                break
        except (OutsideFailure, Refused) as error:
            reason = error.message
        else:
            return log
    else:
        raise Unconfirmed(
            f"the update is {result.outcome}, but cannot record its result: {reason}",
            code="result-not-recorded",
            hint="run `hyops-gitops apply`, which settles the open intent",
        )
    raise overtaken(intended.head, settled[1])
