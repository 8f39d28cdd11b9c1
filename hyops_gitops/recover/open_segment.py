"""Opening of a segment: log at hand, anchor, keys."""

from collections.abc import Sequence
from dataclasses import replace

from hyops_gitops.apply.look import (
    Observation,
    anchor_in,
    anchor_refusal,
    check_header,
    judge_anchor,
)
from hyops_gitops.apply.opening import ApplyBase, ApplyRequest
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.markers import Anchor, anchor_name, protocol_name
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.verify_segment import Segment
from hyops_gitops.log.workspace import ManagedZone, Workspace
from hyops_gitops.log.writer import SigningKey
from hyops_gitops.plan.limits import Limits
from hyops_gitops.recover.segment_log import SegmentReader, SegmentWriter, operator_key


def choose_segment(anchor: Anchor | None, segments: Sequence[Segment], log: Log, new: str) -> Segment | Log:
    """Choose the segment to continue, or begin a new one.

    Args:
        anchor: The zone's anchor now.
        segments: Those in the folder that verify.
        log: The log at hand.
        new: The id of a segment to begin.

    Raises:
        Refused: guard `breakglass`: the zone's last change is in a segment, or an entry, that is not here.
    """
    done = {body.segment for _, body in log.brought_in}
    unreconciled = [segment for segment in segments if segment.ref.id not in done]
    matching = [segment for segment in unreconciled if segment.explains(anchor)]
    if matching:
        return max(matching, key=lambda segment: (segment.anchor is not None, segment.head.envelope.time))
    if anchor is not None and anchor.segment is not None and anchor != log.anchor:
        raise _not_here(anchor, next((segment for segment in segments if segment.ref.id == anchor.segment), None))
    return log.with_segment(SegmentRef(new, Base((log.head.seq, log.head.sha256), anchor)))


def _not_here(anchor: Anchor, own: Segment | None) -> Refused:
    where = f"segments/{anchor.segment}"
    if own is None:
        message = f"the zone was last changed by {anchor}, and that segment is not in this folder"
        hint = f"copy {where} here from the host where it was written, then run again: this command continues it"
    elif own.anchor is not None and own.anchor.seq >= anchor.seq:
        message = (
            f"the zone was last changed by another {anchor} than the one in this folder: it was continued elsewhere"
        )
        hint = f"use the folder whose {where} the zone names; a fork cannot be reconciled"
    else:
        message = f"the zone was last changed by {anchor}, and {where} here ends before that"
        hint = f"copy {where} here again from where it was continued, then run again"
    return Refused(message, guard="breakglass", hint=hint)


@dataclass(frozen=True, slots=True)
class BreakglassRequest:
    """Arguments of every break-glass command."""

    apply: ApplyRequest  # as of an apply; the contracts are taken as they lie here
    declared: Declaration = NOTHING_DECLARED
    witness: str = ""  # the file of a second person's key

    def at(self, commit: str) -> ApplyRequest:
        """The request of the steps shared with an apply."""
        return replace(self.apply, revision=commit)


def open_segment(request: BreakglassRequest, workspace: Workspace) -> ApplyBase:
    """Check everything that does not need a confirmation. Writes nothing.

    Raises:
        FindingsError: the authority is invalid.
        Refused: `evidence-missing`, `evidence-invalid`, `signing-key`, `breakglass`, `breakglass-witness`, `restored`.
        OutsideFailure: the API is unreachable.
    """
    revision = workspace.here()
    if changed := workspace.history.dirty_paths():
        committed = revision.commit[:12]
        workspace.on_event(Warned(f"using uncommitted files instead of those of {committed}: {first_few(changed)}"))
    zone = revision.zone()
    authority, signers = zone.authority, zone.signers
    workspace.on_event(Step("reading the log at hand; nothing is fetched"))
    log = zone.log(in_full=True)
    _warn_of_age(log, authority, workspace)
    operator, witness = _people(request, zone, log)
    reader = SegmentReader(workspace.segment_folder, signers.lines, workspace.verifier, log)
    segment = _segment(reader, log, authority, request, workspace)
    own = segment.as_log(log) if isinstance(segment, Segment) else segment
    empty = log.with_segment(own.segment) if own.segment is not None else own
    author = zone.author(operator)
    writer = SegmentWriter(reader, empty, author, witness)
    return ApplyBase.of(zone, writer, own)


