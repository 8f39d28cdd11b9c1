"""The three-way plan: recorded, desired and observed, per RRset.

`verdict` is the table of design section 6 step 5; the rest carries its verdicts to changes, drift and refusals. What is
as desired although it was last applied otherwise, or never, is *adopted*: not written, but recorded as ours.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum, auto

from hyops_gitops.core.authority import NO_ASSERTIONS
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.guards import Override
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.names import ancestors, is_below
from hyops_gitops.core.zone import RRset, Zone, in_words, same_served, same_stored, served
from hyops_gitops.plan.assertions import Moves, assertion_refusals
from hyops_gitops.plan.desired import DesiredZone, Unread, by_name, leads_to, rrsets_of
from hyops_gitops.plan.limits import Limits, cap_refusals
from hyops_gitops.plan.plan import (
    Action,
    Change,
    Drift,
    GuardRefusal,
    Held,
    Note,
    Plan,
    written_by_name,
    zone_after,
)


def wildcard_notes(observed: Zone, changes: Sequence[Change]) -> Iterator[Note]:
    """Note changed names that hide or uncover a wildcard.

    An empty non-terminal counts too.
    """
    if not any(name.startswith("*.") for name, _ in observed.rrsets.holding("*.")):
        return
    before = observed.names()
    written = written_by_name(changes)
    kept = before - {name for name, of_name in written.items() if not _is_left(observed, name, of_name)}
    after = kept | {name for name, of_name in written.items() if any(change.after for change in of_name)}
    existing_before = _with_empty_non_terminals(before, observed.apex)
    existing_after = _with_empty_non_terminals(after, observed.apex)
    for name in sorted(written):
        lineage = [name, *ancestors(name, observed.apex)][:-1]
        for owner in lineage:
            yield from _note(name, owner, existing_before, existing_after)


def _is_left(observed: Zone, name: str, changes: Iterable[Change]) -> bool:
    """Whether a name keeps RRsets that are there."""
    return bool(observed.rrsets.at(name).keys() - {change.type for change in changes if change.after is None})


def _note(name: str, owner: str, before: set[str], after: set[str]) -> Iterator[Note]:
    wildcard = "*." + owner.split(".", 1)[1]
    if wildcard not in before:  # nor after: no endpoint is called so
        return
    subject = "it" if owner == name else f"a name below {owner}"
    if owner in after - before:
        yield Note(name, f"{subject} is no longer answered by the wildcard {wildcard}")
    if owner in before - after:
        yield Note(name, f"{subject} is answered by the wildcard {wildcard} from now on")


def _with_empty_non_terminals(names: set[str], apex: str) -> set[str]:
    return names | {ancestor for name in names for ancestor in ancestors(name, apex)}


# What cannot stand beside an address or CNAME of ours without answering, or hiding, the same questions.
CONFLICTING_TYPES = frozenset({"A", "AAAA", "CNAME", "ALIAS", "LUA", "DNAME", "NS", "SVCB", "HTTPS"})


class Verdict(Enum):
    """The outcomes for one RRset."""

    NOTHING = auto()
    ADOPT = auto()
    FORGET = auto()
    CHANGE = auto()
    DRIFT = auto()
    CONFLICT = auto()  # all three differ
    FOREIGN = auto()  # not ours, and in the way
    UNMANAGED = auto()  # not ours, and not wanted by us


def verdict(recorded: RRset | None, desired: RRset | None, observed: RRset | None) -> Verdict:
    """The table, top down; absence is a value like any other."""
    if recorded is None and desired is None:
        return Verdict.NOTHING if observed is None else Verdict.UNMANAGED
    if same_served(desired, observed):
        if recorded == desired:
            return Verdict.NOTHING
        return Verdict.FORGET if desired is None else Verdict.ADOPT
    if same_stored(observed, recorded):  # a replace would lose records that are disabled
        return Verdict.CHANGE
    if desired == recorded:
        return Verdict.DRIFT
    return Verdict.FOREIGN if recorded is None else Verdict.CONFLICT


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a plan is made from."""

    recorded: ManagedSet
    contracts: tuple[Contract, ...]  # the valid ones
    held: Mapping[str, str]  # path of a contract -> why it is left as it was applied last
    observed: Zone
    limits: Limits
    overrides: tuple[Override, ...] = ()
    promised_stable: frozenset[str] = frozenset()  # contracts with endpoint_cutover_required: false, now and then
    moves: Moves | None = None  # earlier ones
    applied: ManagedSet | None = None  # where `recorded` is what the zone went back to: what was applied last
    unread: Unread | None = None  # what is not among the contracts, because it asks for what is recorded
    other_zones: tuple[str, ...] = ()  # of the repository

    def overridden(self, guard: str, name: str | None) -> bool:
        """Whether an override that the policy allows lifts this guard."""
        return self.limits.lifted(guard, name, self.overrides)


