"""Steps 4 to 7 of a restore: entries, request, proof."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from hyops_gitops.apply.propose import effective
from hyops_gitops.apply.prove import behind, converged, prove
from hyops_gitops.apply.read_back import believed
from hyops_gitops.apply.record import head_of, recorded_overrides, result_of
from hyops_gitops.apply.send import PatchOutcome, Update, send
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.damage import REPAIR, damage_words, find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, OutsideFailure, Refused, ReplyLost, ServerRefused, Unconfirmed
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.markers import MARKERS_KEPT, Turn, claim, protocol_marker, protocol_name, tombstone
from hyops_gitops.core.serials import forecast_serial, is_newer, newest_serial
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import DNSSEC_TYPES, SOA_SERIAL, SOA_WORDS, Key, RRset, Zone, same_stored
from hyops_gitops.log.entries import Intent, Result, ResultOutcome
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.log import Log, zone_drift
from hyops_gitops.log.parts import Lease, ZoneDigests
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import plan_digest
from hyops_gitops.plan.state import brought_back
from hyops_gitops.recover.restore import (
    PreparedRestore,
    RestorePlan,
    refs_applied_last,
)

_DEFAULT_TIMERS = "10800 3600 604800 300"
_DEFAULT_SOA_TTL = 3600
_POST_PAUSES_S = (0.0, 0.2, 1.0, 3.0)


RestoreOutcome = Literal["restored", "nothing", "unconfirmed", "failed"]
_EXITS: Mapping[RestoreOutcome, Exit] = {
    "restored": Exit.OK,
    "nothing": Exit.OK,
    "unconfirmed": Exit.UNCONFIRMED,
    "failed": Exit.OUTSIDE,
}


@dataclass(frozen=True, slots=True)
class RestoreResult(JsonReport):
    FORMAT = "hyops-restore/1"
    outcome: RestoreOutcome
    zone: str
    reason: str
    plan: RestorePlan | None
    serial_after: int | None
    servers: tuple[ServerReport, ...]
    intent: EntryRef | None
    result: EntryRef | None
    head: EntryRef

    @property
    def exit_code(self) -> Exit:
        """The exit code of the command."""
        return _EXITS[self.outcome]


class RestoreRun:
    """One run of a restore, from its first entry to its last."""

    def __init__(self, prepared: PreparedRestore, plan: RestorePlan, workspace: Workspace) -> None:
        self.prepared = prepared
        self.plan = plan
        self.workspace = workspace
        self.clock = workspace.clock

    def run(self) -> RestoreResult:
        """Record the intent, write the zone, prove it, record the result.

        Raises:
            Refused: guard `request-size`: the zone would not fit into one request; nothing was recorded.
        """
        self._check_size()
        intended = self._record_intent()
        self.workspace.on_event(Step(f"intent {intended.head.seq} is signed and in the log; writing the zone"))
        sent = self._write(intended)
        accepted, accepted_at = self.clock.now(), self.clock.monotonic()
        if sent.outcome != "applied":
            result = self._result(intended, "failed", sent.reason)
            log = self._append_result(intended, result, intended.observed)
            return self._done("failed", intended, log, sent.reason)
        serial, wrong = self._read_back()
        servers = prove(
            self.prepared.opened.authority,
            self.prepared.primary,
            intended.head.anchor,
            tuple(brought_back(self.plan.restore.differences, intended.state)),
            accepted_at,
            self.workspace,
        )
        good = not wrong and converged(self.prepared.opened.authority, servers)
        reason = wrong or ("" if good else f"the zone is on the primary, but {behind(servers)}")
        result = replace(
            self._result(intended, "applied", wrong),
            after=ZoneDigests.of(self.prepared.wanted, intended.state, serial),
            after_source="computed" if wrong else "read",
            converged=good,
            accepted=accepted.replace(microsecond=0),
            servers=servers,
        )
        log = self._append_result(intended, result, self.prepared.wanted)
        done = self._done("restored" if good else "unconfirmed", intended, log, reason)
        return replace(done, serial_after=serial, servers=servers)

    def _check_size(self) -> None:
        prepared = self.prepared
        if prepared.found.header is None:
            prepared.primary.check_whole(list(prepared.wanted.rrsets.values()))
        else:
            prepared.primary.check_size(*writes(prepared.wanted, [], prepared.found.seen))

    def _record_intent(self) -> Log:
        """Record the drift found, then the intent."""
        prepared, writer = self.prepared, self.prepared.opened.writer
        log, found = prepared.opened.log, prepared.found
        if prepared.gap is not None:
            log = writer.append(log, prepared.gap, log.observed, log.state)
        serial = found.header.serial if found.header else None
        drift = zone_drift(log, prepared.opened.commit, found.zone, serial, restored=True)
        if drift is not None:
            log = writer.append(log, drift, found.zone, log.state)
        return writer.append(log, self._intent(log, serial), found.zone, log.state)

    def _intent(self, log: Log, serial: int | None) -> Intent:
        opened, request = self.prepared.opened, self.prepared.request.apply
        contracts, authority_ref = refs_applied_last(opened)
        before = ZoneDigests.of(self.prepared.found.zone, log.state, serial)
        return Intent(
            contracts=contracts,
            authority=authority_ref,
            merged=(),
            before=before,
            expected=ZoneDigests.of(self.prepared.wanted, log.state, None),
            plan_sha256=plan_digest(log.zone, before.whole, ()),
            changes=(),
            drift=(),
            held=(),
            overrides=recorded_overrides(
                effective(request.overrides, Limits.of(opened.authority.policy), None, self.workspace.on_event)
            ),
            lease=Lease(opened.authority.policy.lease_s, self.workspace.process.boot_id, self.workspace.process.pid),
            restore=self.plan.restore,
        )

    # --- the zone

    def _write(self, intended: Log) -> PatchOutcome:
        prepared, zone = self.prepared, intended.zone
        marks = markers(intended, self.clock.now())
        known = [rrset for rrset in prepared.found.seen if rrset.type == "SOA"]
        known += [secondary.soa for secondary in prepared.served if secondary.soa is not None]
        # PowerDNS stores one more than what is sent, where SOA-EDIT-API is INCREASE.
        soa = soa_with(self.plan.restore.serial - 1, known, prepared.wanted)
        if prepared.found.header is None:
            sent = self._create(intended, [soa, *prepared.wanted.rrsets.values(), *marks])
            self._forget_answers(sent)
            return sent
        deletes, replaces = writes(prepared.wanted, marks, prepared.found.seen)
        locked = any(rrset.key == (protocol_name(zone), "TXT") for rrset in prepared.found.seen)
        update = Update.of(intended, intended.head).carrying(deletes, [*replaces, soa], locked=locked)
        setting = prepared.found.header.soa_edit_api
        if setting.upper() != "INCREASE":
            prepared.primary.set_soa_edit_api("INCREASE")
        try:
            sent = send(prepared.primary, update, self.clock, lambda: self._why_not(intended))
            return believed(prepared.primary, update, sent, self.clock, self.workspace.on_event)[0]
        finally:
            self._set_back(setting)

    def _set_back(self, setting: str) -> None:
        if setting.upper() == "INCREASE":
            return
        primary = self.prepared.primary
        try:
            header = replace(primary.header(), soa_edit_api=setting)
            if forecast_serial(header, self.clock.now()).stored_moves is False:
                was = setting or "not set"
                warning = f"SOA-EDIT-API stays INCREASE: it was {was}, which would not move the serial {header.serial}"
                self.workspace.on_event(Warned(warning))
                return
            primary.set_soa_edit_api(setting)
        except OutsideFailure as error:
            warning = f"SOA-EDIT-API stays INCREASE, it was {setting}: {error.message}"
            self.workspace.on_event(Warned(warning))

    def _forget_answers(self, sent: PatchOutcome) -> None:
        if sent.outcome == "applied":
            try:
                self.prepared.primary.forget_answers()
            except OutsideFailure as error:
                warning = f"the primary may keep refusing the zone for 20 s: {error.message}"
                self.workspace.on_event(Warned(warning))

    def _create(self, intended: Log, rrsets: Sequence[RRset]) -> PatchOutcome:
        prepared, log = self.prepared, intended
        native = not prepared.opened.authority.secondaries or prepared.opened.authority.policy.replication == "native"
        mark = claim(log.zone, log.head.seq, log.head.sha256)
        may_exist, reason = False, ""
        for pause in _POST_PAUSES_S:
            self.clock.sleep(pause)
            if stop := self._why_not(intended):
                return PatchOutcome("refused", reason=stop)
            try:
                prepared.primary.create(rrsets, native=native, transfer_keys=prepared.request.transfer_keys)
                return PatchOutcome("applied")
            except OutsideFailure as error:
                reason = error.message
                may_exist |= isinstance(error, ReplyLost)
                if isinstance(error, ServerRefused) and not may_exist:
                    return PatchOutcome("failed", reason=reason)
            try:
                if may_exist and prepared.primary.exists():  # an earlier try may have created it
                    if mark in prepared.primary.rrsets_at([mark.name]):
                        return PatchOutcome("applied")
                    return PatchOutcome("failed", reason=f"the zone was created by another writer ({reason})")
            except OutsideFailure as error:
                reason = error.message
        if not may_exist:
            return PatchOutcome("failed", reason=reason)
        raise Unconfirmed(
            f"cannot tell whether the zone was created: {reason}",
            code="outcome-unknown",
            hint=f"look at the primary, then run: hyops-gitops restore --recover {log.head.seq}",
        )

    def _why_not(self, intended: Log) -> str | None:
        try:
            head = self.prepared.opened.writer.head()
        except Refused as error:
            return error.message
        return None if head == intended.commit else "the log was continued by another run"

    def _read_back(self) -> tuple[int | None, str]:
        """The serial now, and a problem of the zone."""
        primary, plan = self.prepared.primary, self.plan
        try:
            serial, rows = primary.header().serial, primary.rrsets()
        except OutsideFailure as error:
            return None, f"cannot read the zone again: {error.message}"
        if damage := find_damage(rows):
            return serial, f"{damage_words(damage)}; repair it: `{REPAIR}`"
        zone = Zone.of(plan.zone, rows).respelled(self.prepared.wanted)
        if zone.digest() != plan.zone_sha256:
            return serial, f"expected zone digest {plan.zone_sha256} on the primary, got {zone.digest()}"
        top = newest_serial(number for _, number in plan.restore.serials if number is not None)
        if top is not None and not is_newer(serial, top):
            return serial, f"expected a serial above {top} of a secondary, got {serial}"
        return serial, ""

    # --- the record

    def _result(self, intended: Log, outcome: ResultOutcome, reason: str) -> Result:
        """The result of a restore that changed nothing."""
        after = ZoneDigests.of(intended.observed, intended.state, self.plan.serial_before)
        return result_of(intended.head, outcome, after, reason)

    def _append_result(self, intended: Log, result: Result, zone: Zone) -> Log:
        try:
            return self.prepared.opened.writer.append(intended, result, zone, intended.state)
        except (OutsideFailure, Refused) as error:
            raise Unconfirmed(
                f"cannot record the result of the written zone: {error.message}",
                code="result-not-recorded",
                hint="run `hyops-gitops apply`, which settles the open intent",
            ) from None

    def _done(self, outcome: RestoreOutcome, intended: Log, log: Log, reason: str) -> RestoreResult:
        intent, result = head_of(intended), head_of(log)
        serial = self.plan.serial_before
        return RestoreResult(outcome, log.zone, reason, self.plan, serial, (), intent, result, head=result)


def carry_out_restore(prepared: PreparedRestore, workspace: Workspace) -> RestoreResult:
    """Steps 4 to 7.

    Raises:
        Refused: guard `race`: another run wrote to the log.
        OutsideFailure: the remote cannot be reached; nothing was changed.
        Unconfirmed: sent, and neither reply nor claim can be read; the intent stays open.
    """
    plan, log = prepared.plan, prepared.opened.log
    if plan is None:
        return RestoreResult("nothing", log.zone, "", None, None, (), None, None, head_of(log))
    return RestoreRun(prepared, plan, workspace).run()


# --- parts of the zone


def soa_with(serial: int, known: Iterable[RRset], zone: Zone) -> RRset:
    """The first known SOA with this serial, or a default."""
    name = zone.apex
    for soa in known:
        fields = soa.rdata[0].split(" ")
        if len(fields) != SOA_WORDS:
            continue
        fields[SOA_SERIAL] = str(serial)
        return RRset.of(name, "SOA", soa.ttl, [" ".join(fields)])
    servers = zone.rrsets.get((name, "NS"))
    primary = servers.rdata[0] if servers else f"ns1.{name}."
    return RRset.of(name, "SOA", _DEFAULT_SOA_TTL, [f"{primary} hostmaster.{name}. {serial} {_DEFAULT_TIMERS}"])


def markers(log: Log, now: datetime) -> list[RRset]:
    """The markers of a zone brought back by the open intent.

    Its own lock row, anchor, claim and turn; tombstones of intents whose update may still be under way.
    """
    entry, since = log.head, now - MARKERS_KEPT
    old = [
        intent.seq
        for intent in log.entries.of_types("intent")
        if intent.envelope.time >= since and intent.seq != entry.seq
    ]
    last = log.last_applied
    stones = sorted({*old, *([last.intent_entry.seq] if last else [])})
    turn = Turn(log.zone, entry.seq, entry.envelope.prev_entry).taken(landed=True)
    own = [
        protocol_marker(log.zone),
        entry.anchor.rrset(log.zone),
        claim(log.zone, entry.seq, entry.sha256),
        turn,
    ]
    return [*own, *(tombstone(log.zone, seq) for seq in stones), *_stones_of_segments(log, since)]


def _stones_of_segments(log: Log, since: datetime) -> Iterator[RRset]:
    """Tombstones of recent intents of segments."""
    for segment, entries in log.segments.items():
        for intent in entries.of_types("intent"):
            if intent.envelope.time >= since:
                yield tombstone(log.zone, intent.seq, segment)


def writes(wanted: Zone, marks: Sequence[RRset], seen: Sequence[RRset]) -> tuple[list[Key], list[RRset]]:
    """Keys to delete and RRsets to put, without the SOA."""
    there = {rrset.key: rrset for rrset in seen if rrset.type != "SOA" and rrset.type not in DNSSEC_TYPES}
    target = {**wanted.rrsets, **{mark.key: mark for mark in marks}}
    deletes = [key for key in there if key not in target]
    replaces = [rrset for key, rrset in sorted(target.items()) if not same_stored(there.get(key), rrset)]
    return deletes, replaces