def _warn_of_age(log: Log, authority: Authority, workspace: Workspace) -> None:
    limit = authority.policy.breakglass.bundle_max_age_h
    hours = (workspace.clock.now() - (workspace.as_of or log.head.envelope.time)).total_seconds() / 3600
    if workspace.as_of is not None and hours > limit:
        message = f"this bundle is {hours:.0f} h old; policy.breakglass.bundle_max_age_h is {limit} h"
        workspace.on_event(Warned(message))


def _people(request: BreakglassRequest, zone: ManagedZone, log: Log) -> tuple[SigningKey, SigningKey | None]:
    workspace, signers, authority = zone.workspace, zone.signers, zone.authority
    operator = operator_key(workspace.open_signer(), signers, log, workspace.clock)
    second = workspace.open_witness(request.witness) if request.witness else None
    witness = operator_key(second, signers, log, workspace.clock) if second else None
    if witness is None and authority.policy.breakglass.witness == "required":
        raise Refused(
            "policy.breakglass.witness is required, and no witness was given",
            guard="breakglass-witness",
            hint="add a second person's key: --witness KEYFILE (or a .pub whose private half an agent holds)",
        )
    if witness is not None and witness.principal == operator.principal:
        raise Refused(
            f"{witness.principal} is the operator, and cannot be the witness too",
            guard="breakglass-witness",
            hint="add a second person's key: --witness KEYFILE",
        )
    return operator, witness


def _segment(
    reader: SegmentReader, log: Log, authority: Authority, request: BreakglassRequest, workspace: Workspace
) -> Segment | Log:
    """The segment to continue, or a new one, by the zone's anchor."""
    primary = workspace.open_writer(authority)
    header = primary.header()
    check_header(header, authority, workspace.clock.now())
    anchor = read_anchor(primary, authority.zone)
    chosen = choose_segment(anchor, _sound(reader, anchor, workspace), log, workspace.new_id()[-12:])
    if isinstance(chosen, Segment):
        workspace.on_event(Step(f"continuing segment {chosen.ref.id}, which has {len(chosen.entries)} entries"))
        return chosen
    observation = Observation(header, anchor, judge_anchor(anchor, log), Zone.of(log.zone, ()))
    if observation.state == "ahead":
        message = (
            f"the log at hand ends at entry {log.head.seq} and is older than the zone, which was changed by {anchor}: "
            "later changes are shown as drift and left alone"
        )
        workspace.on_event(Warned(message))
    elif observation.state != "current":
        limits = Limits.of(authority.policy)
        if (refusal := anchor_refusal(observation, log, limits, request.apply.overrides)) is not None:
            raise refusal
    return chosen


def _sound(reader: SegmentReader, anchor: Anchor | None, workspace: Workspace) -> Sequence[Segment]:
    """The segments that verify; the one in the anchor must."""
    found: list[Segment] = []
    for segment in reader.folder.segments():
        try:
            found.append(reader.sound(segment))
        except (Refused, OutsideFailure) as error:
            if anchor is not None and anchor.segment == segment:
                raise
            workspace.on_event(Warned(f"ignoring a segment: {error.message}"))
    return found


def read_anchor(primary: ZoneReader, zone: str) -> Anchor | None:
    """Read the zone's anchor.

    Raises:
        Refused: guard `other-log`: not an anchor of ours; guard `protocol`: markers of a newer program.
    """
    return anchor_in(primary.rrsets_at([anchor_name(zone), protocol_name(zone)]), zone)