@dataclass(frozen=True, slots=True)
class _Name:
    """The three sides of one owner name."""

    name: str
    contract: str  # the contract that asks for it, or asked for it last
    recorded: Mapping[str, RRset]  # by type
    desired: Mapping[str, RRset]
    observed: Mapping[str, RRset]
    moves: bool  # whether the endpoint was applied before and now points elsewhere


def make_plan(inputs: Inputs) -> Plan:
    """Make the plan for one zone. Pure; refusals are in the plan."""
    desired = DesiredZone(inputs.recorded, inputs.contracts, inputs.held, inputs.unread)
    names = _sides(inputs, desired)
    outcomes = [outcome for name in names for outcome in _decide(name, inputs)]
    decided = sorted((change for change in outcomes if isinstance(change, Change)), key=lambda change: change.key)
    cuts = _cuts(inputs) if decided else {}
    changes = [_unless_hidden(change, cuts, inputs.observed.apex) for change in decided]
    refusals = [
        *(refusal for refusal in outcomes if isinstance(refusal, GuardRefusal)),
        *_occlusions(cuts, inputs.observed.apex, changes),
        *cap_refusals(changes, desired.contract, inputs.recorded, inputs.limits),
        *_whole_tree_refusals(inputs),
        *_assertions(inputs, changes, desired),
    ]
    promises = list(_broken_promises(inputs, changes, desired))
    refusals += [refusal for refusal in promises if isinstance(refusal, GuardRefusal)]
    return Plan(
        zone=inputs.observed.apex,
        observed=inputs.observed,
        recorded=inputs.recorded,
        changes=tuple(changes),
        drift=tuple(drift for drift in outcomes if isinstance(drift, Drift)),
        held=tuple(_held(inputs)),
        refusals=tuple(
            inputs.limits.without_forbidden_hint(refusal)
            for refusal in refusals
            if not inputs.overridden(refusal.guard, refusal.name)
        ),
        notes=(
            *wildcard_notes(inputs.observed, changes),
            *(note for note in promises if isinstance(note, Note)),
            *_left_behind(decided, changes),
        ),
        unmanaged=_count_unmanaged(inputs, names, changes),
    )


def _sides(inputs: Inputs, desired: DesiredZone) -> list[_Name]:
    """The names to look at, sorted."""
    apex = inputs.recorded.apex
    observed_at = inputs.observed.rrsets.at if inputs.unread else by_name(inputs.observed.rrsets)
    sides = []
    for name in desired.names(inputs.observed):
        recorded, wanted = desired.recorded_at(name), desired.at(name)
        contract = [entry.contract for entries in (recorded, wanted) for entry in entries.values()][-1]
        before, after = leads_to(name, desired.recorded_at, apex), leads_to(name, desired.at, apex)
        moves = bool(before and after) and before != after
        sides.append(_Name(name, contract, rrsets_of(recorded), rrsets_of(wanted), observed_at(name), moves))
    return sides


