"""Repair: resolve rows that contradict each other, by one PATCH.

1. the log, verified, without an open intent; the zone, read whole
2. the rows that stay and go at each damaged name                   (log.repairing)
3. a `drift` entry where the zone differs from the log; then, as an apply does, an intent, one PATCH, read back as rows,
   proved by DNS, and its result
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from hyops_gitops.apply.carry_out import IntentOutcome, Stopwatch, carry_out
from hyops_gitops.apply.finish import outcome_of
from hyops_gitops.apply.look import anchor_refusal
from hyops_gitops.apply.opening import ApplyBase, ApplyRequest, open_log, read_recorded
from hyops_gitops.apply.prepare import Preparation, SeenPrimary, record_circumstances
from hyops_gitops.apply.propose import effective
from hyops_gitops.apply.record import head_of
from hyops_gitops.apply.recover import without_open_intent
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import Exit, InvalidData
from hyops_gitops.core.managed import ManagedRRset
from hyops_gitops.core.markers import claim_name
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.zone import Key
from hyops_gitops.log.envelope import EntryRef
from hyops_gitops.log.holds import holds_in_effect
from hyops_gitops.log.log import Log
from hyops_gitops.log.repairing import RepairFacts, RowRepair, plan_repair
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.limits import Limits
from hyops_gitops.plan.plan import Held, Plan
from hyops_gitops.recover.restore import ask_secondaries, refs_applied_last
from hyops_gitops.validate.validation import validate_tree


@dataclass(frozen=True, slots=True)
class RepairRequest:
    """Arguments of repair."""

    apply: ApplyRequest  # as of an apply
    keep: Mapping[str, str]  # type that stays by name, for names without a contract


RepairOutcome = Literal["mended", "nothing", "left", "unconfirmed", "failed"]  # verbatim: hyops-repair/1


@dataclass(frozen=True, slots=True)
class RepairResult(JsonReport):
    FORMAT = "hyops-repair/1"
    outcome: RepairOutcome
    zone: str
    reason: str
    names: tuple[RowRepair, ...]
    serial_after: int | None
    servers: tuple[ServerReport, ...]
    intent: EntryRef | None
    result: EntryRef | None
    head: EntryRef

    @property
    def exit_code(self) -> Exit:
        """The exit code; 1 while a name needs a choice."""
        match self.outcome:
            case "left":
                return Exit.NO
            case "unconfirmed":
                return Exit.UNCONFIRMED
            case "failed":
                return Exit.OUTSIDE
            case _:
                return Exit.OK


@dataclass(frozen=True, slots=True)
class PreparedRepair:
    """Everything known before the first write."""

    request: RepairRequest
    opened: ApplyBase
    seen: SeenPrimary
    repairs: tuple[RowRepair, ...]

    @property
    def possible(self) -> tuple[RowRepair, ...]:
        """The repairs that the PATCH makes."""
        return tuple(repair for repair in self.repairs if repair.possible)


def prepare_repair(request: RepairRequest, workspace: Workspace) -> PreparedRepair:
    """Make steps 1 and 2; settle an open intent.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: as an apply; `restored`: the zone is not the one that the log ends with.
        InvalidData: code `nothing-recorded`: no change was applied yet.
        OutsideFailure: the remote or the API cannot be reached.
    """
    opened = open_log(request.apply, workspace)
    opened, seen = without_open_intent(opened, replace(request.apply, full=True), workspace)
    log, observation = opened.log, seen.observation
    if log.anchor is None or log.recorded is None:
        raise InvalidData(
            f"cannot repair {log.zone}: its log has no applied change to compare with",
            code="nothing-recorded",
            hint="run `hyops-gitops apply` first; it warns of damage and continues",
        )
    if not observation.damage:
        return PreparedRepair(request, opened, seen, ())
    # An update that landed although its result denies it is the damage itself; its rows are recorded as drift.
    denied = observation.anchor is not None and log.denied(observation.anchor) is not None
    refusal = None if denied else anchor_refusal(observation, log, _limits(opened), request.apply.overrides)
    if refusal is not None:
        raise refusal
    served = (secondary.serial for secondary in ask_secondaries(opened.authority, workspace.dns))
    serials = [serial for serial in (*served, log.serial) if serial is not None]
    known = RepairFacts(
        log.zone,
        log.state,
        _asked(opened),
        claim_name(log.zone, log.anchor.seq, log.anchor.segment),
        lambda seq, segment: _landed(log, seq, segment),
        serials,
        request.keep,
    )
    return PreparedRepair(request, opened, seen, plan_repair(observation.rows, observation.damage, known))


def carry_out_repair(prepared: PreparedRepair, workspace: Workspace) -> RepairResult:
    """Step 3.

    Raises:
        Refused: guard `race`: another entry came first.
        OutsideFailure: the intent could not be written; nothing was changed.
        Unconfirmed: the update was sent and its outcome, or the record of it, is missing.
    """
    log = prepared.opened.log
    if not prepared.possible:
        outcome: RepairOutcome = "left" if prepared.repairs else "nothing"
        return RepairResult(outcome, log.zone, "", prepared.repairs, None, (), None, None, head_of(log))
    step = _prepared(prepared, workspace)
    quick = replace(prepared.request.apply, watch=False)
    carried = carry_out(step, record_circumstances(step), quick, workspace, Stopwatch(workspace.clock))
    outcome, reason = _outcome(prepared, carried)
    intent, result = head_of(carried.intended), head_of(carried.log)
    servers = carried.result.servers
    return RepairResult(
        outcome, log.zone, reason, prepared.repairs, carried.serial, servers, intent, result, head=result
    )


def _outcome(prepared: PreparedRepair, carried: IntentOutcome) -> tuple[RepairOutcome, str]:
    outcome, reason = outcome_of(carried)
    if outcome == "applied":
        return ("left" if prepared.possible != prepared.repairs else "mended"), ""  # verbatim: hyops-repair/1
    return ("unconfirmed" if outcome == "unconfirmed" else "failed"), reason


def _prepared(prepared: PreparedRepair, workspace: Workspace) -> Preparation:
    """The repair as an apply of the contracts applied last."""
    opened, seen, log = prepared.opened, prepared.seen, prepared.opened.log
    contracts, authority_ref = refs_applied_last(opened)
    changes = tuple(
        sorted((change for repair in prepared.possible for change in repair.changes), key=lambda change: change.key)
    )
    plan = Plan(
        zone=log.zone,
        observed=seen.observation.zone,
        recorded=log.state,
        changes=changes,
        held=tuple(_held(opened, workspace)),
    )
    return Preparation(
        opened=replace(opened, contracts=contracts, authority_ref=authority_ref),
        primary=seen.primary,
        observation=seen.observation,
        plan=plan,
        targets=(),
        readiness=(),
        merged=(),
        gap=None,
        authority_change=None,
        drift=seen.observation.drift(log, opened.commit),
        repair=prepared.possible,
        overrides=effective(prepared.request.apply.overrides, _limits(opened), None, workspace.on_event),
    )


def _held(opened: ApplyBase, workspace: Workspace) -> list[Held]:
    """The names that such an apply would leave alone."""
    read_recorded(opened, workspace)  # refuses with a hint where that commit is not here
    tree = workspace.history.tree(opened.log.recorded_commit or opened.commit)
    then = validate_tree(tree, workspace.read, workspace.check)
    why = dict.fromkeys(then.invalid_paths, "its contract is invalid")
    why |= {path: f"by entry {number}" for path, number in _holds(opened, then.contracts).items()}
    names = {(key[0], entry.contract) for key, entry in opened.log.state.entries.items() if entry.contract in why}
    return [Held(name, path, why[path]) for name, path in sorted(names)]


def _holds(opened: ApplyBase, contracts: tuple[Contract, ...]) -> Mapping[str, int]:
    return holds_in_effect(opened.log.state, opened.log.holder, contracts)


def _asked(opened: ApplyBase) -> Mapping[Key, ManagedRRset]:
    contracts = opened.validation.contracts
    return {rrset.key: ManagedRRset(rrset, contract.path) for contract in contracts for rrset in contract.rrsets()}


def _landed(log: Log, seq: int, segment: str | None) -> bool:
    """Whether an intent counts as applied; those of segments do."""
    if segment is not None or seq > len(log.entries):
        return segment is not None
    end = log.end_of(log.entries[seq - 1])
    return end is not None and end[0].outcome == "applied"


def _limits(opened: ApplyBase) -> Limits:
    return Limits.of(opened.authority.policy)
