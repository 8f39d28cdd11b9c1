"""Opening of a segment: log at hand, anchor, keys."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hyops_gitops.apply.look import (
    Observation,
    anchor_in,
    anchor_refusal,
    check_header,
    judge_anchor,
)
from hyops_gitops.apply.opening import Opened, contracts_at
from hyops_gitops.apply.request import ApplyPorts, ApplyRequest
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.declaration import NOTHING_DECLARED, Declaration
from hyops_gitops.core.document import ContractWriter
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.markers import Anchor, anchor_name, protocol_name
from hyops_gitops.core.network import ZoneReader
from hyops_gitops.core.ports import SegmentFolder, Signer, SourceTree
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.branch import Signers, read_signers, require_log
from hyops_gitops.log.log import Log
from hyops_gitops.log.segment import Base, SegmentRef
from hyops_gitops.log.verify_segment import Segment
from hyops_gitops.log.writer import Author, SigningKey
from hyops_gitops.plan.limits import Limits
from hyops_gitops.recover.segment_log import SegmentReader, SegmentWriter, operator_key
from hyops_gitops.validate.validation import validate_tree


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
    done = {reconcile.segment for _, reconcile in log.reconciles if reconcile.adopted is not None}
    unreconciled = [segment for segment in segments if segment.ref.id not in done]
    matching = [segment for segment in unreconciled if (segment.anchor or segment.ref.base.anchor) == anchor]
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

    def at(self, commit: str) -> ApplyRequest:
        """The request of the steps shared with an apply."""
        return replace(self.apply, revision=commit)


@dataclass(frozen=True, slots=True)
class BreakglassPorts:
    """The outside: an apply's, with a folder and a witness."""

    apply: ApplyPorts
    work_tree: SourceTree
    writer: ContractWriter
    folder: SegmentFolder
    open_witness: Callable[[], Signer] | None
    new_segment: Callable[[], str]  # 12 hex digits, never the same again
    as_of: datetime | None  # the newest time in the bundle; None: not a bundle


def open_segment(request: BreakglassRequest, ports: BreakglassPorts) -> Opened:
    """Check everything that does not need a confirmation. Writes nothing.

    Raises:
        FindingsError: the authority is invalid.
        Refused: `evidence-missing`, `evidence-invalid`, `signing-key`, `breakglass`, `breakglass-witness`, `restored`.
        OutsideFailure: the API is unreachable.
    """
    commit = ports.apply.history.resolve("HEAD")
    if changed := ports.apply.history.dirty_paths():
        ports.apply.on_event(Warned(f"using uncommitted files instead of those of {commit[:12]}: {first_few(changed)}"))
    validation = validate_tree(
        ports.work_tree, ports.apply.read, ports.apply.check, authority_override=request.apply.authority_override
    )
    authority = validation.authority
    if authority is None:
        raise FindingsError(validation.findings)
    signers = read_signers(validation.files)
    ports.apply.on_event(Step("reading the log at hand; nothing is fetched"))
    log = require_log(ports.apply.open_store(authority.evidence).recorded(), authority, signers, ports.apply.verifier)
    _warn_of_age(log, authority, ports)
    operator, witness = _people(signers, log, authority, ports)
    reader = SegmentReader(ports.folder, signers.lines, ports.apply.verifier, log)
    segment = _segment(reader, log, authority, request, ports)
    own = segment.as_log(log) if isinstance(segment, Segment) else segment
    empty = log.with_segment(own.segment) if own.segment is not None else own
    author = Author(operator, signers.sha256, ports.apply.clock, request.apply.tool, request.apply.run)
    writer = SegmentWriter(reader, empty, author, witness)
    contracts, authority_ref = contracts_at(commit, request.apply.authority_override, validation, authority)
    return Opened(commit, validation, authority, signers, writer, own, contracts, authority_ref)


def _warn_of_age(log: Log, authority: Authority, ports: BreakglassPorts) -> None:
    limit = authority.policy.breakglass.bundle_max_age_h
    hours = (ports.apply.clock.now() - (ports.as_of or log.head.envelope.time)).total_seconds() / 3600
    if ports.as_of is not None and hours > limit:
        message = f"this bundle is {hours:.0f} h old; policy.breakglass.bundle_max_age_h is {limit} h"
        ports.apply.on_event(Warned(message))


def _people(
    signers: Signers, log: Log, authority: Authority, ports: BreakglassPorts
) -> tuple[SigningKey, SigningKey | None]:
    clock = ports.apply.clock
    operator = operator_key(ports.apply.open_signer(), signers, log, clock)
    witness = operator_key(ports.open_witness(), signers, log, clock) if ports.open_witness else None
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
    reader: SegmentReader, log: Log, authority: Authority, request: BreakglassRequest, ports: BreakglassPorts
) -> Segment | Log:
    """The segment to continue, or a new one, by the zone's anchor."""
    primary = ports.apply.open_primary(authority)
    header = primary.header()
    check_header(header, authority, ports.apply.clock.now())
    anchor = read_anchor(primary, authority.zone)
    chosen = choose_segment(anchor, _sound(reader, anchor, ports), log, ports.new_segment())
    if isinstance(chosen, Segment):
        ports.apply.on_event(Step(f"continuing segment {chosen.ref.id}, which has {len(chosen.entries)} entries"))
        return chosen
    observation = Observation(header, anchor, judge_anchor(anchor, log), Zone.of(log.zone, ()))
    if observation.state == "ahead":
        message = (
            f"the log at hand ends at entry {log.head.seq} and is older than the zone, which was changed by {anchor}: "
            "later changes are shown as drift and left alone"
        )
        ports.apply.on_event(Warned(message))
    elif observation.state != "current":
        limits = Limits.of(authority.policy)
        if (refusal := anchor_refusal(observation, log, limits, request.apply.overrides)) is not None:
            raise refusal
    return chosen


def _sound(reader: SegmentReader, anchor: Anchor | None, ports: BreakglassPorts) -> Sequence[Segment]:
    """The segments that verify; the one in the anchor must."""
    found: list[Segment] = []
    for segment in reader.folder.segments():
        try:
            found.append(reader.sound(segment))
        except (Refused, OutsideFailure) as error:
            if anchor is not None and anchor.segment == segment:
                raise
            ports.apply.on_event(Warned(f"ignoring a segment: {error.message}"))
    return found


def read_anchor(primary: ZoneReader, zone: str) -> Anchor | None:
    """Read the zone's anchor.

    Raises:
        Refused: guard `other-log`: not an anchor of ours; guard `protocol`: markers of a newer program.
    """
    return anchor_in(primary.rrsets_at([anchor_name(zone), protocol_name(zone)]), zone)
