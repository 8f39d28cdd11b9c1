"""Step 3: wait for an open intent's writer, or settle it.

While the lease runs the writer may still send its PATCH; it is taken for dead when this machine can tell that its
process is gone, when the head has not moved for the lease and half a minute by our own clock, or when the operator
declares it. Settling makes the server itself refuse the PATCH from then on, or finds that it landed.
"""

from dataclasses import replace

from hyops_gitops.apply.opening import ApplyBase, ApplyRequest
from hyops_gitops.apply.prepare import SeenPrimary, look
from hyops_gitops.apply.prove import converged, prove
from hyops_gitops.apply.read_back import read_landed
from hyops_gitops.apply.record import result_of
from hyops_gitops.apply.send import Update, ensure_lock, settle
from hyops_gitops.core.errors import OutsideFailure, Refused, Unconfirmed
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.markers import RESERVED_CLAIMS, Anchor, Turn, anchor_name, claim_name, lock, tombstone
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.zone import Key, RRset
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.entries import Intent, Result
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.log import Log, placed, zone_after_intent
from hyops_gitops.log.parts import ZoneDigests
from hyops_gitops.log.reconciling import markers_left
from hyops_gitops.log.retirement import after_caches, retirements
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.state import after_changes

_GRACE_S = 30.0  # beyond the lease, for clocks that differ
_LOOK_EVERY_S = 1.0
_SETTLE_PAUSES_S = (0.0, 0.2, 0.8)  # gsqlite3 answers 500 while another writer is at it


def without_open_intent(
    opened: ApplyBase, request: ApplyRequest, workspace: Workspace
) -> tuple[ApplyBase, SeenPrimary]:
    """Wait for or settle an open intent; the log and zone then.

    The zone is looked at first: nothing may be settled on a server that is not writable, or whose anchor is of another
    log.

    Raises:
        Refused: as `look`; guard `open-intent`, when not to wait.
        OutsideFailure: the update of a dead writer cannot be settled now; its intent stays open.
    """
    seen = look(opened, request, workspace)
    if opened.log.open_intent is None:
        return opened, seen
    opened = settle_open_intent(opened, seen.primary, request, workspace)
    return opened, look(opened, request, workspace)


def settle_open_intent(
    opened: ApplyBase, primary: ZoneWriter, request: ApplyRequest, workspace: Workspace
) -> ApplyBase:
    """Wait for a writer at work; settle for one that is gone.

    Raises:
        Refused: guard `open-intent`, when not to wait.
        OutsideFailure: the update of a dead writer cannot be settled now; its intent stays open.
    """
    while (intent := opened.log.open_intent) is not None and isinstance(intent.body, Intent):
        if _is_gone(intent, intent.body, request, workspace):
            if opened.writer.head() == opened.log.commit:
                return opened.with_log(settle_intent(opened, primary, intent, intent.body, workspace))
            opened = opened.with_log(opened.writer.newest())  # it wrote its result, and then was gone
            continue
        if not request.wait:
            raise _still_open(intent)
        opened = _wait(opened, primary, intent, intent.body, workspace)
    return opened


def settle_intent(opened: ApplyBase, primary: ZoneWriter, entry: Entry, intent: Intent, workspace: Workspace) -> Log:
    """Settle a dead writer's update for good, and record its outcome."""
    workspace.on_event(Step(f"settling intent {entry.seq}, whose writer is gone"))
    landed = _settled(primary, Update.of(opened.log, entry), workspace)
    if landed:
        workspace.on_event(Warned(f"the update of intent {entry.seq} had landed"))
        return _record_landed(opened, entry, intent, primary, workspace)
    reason = "the writer of the intent was gone, and its update had not landed; it cannot land any more"
    if (later := _lost_later(opened.log, primary, entry.seq)) is not None:
        reason = f"not known whether its update landed: intent {later.seq} came after it and is lost to this log"
    workspace.on_event(
        Warned(f"the update of intent {entry.seq} {'never landed' if later is None else f'is {reason}'}")
    )
    after = ZoneDigests.of(opened.log.observed, opened.log.state, intent.before.serial)
    result = replace(result_of(entry, "failed", after, reason), recovered=True)
    return opened.writer.append(opened.log, result, opened.log.observed, opened.log.state)


