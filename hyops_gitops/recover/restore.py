"""Restore: rebuild an empty or outdated primary from the zone that the log recorded.

1. the log, verified, without an open intent                            (apply_opening)
2. the primary, or its absence; serial and anchor of every secondary    (restore_look)
3. only a primary that is empty or older than the log; nothing newer on any server
4. what was found is a `drift` entry; then an intent that says `restore`, signed and pushed
5. one POST, or one PATCH: the recorded zone, its markers, a serial above every secondary's
6. the zone read again: its digest must be the recorded one; NOTIFY and transfers until secondaries serve it
7. the result, signed and pushed

Replacing the SOA is the one exception to never writing it: a serial that is not above a secondary's is ignored by it.
"""

from hyops_gitops.apply.opening import Opened, open_log
from hyops_gitops.apply.ports import ApplyPorts
from hyops_gitops.apply.prepare import zone_digests
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.guards import find_override
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.network import ZoneRestorer
from hyops_gitops.core.text import masked
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.continuity import after_changes
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.parts import Restore
from hyops_gitops.log.restoring import differences_between, recorded_zone, serial_above, zone_after_intent
from hyops_gitops.log.retirement import retirements
from hyops_gitops.log.segment_pins import segment_warnings
from hyops_gitops.recover.restoration import (
    Found,
    Prepared,
    Restored,
    RestorePlan,
    RestorePorts,
    RestoreRequest,
    Served,
    ask_secondaries,
    is_behind,
    log_gap,
    look_at_primary,
    newer_anchor,
)
from hyops_gitops.recover.restore_write import Restoring, entry_ref


def prepare_restore(request: RestoreRequest, ports: RestorePorts) -> Prepared:
    """Steps 1 to 3. Writes nothing to the zone; an open intent that `recover` names is closed in the log.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: as an apply does; `not-outdated`, `log-gap`, `other-log`, `open-intent`; `breakglass`: a server shows a
            segment that is not in the log, and what the log recorded is older.
        InvalidData: code `nothing-recorded`: nothing was ever applied.
        OutsideFailure: the remote or the API cannot be reached.
    """
    opened = open_log(request.apply, ports.apply)
    authority = opened.authority
    ports.apply.on_event(Step(f"asking {len(authority.secondaries)} secondaries what they serve"))
    served = ask_secondaries(authority, ports.apply.dns)
    ports.apply.on_event(Step(f"looking at the primary, {authority.primary.api.url}"))
    primary = ports.open_primary(authority)
    opened = _without_open_intent(opened, served, primary, request, ports.apply)
    log = opened.log
    for text in segment_warnings(log, ports.segments, authority.policy.breakglass.review_h):
        ports.apply.on_event(Warned(text))
    if log.anchor is None or log.recorded is None:
        raise InvalidData(
            f"the log of {log.zone} has no applied change, so it recorded no zone to bring back",
            code="nothing-recorded",
            hint="make the zone by hand, then run `hyops-gitops apply`",
        )
    found = look_at_primary(primary, authority, log)
    gap = _gap(found, served, opened, request)
    wanted, seq = recorded_zone(log)
    differences = differences_between(wanted, found.zone, log.state)
    if found.state in ("current", "lost"):
        if differences:
            raise Refused(
                f"the primary shows the anchor of the last applied intent: it is not outdated, and "
                f"{len(differences)} RRsets were changed since",
                guard="not-outdated",
                hint="that is drift; `hyops-gitops plan --live` shows it, and an apply lifts it name by name",
            )
        if not is_behind(found, served):
            return Prepared(request, opened, primary, found, served, wanted, None, None)
    serials = [one.serial for one in served if one.serial is not None]
    known = [*serials, *([found.header.serial] if found.header else []), *([log.serial] if log.serial else [])]
    silent = tuple(one.name for one in served if one.serial is None)
    troubles = {one.name: one.trouble or "does not serve the zone" for one in served if one.serial is None}
    restore = Restore(
        from_seq=seq,
        created=found.header is None,
        serial=serial_above(known, some_unknown=bool(silent)),
        serials=tuple((one.name, one.serial) for one in served),
        differences=tuple(differences),
    )
    serial_before = found.header.serial if found.header else None
    plan = RestorePlan(log.zone, len(wanted.lines()), wanted.digest(), restore, serial_before, silent, troubles)
    return Prepared(request, opened, primary, found, served, wanted, gap, plan)


def carry_out(prepared: Prepared, ports: RestorePorts) -> Restored:
    """Steps 4 to 7.

    Raises:
        Refused: guard `race`: somebody else wrote to the log.
        OutsideFailure: the remote cannot be reached; nothing was changed.
        Unconfirmed: sent, and neither reply nor claim can be read; the intent stays open.
    """
    plan, log = prepared.plan, prepared.opened.log
    if plan is None:
        return Restored("nothing", log.zone, entry_ref(log))
    return Restoring(prepared, plan, ports).run()


def _without_open_intent(
    opened: Opened, served: tuple[Served, ...], primary: ZoneRestorer, request: RestoreRequest, ports: ApplyPorts
) -> Opened:
    """The log with its open intent closed, where the operator says that its writer is gone.

    Its update landed if any server shows its anchor; a primary that lost the zone cannot tell. Either way it can never
    land later: what comes back has a tombstone at its claim.

    Raises:
        Refused: guard `open-intent`.
    """
    log, entry = opened.log, opened.log.open_intent
    if entry is None or not isinstance(entry.body, Intent):
        return opened
    if request.apply.recover != entry.seq:
        raise Refused(
            f"intent {entry.seq} by {entry.envelope.principal} has no result: an apply is running, or one ended before "
            "it could say what became of its update",
            guard="open-intent",
            hint="while the primary has the zone the next `hyops-gitops apply` settles it; "
            f"where it has lost it, and that apply is surely gone: --recover {entry.seq}",
        )
    anchor = Anchor(entry.seq, entry.sha256)
    landed = any(one.anchor == anchor for one in served)
    if not landed and primary.exists():
        landed = anchor.rrset(log.zone) in primary.rrsets_at([anchor.rrset(log.zone).name])
    ports.on_event(
        Warned(f"the update of intent {entry.seq} {'had landed' if landed else 'is taken not to have landed'}")
    )
    zone = zone_after_intent(log.observed, entry.body) if landed else log.observed
    state = after_changes(log.state, entry.body.changes) if landed else log.state
    serial = entry.body.before.serial
    result = Result(
        intent_seq=entry.seq,
        intent_sha256=entry.sha256,
        outcome="applied" if landed else "failed",
        converged=False,
        serial_before=serial,
        after=zone_digests(zone, state, None if landed else serial),
        after_source="computed",
        accepted=None,
        servers=(),
        retire=retirements(entry.body.changes, ports.clock.now(), (), log.applied_to) if landed else (),
        reason="" if landed else "its writer was gone, and no server shows its update; the zone is being restored",
        recovered=True,
    )
    return opened.with_log(opened.writer.append(log, result, zone, state))


def _gap(found: Found, served: tuple[Served, ...], opened: Opened, request: RestoreRequest) -> Gap | None:
    ahead = newer_anchor(found, served, opened.log)
    if ahead is None:
        return None
    override = find_override(request.apply.overrides, "log-gap")
    if override is None or "log-gap" not in opened.authority.policy.overridable:
        raise log_gap(*ahead, opened.log)
    _, anchor = ahead
    return Gap(masked(override.reason), (opened.log.head.seq + 1, anchor.seq), anchor.sha256)
