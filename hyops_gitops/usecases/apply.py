"""Apply: carry the contracts of one commit to the zone. The numbers are those of the procedure in docs/apply.md.

 1. the commit, its validation, the signing key                    (apply_opening)
 2. the signed log, fetched and verified
 3. no open intent: waited for, or settled                         (recovery)
 4. the zone's header and anchor                                   (apply_preparation, observation)
 5. the three-way plan                                             (proposal, core.planning)
 6. readiness of new targets                                       (readiness, core.readiness_guard)
 7. the intent, signed and pushed: the commit point and the lock   (evidence_log)
 8. one PATCH, if nothing moved meanwhile                          (sending)
 9. proof by DNS                                                   (proof, convergence)
10. the service probed through its name: not part of this version
11. the result, signed and pushed
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from hyops_gitops.core.continuity import after_changes
from hyops_gitops.core.entries import DigestSource, Intent, Refusal, Result, Unchanged
from hyops_gitops.core.entry_parts import Lease, MergedCommit, RecordedRefusal
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.guards import Override
from hyops_gitops.core.log import Log
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.masking import masked
from hyops_gitops.core.plan import Change
from hyops_gitops.core.plan import Refusal as PlanRefusal
from hyops_gitops.core.receipt import EntryRef, Outcome, Receipt
from hyops_gitops.core.retirement import retirements
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply_opening import Opened, commits_since, open_log
from hyops_gitops.usecases.apply_ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.apply_preparation import Checked, Prepared, check_commits, look, prepare, zone_digests
from hyops_gitops.usecases.declarations import with_trailers
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.lost_numbers import free_lost_numbers
from hyops_gitops.usecases.merged_commits import Attributed, attribute
from hyops_gitops.usecases.proof import behind, converged, prove
from hyops_gitops.usecases.recovery import newest_log, overtaken, result_of, without_open_intent
from hyops_gitops.usecases.sending import Sent, send
from hyops_gitops.usecases.update import LastLook, update_of

_RECORDED_FINDINGS = 20
_RACES = 40  # how often to start again after another applier wrote first; each time, at least, one of them went on
_RACE_PAUSE_S = 0.5  # never longer: who has lost often must not come later for it
_RESULT_PAUSES_S = (0.0, 0.5, 2.0, 5.0)


def apply(request: ApplyRequest, ports: ApplyPorts) -> Receipt:
    """Apply one commit.

    Returns a receipt for every outcome of the apply itself, refusals by the plan included.

    Raises:
        FindingsError: what would be applied is invalid; nothing was changed.
        Refused: a guard said no before there was a plan; nothing was changed.
        OutsideFailure: API or remote failed before the intent; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    for attempt in range(1, _RACES + 1):
        try:
            return _Apply(request, ports).run()
        except Refused as error:
            if error.guard != "race" or attempt == _RACES:
                raise
            ports.on_event(Warned("another applier wrote to the log first; starting again"))
            ports.clock.sleep(_RACE_PAUSE_S * (0.5 + ports.jitter()))
    raise AssertionError("unreachable: the last attempt returns or raises")