def _lost_later(log: Log, primary: ZoneWriter, seq: int) -> Anchor | None:
    """The anchor, where it names a newer intent that this log lost.

    Then the claim shows nothing: that intent turned it into a tombstone, or the run that settled this one did.
    """
    if log.segment is not None:
        return None
    recorded = {gap.body.anchor_sha256 for gap in log.gaps if isinstance(gap.body, Gap)}
    anchors = [Anchor.parse(rrset) for rrset in primary.rrsets_at([anchor_name(log.zone)]) if rrset.type == "TXT"]
    return next(
        (
            anchor
            for anchor in anchors
            if anchor and anchor.segment is None and anchor.seq > seq and anchor.sha256 not in recorded
        ),
        None,
    )


def _settled(primary: ZoneWriter, update: Update, workspace: Workspace) -> bool:
    """Settle an update, with retries; whether it had landed.

    A program of protocol 1 may have made its claim a tombstone before us and gone no further; then the anchor, which
    nothing but the update itself puts down, tells that it had landed.

    Raises:
        OutsideFailure: the primary does not answer, or with something else; the intent stays open.
    """
    anchor, reason = update.intent.rrset(update.zone), ""
    for pause in _SETTLE_PAUSES_S:
        workspace.clock.sleep(pause * (0.5 + workspace.jitter()))
        try:
            return settle(primary, update) or anchor in primary.rrsets_at([anchor.name])
        except (Unconfirmed, OutsideFailure) as error:
            reason = error.message
    raise OutsideFailure(
        f"intent {update.intent.seq} cannot be settled: {reason}",
        code="not-settled",
        hint="run apply again when the primary answers; nothing was changed",
    )


def _record_landed(opened: ApplyBase, entry: Entry, intent: Intent, primary: ZoneWriter, workspace: Workspace) -> Log:
    log, authority = opened.log, opened.authority
    zone = zone_after_intent(log.observed, intent)
    state = after_changes(log.state, intent.changes, placed(intent.holds, log.numbered(entry.seq)))
    servers = prove(
        authority,
        primary,
        entry.anchor,
        intent.changes,
        workspace.clock.monotonic(),
        workspace,
        sites_lost=intent.sites_lost,
    )
    result = replace(
        result_of(entry, "applied", ZoneDigests.of(zone, state, primary.header().serial)),
        converged=converged(authority, servers, intent.sites_lost),
        servers=servers,
        # When it was accepted is not known; by now it has been, so this errs on the late side.
        retire=after_caches(retirements(intent.changes, workspace.clock.now(), servers, log.remembered), authority),
        recovered=True,
        damage=read_landed(primary, log.zone, entry.anchor, intent, workspace.on_event).damage,
    )
    return opened.writer.append(log, result, zone, state)


def overtaken(intent: Entry, settled: Entry) -> Unconfirmed | OutsideFailure:
    """The failure of a live writer whose intent another run has settled."""
    settling = f"another run took this one for dead and settled its intent {intent.seq} by entry {settled.seq}"
    if isinstance(settled.body, Result) and settled.body.outcome == "applied":
        return Unconfirmed(
            f"{settling}: the update was applied", code="settled-by-another", hint=f"see entry {settled.seq} of the log"
        )
    return OutsideFailure(
        f"{settling}: the update was not applied and never will be",
        code="settled-by-another",
        hint="run apply again if the change is still wanted; this run changed nothing",
    )


def _is_gone(entry: Entry, intent: Intent, request: ApplyRequest, workspace: Workspace) -> bool:
    if request.recover == entry.seq:
        return True
    lease = intent.lease
    return (
        lease.boot_id is not None
        and lease.boot_id == workspace.process.boot_id
        and workspace.process_is_gone(lease.pid)
    )