def _count_unmanaged(inputs: Inputs, names: Iterable[_Name], changes: Iterable[Change]) -> int:
    """The number of RRsets that are neither ours nor touched.

    Ours are there, but for some at the names that were looked at.
    """
    entries, observed = inputs.recorded.entries, inputs.observed.rrsets
    missing = sum(len(name.recorded.keys() - name.observed.keys()) for name in names)
    taken = sum(key not in entries and key in observed for key in {change.key for change in changes})
    return _surplus(inputs) + missing - taken


def _surplus(inputs: Inputs) -> int:
    """How many more RRsets are observed than are ours."""
    entries, ours, observed = inputs.recorded.entries, inputs.recorded.zone.rrsets, inputs.observed.rrsets
    if inputs.unread is None or ours.canonical is None or observed.canonical is None:
        return len(observed) - len(entries)
    differing = set(ours.differing(observed))  # what is in one alone is among them
    return sum(key in observed for key in differing) - sum(key in entries for key in differing)


_Outcome = Change | Drift | GuardRefusal


def _decide(name: _Name, inputs: Inputs) -> Iterator[_Outcome]:
    """The outcomes at one name: our own RRsets, then all others."""
    outcomes = [
        outcome
        for rrtype in sorted(name.recorded.keys() | name.desired.keys())
        if (outcome := _decide_rrset(name, rrtype, inputs)) is not None
    ]
    yield from outcomes
    touched = any(
        isinstance(outcome, GuardRefusal) or (isinstance(outcome, Change) and outcome.after is not None)
        for outcome in outcomes
    )
    writes_cname = touched and "CNAME" in name.desired
    for rrtype in sorted(name.observed.keys() - name.recorded.keys() - name.desired.keys()):
        if served(name.observed[rrtype]) is not None and (writes_cname or rrtype in CONFLICTING_TYPES):
            yield _decide_neighbour(name, rrtype, inputs, touched=touched)


def _decide_rrset(name: _Name, rrtype: str, inputs: Inputs) -> _Outcome | None:
    recorded, desired, observed = name.recorded.get(rrtype), name.desired.get(rrtype), name.observed.get(rrtype)
    what = verdict(recorded, desired, observed)
    if what is Verdict.NOTHING:
        if not _went_back(name, rrtype, desired, inputs):
            return None
        what = Verdict.ADOPT
    if what is Verdict.DRIFT and not inputs.overridden("drift", name.name):
        return Drift(name.name, rrtype, recorded, observed, name.contract)
    if what is Verdict.CONFLICT and not inputs.overridden("drift", name.name):
        message = (
            f"{name.name} {rrtype}: approved {in_words(recorded)} -> {in_words(desired)}, live is {in_words(observed)}"
        )
        return GuardRefusal.overridable("drift", name.name, message)
    if what is Verdict.FOREIGN and not inputs.overridden("foreign", name.name):
        message = f"{name.name} already has a {rrtype} that no contract owns: {in_words(observed)}"
        return GuardRefusal.overridable("foreign", name.name, message)
    action = _action(what, desired, observed)
    cutover = name.moves and action is not Action.FORGET
    return Change(action, name.name, rrtype, observed, desired, name.contract, cutover=cutover)


def _went_back(name: _Name, rrtype: str, desired: RRset | None, inputs: Inputs) -> bool:
    """Whether a zone was reset to what is wanted, unlike the log."""
    if inputs.applied is None or desired is None or name.contract in inputs.held:
        return False
    return served(inputs.applied.rrset((name.name, rrtype))) != served(desired)


def _action(what: Verdict, desired: RRset | None, observed: RRset | None) -> Action:
    if what is Verdict.ADOPT:
        return Action.ADOPT
    if what is Verdict.FORGET:
        return Action.FORGET
    if desired is None:
        return Action.DELETE
    return Action.CREATE if observed is None else Action.REPLACE


