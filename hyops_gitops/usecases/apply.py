"""Apply: carry the contracts of one commit to the zone. The numbers are those of the procedure in docs/apply.md.

 1. the commit, its validation, the signing key                    (apply_preparation)
 2. the signed log, fetched and verified
 3. no open intent
 4. the zone's header and anchor                                   (observation)
 5. the three-way plan                                             (proposal, core.planning)
 6. readiness of new targets: not part of this version
 7. the intent, signed and pushed: the commit point and the lock   (evidence_log)
 8. one PATCH, if nothing moved meanwhile                          (sending)
 9. proof by DNS                                                   (convergence)
10. the service probed through its name: not part of this version
11. the result, signed and pushed
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from hyops_gitops.core.entries import (
    AuthorityChange,
    DigestSource,
    Intent,
    Lease,
    Result,
    ServerReport,
    Unchanged,
    ZoneDigests,
)
from hyops_gitops.core.errors import HyopsError, OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.log import Log
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.masking import masked
from hyops_gitops.core.plan import Plan
from hyops_gitops.core.receipt import EntryRef, Outcome, Receipt
from hyops_gitops.core.retirement import retirements
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.summary import summarise
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.apply_ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.apply_preparation import Prepared, prepare
from hyops_gitops.usecases.convergence import Expectation, Watch, servers_of
from hyops_gitops.usecases.sending import Sent, send
from hyops_gitops.usecases.update import LastLook, update_of

_RACES = 5  # how often to start again after another applier wrote first
_RACE_PAUSE_S = 0.5
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
            ports.clock.sleep(_RACE_PAUSE_S * attempt * (0.5 + ports.jitter()))
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
        prepared = prepare(self.request, self.ports)
        self._timed("prepare")
        if prepared.plan.refusals:
            receipt = self._receipt(prepared, "refused", prepared.log)
            return replace(receipt, reason=prepared.plan.refusals[0].message)
        log = self._record_authority(prepared)
        if not prepared.plan.changes:
            return self._nothing(prepared, log)
        return self._carry_out(prepared, log)

    # --- nothing to do

    def _record_authority(self, prepared: Prepared) -> Log:
        """A changed authority is an entry of its own, ahead of what is done under it."""
        change, log = prepared.authority_change, prepared.log
        if change is None or any(
            isinstance(entry.body, AuthorityChange) and entry.body == change for entry in log.entries
        ):
            return log
        subject = f"authority of {log.zone} changed by {change.commit[:12]}"
        return prepared.writer.append(log, change, log.observed, log.state, subject)

    def _nothing(self, prepared: Prepared, log: Log) -> Receipt:
        """Every merge has a disposition: one that asks for nothing new is recorded once."""
        recorded = log.recorded
        if recorded is None or recorded.contracts.manifest != prepared.contracts.manifest:
            body = Unchanged(prepared.contracts, prepared.authority_ref, prepared.merged)
            subject = f"unchanged by {prepared.commit[:12]}"
            log = prepared.writer.append(log, body, prepared.plan.observed, log.state, subject)
        return self._receipt(prepared, "nothing", log)

    # --- something to do

    def _carry_out(self, prepared: Prepared, log: Log) -> Receipt:
        plan = prepared.plan
        started = self.clock.monotonic()
        intended = prepared.writer.append(
            log, self._intent(prepared), plan.observed, log.state, _subject("intent", plan)
        )
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
        plan = prepared.plan
        managed_after = plan.expected_managed()
        expected = plan.expected_zone()
        return Intent(
            contracts=prepared.contracts,
            authority=prepared.authority_ref,
            merged=prepared.merged,
            before=_digests(plan.observed, plan.recorded, prepared.observation.header.serial),
            expected=_digests(expected, managed_after, None),
            plan_sha256=plan.digest(),
            changes=plan.changes,
            drift=plan.drift,
            held=plan.held,
            overrides=tuple(replace(one, reason=masked(one.reason)) for one in self.request.overrides),
            lease=Lease(prepared.authority.policy.lease_s, self.request.boot_id, self.request.pid),
        )

    def _not_applied(self, prepared: Prepared, intended: Log, sent: Sent) -> Receipt:
        plan, serial = prepared.plan, prepared.observation.header.serial
        result = Result(
            intent_seq=intended.head.seq,
            intent_sha256=intended.head.sha256,
            outcome=sent.outcome,
            converged=False,
            serial_before=serial,
            after=_digests(plan.observed, plan.recorded, serial),
            after_source="computed",
            accepted=None,
            servers=(),
            retire=(),
            reason=masked(sent.reason),
        )
        log = self._record_result(prepared, intended, result, plan.observed, intended.state, sent.outcome)
        outcome: Outcome = "refused" if sent.outcome == "refused" else "failed"
        return replace(self._receipt(prepared, outcome, log, intended), reason=sent.reason)

    def _prove(self, prepared: Prepared, intended: Log, sent: Sent, accepted: datetime, accepted_at: float) -> Receipt:
        plan, authority = prepared.plan, prepared.authority
        servers = self._watch(prepared, intended, accepted_at)
        self._timed("converge")
        required = {(one.role, one.name) for one in servers_of(authority) if one.required}
        converged = all(one.verdict == "converged" for one in servers if (one.role, one.name) in required)
        zone, serial, source = self._zone_after(prepared, sent)
        state = plan.expected_managed()
        retire = retirements(plan.changes, accepted, servers, intended.applied())
        result = Result(
            intent_seq=intended.head.seq,
            intent_sha256=intended.head.sha256,
            outcome="applied",
            converged=converged,
            serial_before=prepared.observation.header.serial,
            after=_digests(zone, state, serial),
            after_source=source,
            accepted=accepted.replace(microsecond=0),
            servers=servers,
            retire=retire,
        )
        log = self._record_result(prepared, intended, result, zone, state, "applied" if converged else "not converged")
        behind = [f"{one.role} {one.name} is {one.verdict}" for one in servers if one.verdict != "converged"]
        return replace(
            self._receipt(prepared, "applied" if converged else "unconfirmed", log, intended),
            reason="" if converged else f"the update was accepted, but {', '.join(behind)}",
            serial_after=serial,
            servers=servers,
            retire=retire,
        )

    def _watch(self, prepared: Prepared, intended: Log, accepted_at: float) -> tuple[ServerReport, ...]:
        authority = prepared.authority
        anchor = Anchor(intended.head.seq, intended.head.sha256).rrset(authority.zone)
        expected_anchor = Expectation(Question(anchor.name, anchor.type), anchor)
        transfers = self.ports.open_transfers(authority)

        def notify() -> None:
            for ask in (prepared.primary.notify, *(transfer.retrieve for transfer in transfers)):
                try:
                    ask()
                except HyopsError as error:
                    self.ports.on_event(Warned(error.message))

        return Watch(self.ports.dns, self.clock, self.ports.on_event, expected_anchor).run(
            servers_of(authority),
            [Expectation.of(change) for change in prepared.plan.changes if change.writes],
            accepted_at=accepted_at,
            timeout_s=authority.policy.convergence.timeout_s,
            notify=notify,
        )

    def _zone_after(self, prepared: Prepared, sent: Sent) -> tuple[Zone, int | None, DigestSource]:
        """The zone as it is now: computed while the serial moved by our one step, else read again."""
        before = prepared.observation.header.serial
        if sent.new_serial is not None and sent.new_serial == before + 1:
            return prepared.plan.expected_zone(), sent.new_serial, "computed"
        try:
            serial = prepared.primary.header().serial
            return Zone.of(prepared.plan.zone, prepared.primary.rrsets()), serial, "read"
        except OutsideFailure as error:
            self.ports.on_event(Warned(f"the zone could not be read again: {error.message}"))
            return prepared.plan.expected_zone(), sent.new_serial, "computed"

    def _record_result(
        self, prepared: Prepared, intended: Log, result: Result, zone: Zone, state: ManagedSet, word: str
    ) -> Log:
        """Write the result, a few times if the remote does not answer.

        Raises:
            Unconfirmed: it cannot be written; the intent stays open.
        """
        reason = ""
        for pause in _RESULT_PAUSES_S:
            self.clock.sleep(pause)
            try:
                log = prepared.writer.append(intended, result, zone, state, _subject(word, prepared.plan))
            except (OutsideFailure, Refused) as error:
                reason = error.message
            else:
                self._timed("result")
                return log
        raise Unconfirmed(
            f"the update is {result.outcome}, but its result could not be recorded: {reason}",
            code="result-not-recorded",
            hint="the intent stays open; the next apply settles it",
        )

    def _receipt(self, prepared: Prepared, outcome: Outcome, log: Log, intended: Log | None = None) -> Receipt:
        serial = prepared.observation.header.serial
        return Receipt(
            outcome=outcome,
            commit=prepared.commit,
            plan=prepared.plan,
            serial_before=serial,
            serial_after=serial,
            intent=_ref(intended) if intended else None,
            result=_ref(log) if intended else None,
            head=_ref(log),
            timings_ms=self.timings,
        )

    def _timed(self, step: str) -> None:
        now = self.clock.monotonic()
        self.timings[step] = round((now - self._mark) * 1000)
        self._mark = now


def _digests(zone: Zone, managed: ManagedSet, serial: int | None) -> ZoneDigests:
    """Digests of a zone: of what we manage in it, as it stands there, and of all of it."""
    return ZoneDigests(zone.select(managed.entries).digest(), zone.digest(), serial)


def _subject(word: str, plan: Plan) -> str:
    return f"{word} {summarise(plan.changes)}"


def _ref(log: Log) -> EntryRef:
    return EntryRef(log.head.seq, log.head.sha256)