def _wait(opened: ApplyBase, primary: ZoneWriter, entry: Entry, intent: Intent, workspace: Workspace) -> ApplyBase:
    """Watch the head until it moves or its writer must be gone."""
    workspace.on_event(Step(f"waiting for intent {entry.seq} by {entry.envelope.principal} to get its result"))
    began = workspace.clock.monotonic()
    limit = intent.lease.seconds + _GRACE_S
    while workspace.clock.monotonic() - began < limit:
        workspace.clock.sleep(_LOOK_EVERY_S * (0.5 + workspace.jitter()))
        if opened.writer.head() != opened.log.commit:
            return opened.with_log(opened.writer.newest())
    return opened.with_log(settle_intent(opened, primary, entry, intent, workspace))


def _still_open(entry: Entry) -> Refused:
    return Refused(
        f"intent {entry.seq} of {time_text(entry.envelope.time)} by {entry.envelope.principal} has no result: "
        "another apply is running, or one ended before it recorded its result",
        guard="open-intent",
        hint=f"wait for it (leave --no-wait out); if its applier is surely gone, give --recover {entry.seq}",
    )


_AT_ONCE = 1000  # numbers: a PATCH has a limit, and a gap has none


def free_reserved_numbers(primary: ZoneWriter, log: Log) -> bool:
    """Clear the markers of a reconciled segment; whether there were any.

    Raises:
        OutsideFailure: the primary cannot be reached, or refuses; nothing but markers was changed.
    """
    return _clear(primary, log, markers_left(log))


def _free_after_a_lost_segment(primary: ZoneWriter, log: Log) -> None:
    """Clear the next numbers where a lost break-glass segment closed them.

    No intent of this log ever had a number behind its head, so nothing there fences a live writer.
    """
    following = log.head.seq + 1
    numbers = range(following, following + RESERVED_CLAIMS)
    _clear(primary, log, [(claim_name(log.zone, number), "CNAME") for number in numbers])


def free_lost_numbers(primary: ZoneWriter, log: Log, *, restored: bool = False) -> None:
    """Clear markers at the next numbers after a gap or a segment.

    The lost intent that the anchor names has landed; where its number is not used again its claim becomes a tombstone,
    as it would have.

    Args:
        primary: The zone.
        log: The log, ahead of the next intent.
        restored: Whether the zone's anchor is older than the log, or gone, and an override accepts that.

    Raises:
        OutsideFailure: the primary cannot be reached, or refuses; nothing but markers was changed.
    """
    free_reserved_numbers(primary, log)
    if restored and log.segment is None:
        _free_after_a_lost_segment(primary, log)
    zone, last, following = log.zone, log.last_applied, log.head.seq + 1
    deletes: list[Key] = []
    replaces: list[RRset] = []
    for gap in (entry.body for entry in log.gaps if last is None or entry.seq > last.result_entry.seq):
        if not isinstance(gap, Gap) or gap.missing is None:
            continue
        anchored = gap.missing[1]
        if anchored < following:
            deletes.append((claim_name(zone, anchored), "TXT"))
            replaces.append(tombstone(zone, anchored))
        for number in range(following, min(anchored + 1, following + _AT_ONCE)):
            deletes += [(claim_name(zone, number), rrtype) for rrtype in ("CNAME", "TXT")]
    _clear(primary, log, list(dict.fromkeys(deletes)), list(dict.fromkeys(replaces)))


def _clear(primary: ZoneWriter, log: Log, deletes: list[Key], replaces: list[RRset] | None = None) -> bool:
    """Delete the markers that are there; whether anything was sent."""
    if not deletes and not replaces:
        return False
    there = {rrset.key for rrset in primary.rrsets_at({name for name, _ in deletes})}
    found = [key for key in deletes if key in there]
    put = [rrset for rrset in replaces or () if rrset.key not in there]
    if not found and not put:
        return False
    ensure_lock(primary, log.zone, log.anchor)
    turn = Turn(log.zone, log.head.seq + 1, log.head.sha256)
    primary.patch(found, put, [*lock(log.zone), *turn.free()])
    return True