def _decide_neighbour(name: _Name, rrtype: str, inputs: Inputs, *, touched: bool) -> _Outcome:
    """The outcome for an unmanaged RRset beside a name.

    It is drift beside a name at rest, foreign beside one that changes.
    """
    observed = name.observed[rrtype]
    if inputs.overridden("foreign" if touched else "drift", name.name):
        return Change(Action.DELETE, name.name, rrtype, observed, None, name.contract, cutover=False)
    if touched:
        message = f"{name.name} also has a {rrtype} that no contract owns: {in_words(observed)}"
        return GuardRefusal.overridable("foreign", name.name, message)
    return Drift(name.name, rrtype, None, observed, name.contract)


def _cuts(inputs: Inputs) -> Mapping[str, str]:
    """Names below which the zone shows nothing, and why.

    Zone cuts (RFC 1034), DNAMEs (RFC 6672), and zones of the repository: a server that has both answers from the child.
    """
    observed = inputs.observed
    delegated = (name for name in observed.with_type("NS") if name != observed.apex)
    children = (zone for zone in inputs.other_zones if is_below(zone, observed.apex))
    cuts = dict.fromkeys(delegated, "delegation") | dict.fromkeys(children, "zone")
    return cuts | dict.fromkeys(observed.with_type("DNAME"), "DNAME")


def _unless_hidden(change: Change, cuts: Mapping[str, str], apex: str) -> Change:
    """The change; a deletion that no server could show forgets instead.

    It is of a name that went to a child zone. Its record stays, unseen: whether it is gone no answer can tell.
    """
    if change.action is not Action.DELETE or not any(ancestor in cuts for ancestor in ancestors(change.name, apex)):
        return change
    return replace(change, action=Action.FORGET, before=None, cutover=False)


def _left_behind(decided: Sequence[Change], changes: Sequence[Change]) -> Iterator[Note]:
    """Note records that are forgotten and still there."""
    for was, now in zip(decided, changes, strict=True):
        if was.action is not now.action:
            message = f"its {was.type} stays in the zone, unseen below a cut: delete it by hand"
            yield Note(was.name, message)


def _occlusions(cuts: Mapping[str, str], apex: str, changes: Iterable[Change]) -> Iterator[GuardRefusal]:
    """Refuse changes below what hides them."""
    for name in sorted({change.name for change in changes if change.after is not None}) if cuts else ():
        for ancestor in ancestors(name, apex):
            if ancestor in cuts:
                message = f"{name} is below the {cuts[ancestor]} at {ancestor}: its records would never be served"
                hint = f"remove the {cuts[ancestor]} at {ancestor}, or rename the endpoint"
                yield GuardRefusal("occluded", name, message, hint)


def _assertions(inputs: Inputs, changes: Sequence[Change], desired: DesiredZone) -> Iterator[GuardRefusal]:
    assertions = inputs.limits.assertions
    if assertions == NO_ASSERTIONS:
        return  # so that the zone after it need not be made
    after = zone_after(inputs.observed, changes)
    yield from assertion_refusals(assertions, changes, desired.contract_of, after, inputs.moves)


def _whole_tree_refusals(inputs: Inputs) -> Iterator[GuardRefusal]:
    if not inputs.contracts and not inputs.held and not (inputs.unread and inputs.unread.there):
        message = "there is no contract at all: every managed record would be deleted"
        yield GuardRefusal.overridable("empty-tree", None, message)


def _broken_promises(inputs: Inputs, changes: Iterable[Change], desired: DesiredZone) -> Iterator[Note | GuardRefusal]:
    """Refuse moves of targets that were promised stable, and still are."""
    moving = {(change.name, change.contract) for change in changes if change.cutover}
    for name, path in sorted(moving):
        if path in inputs.promised_stable:
            contract = desired.contract(path)
            source = contract.source if contract else None
            message = f"{name} moves although {source or path} promised a stable target"
            if inputs.limits.cutover_required == "enforce":
                yield GuardRefusal.overridable("cutover-required", name, message)
            else:
                yield Note(name, f"{message} (endpoint_cutover_required: false)")


def _held(inputs: Inputs) -> Iterator[Held]:
    for path, reason in sorted(inputs.held.items()):
        for name in sorted({entry.rrset.name for entry in inputs.recorded.of_contract(path)}):
            yield Held(name, path, reason)