class _Apply:
    """One attempt, from reading the log to writing the result."""

    def __init__(self, request: ApplyRequest, ports: ApplyPorts) -> None:
        self.request = request
        self.ports = ports
        self.clock = ports.clock
        self.timings: dict[str, int] = {}
        self._mark = ports.clock.monotonic()

    def run(self) -> Receipt:
        """Steps 1 to 11."""
        opened = open_log(self.request, self.ports)
        commits = self._commits(opened)
        # What the commits alone tell is told before anybody is asked; an open intent may yet change what is recorded.
        checked = None if opened.log.open_intent else self._checked(opened, commits)
        seen = look(opened, self.request, self.ports)
        if checked is None:
            opened = without_open_intent(opened, seen.primary, self.request, self.ports)
            checked = self._checked(opened, self._commits(opened))
            seen = look(opened, self.request, self.ports)
        try:
            prepared = prepare(opened, checked, seen, self.request, self.ports)
        except Refused as error:
            self._record_refusal(opened, checked.merged, (_recorded_refusal(error),))
            raise
        self._timed("prepare")
        plan = prepared.plan
        if plan.refusals:
            found = tuple(map(_recorded_refusal, plan.refusals))
            log = self._record_refusal(opened, checked.merged, found, plan.changes)
            return replace(self._receipt(prepared, "refused", log), reason=plan.refusals[0].message)
        log = self._record_circumstances(prepared)
        return self._carry_out(prepared, log) if plan.changes else self._nothing(prepared, log)

    # --- what is recorded when nothing is sent

    def _commits(self, opened: Opened) -> tuple[CommitInfo, ...]:
        """The commits that this apply carries out; what their trailers lift counts from here on."""
        commits = commits_since(opened, self.ports)
        self.request = replace(self.request, overrides=with_trailers(self.request.overrides, commits))
        return commits

    def _checked(self, opened: Opened, commits: tuple[CommitInfo, ...]) -> Checked:
        """The commits, checked; what stops them is recorded where log and zone prove to belong together."""
        people = attribute(commits, self.ports.forge, self.ports.on_event)
        try:
            return check_commits(opened, people, self.request, self.ports)
        except FindingsError as error:
            shown = error.findings[:_RECORDED_FINDINGS]
            found = tuple(RecordedRefusal("findings", None, masked(f"{one.path}: {one.rule}")) for one in shown)
            self._record_if_whole(opened, people, found)
            raise
        except Refused as error:
            self._record_if_whole(opened, people, (_recorded_refusal(error),))
            raise

    def _record_if_whole(
        self, opened: Opened, people: tuple[Attributed, ...], refusals: tuple[RecordedRefusal, ...]
    ) -> None:
        try:
            look(opened, self.request, self.ports)
        except HyopsError as error:
            self.ports.on_event(Warned(f"the refusal is not recorded: {error.message}"))
        else:
            self._record_refusal(opened, tuple(one.merged for one in people), refusals)

    def _record_refusal(
        self,
        opened: Opened,
        merged: tuple[MergedCommit, ...],
        refusals: tuple[RecordedRefusal, ...],
        changes: tuple[Change, ...] = (),
    ) -> Log:
        """Refusals are evidence too; the same one, with nothing applied since, is not written again."""
        log = opened.log
        overrides = _recorded(self.request.overrides)
        body = Refusal(opened.contracts, opened.authority_ref, merged, refusals, changes, overrides)
        for entry in reversed(log.entries):
            if isinstance(entry.body, Result | Unchanged):
                break
            if isinstance(entry.body, Refusal):
                if entry.body.to_json() == body.to_json():
                    return log
                break
        return opened.writer.append(log, body, log.observed, log.state)

    def _record_circumstances(self, prepared: Prepared) -> Log:
        """What has to be in the log ahead of what is done: missing entries, a changed authority, drift."""
        log, writer = prepared.opened.log, prepared.opened.writer
        if prepared.gap is not None:
            log = writer.append(log, prepared.gap, log.observed, log.state)
        change = prepared.authority_change
        if change is not None and all(entry.body != change for entry in log.entries.of_types("authority")):
            log = writer.append(log, change, log.observed, log.state)
        if prepared.drift is not None:
            log = writer.append(log, prepared.drift, prepared.plan.observed, log.state)
        return log

    def _nothing(self, prepared: Prepared, log: Log) -> Receipt:
        """Every merge has a disposition: one that asks for nothing new is recorded once."""
        opened, recorded = prepared.opened, log.recorded
        if recorded is None or recorded.contracts.manifest != opened.contracts.manifest:
            body = Unchanged(opened.contracts, opened.authority_ref, prepared.merged)
            log = opened.writer.append(log, body, log.observed, log.state)
        return self._receipt(prepared, "nothing", log)

    # --- something to do

    def _carry_out(self, prepared: Prepared, log: Log) -> Receipt:
        free_lost_numbers(prepared.primary, log)
        started = self.clock.monotonic()
        intended = prepared.opened.writer.append(log, self._intent(prepared), prepared.plan.observed, log.state)
        self._timed("intent")
        self.ports.on_event(Step(f"intent {intended.head.seq} is signed and in the log; sending one PATCH"))
        update = update_of(prepared, log, intended, self.clock.now())
        sent = send(prepared.primary, update, self.clock, LastLook(prepared, intended, self.clock, started))
        accepted, accepted_at = self.clock.now(), self.clock.monotonic()
        self._timed("patch")
        match sent.outcome:
            case "applied":
                return self._prove(prepared, intended, sent, accepted, accepted_at)
            case "failed" | "refused":
                return self._not_applied(prepared, intended, sent)
            case _:
                assert_never(sent.outcome)

    def _intent(self, prepared: Prepared) -> Intent:
        plan, opened = prepared.plan, prepared.opened
        return Intent(
            contracts=opened.contracts,
            authority=opened.authority_ref,
            merged=prepared.merged,
            before=zone_digests(plan.observed, opened.log.state, prepared.serial),
            expected=zone_digests(plan.expected_zone(), after_changes(opened.log.state, plan.changes), None),
            plan_sha256=plan.digest(),
            changes=plan.changes,
            drift=plan.drift,
            held=plan.held,
            overrides=_recorded(self.request.overrides),
            lease=Lease(opened.authority.policy.lease_s, self.request.boot_id, self.request.pid),
            readiness=prepared.readiness,
        )

    def _not_applied(self, prepared: Prepared, intended: Log, sent: Sent) -> Receipt:
        plan, serial = prepared.plan, prepared.serial
        result = Result(
            intent_seq=intended.head.seq,
            intent_sha256=intended.head.sha256,
            outcome=sent.outcome,
            converged=False,
            serial_before=serial,
            after=zone_digests(plan.observed, intended.state, serial),
            after_source="computed",
            accepted=None,
            servers=(),
            retire=(),
            reason=masked(sent.reason),
        )
        log = self._record_result(prepared, intended, result, plan.observed, intended.state)
        outcome: Outcome = "refused" if sent.outcome == "refused" else "failed"
        return replace(self._receipt(prepared, outcome, log, intended), reason=sent.reason)

    def _prove(self, prepared: Prepared, intended: Log, sent: Sent, accepted: datetime, accepted_at: float) -> Receipt:
        plan, authority = prepared.plan, prepared.opened.authority
        anchor = Anchor(intended.head.seq, intended.head.sha256)
        servers = prove(authority, prepared.primary, anchor, plan.changes, accepted_at, self.ports)
        self._timed("converge")
        zone, state = plan.expected_zone(), after_changes(intended.state, plan.changes)
        serial, source = self._serial_after(prepared, sent)
        retire = retirements(plan.changes, accepted, servers, intended.applied_to)
        is_converged = converged(authority, servers)
        result = Result(
            intent_seq=intended.head.seq,
            intent_sha256=intended.head.sha256,
            outcome="applied",
            converged=is_converged,
            serial_before=prepared.serial,
            after=zone_digests(zone, state, serial),
            after_source=source,
            accepted=accepted.replace(microsecond=0),
            servers=servers,
            retire=retire,
        )
        log = self._record_result(prepared, intended, result, zone, state)
        return replace(
            self._receipt(prepared, "applied" if is_converged else "unconfirmed", log, intended),
            reason="" if is_converged else f"the update was accepted, but {behind(servers)}",
            serial_after=serial,
            servers=servers,
            retire=retire,
        )

    def _serial_after(self, prepared: Prepared, sent: Sent) -> tuple[int | None, DigestSource]:
        """The serial now, and whether the zone had to be read to know what it holds.

        While the serial moved by our one step nobody else has written. Otherwise the zone is compared with what was
        expected; a difference is left to the next apply, which reads the zone whole and records it as drift.
        """
        if sent.new_serial == prepared.serial + 1:
            return sent.new_serial, "computed"
        try:
            serial = prepared.primary.header().serial
            zone = Zone.of(prepared.plan.zone, prepared.primary.rrsets())
        except OutsideFailure as error:
            self.ports.on_event(Warned(f"the zone could not be read again: {error.message}"))
            return sent.new_serial, "computed"
        if zone.digest() != prepared.plan.expected_zone().digest():
            self.ports.on_event(Warned("somebody else changed the zone meanwhile; the next apply will say what"))
            return serial, "computed"
        return serial, "read"

    def _record_result(self, prepared: Prepared, intended: Log, result: Result, zone: Zone, state: ManagedSet) -> Log:
        """Write the result, a few times if the remote does not answer, after whatever was written meanwhile.

        Raises:
            Unconfirmed: it cannot be written, and the intent stays open; or another run wrote one.
            OutsideFailure: another run took this one for dead, and made sure that its update never lands.
        """
        log, reason = intended, ""
        for pause in _RESULT_PAUSES_S:
            self.clock.sleep(pause)
            try:
                if reason:
                    log = newest_log(prepared.opened, self.ports)
                settled = result_of(log, intended.head.seq)
                if settled is None:
                    log = prepared.opened.writer.append(log, result, zone, state)
                elif settled.body != result:  # else it had arrived, and only the answer was lost
                    break
            except (OutsideFailure, Refused) as error:
                reason = error.message
            else:
                self._timed("result")
                return log
        else:
            raise Unconfirmed(
                f"the update is {result.outcome}, but its result could not be recorded: {reason}",
                code="result-not-recorded",
                hint="the intent stays open; the next apply settles it",
            )
        raise overtaken(intended.head, settled)

    def _receipt(self, prepared: Prepared, outcome: Outcome, log: Log, intended: Log | None = None) -> Receipt:
        return Receipt(
            outcome=outcome,
            commit=prepared.opened.commit,
            plan=prepared.plan,
            readiness=prepared.readiness,
            serial_before=prepared.serial,
            serial_after=prepared.serial,
            intent=_ref(intended) if intended else None,
            result=_ref(log) if intended else None,
            head=_ref(log),
            timings_ms=self.timings,
        )

    def _timed(self, step: str) -> None:
        now = self.clock.monotonic()
        self.timings[step] = round((now - self._mark) * 1000)
        self._mark = now


def _recorded_refusal(refusal: Refused | PlanRefusal) -> RecordedRefusal:
    return RecordedRefusal(refusal.guard, refusal.name, masked(refusal.message))


def _recorded(overrides: tuple[Override, ...]) -> tuple[Override, ...]:
    return tuple(replace(one, reason=masked(one.reason)) for one in overrides)


def _ref(log: Log) -> EntryRef:
    return EntryRef(log.head.seq, log.head.sha256)
