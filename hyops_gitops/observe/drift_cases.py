"""The kind of drift that a difference is, and its remedy."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal

from hyops_gitops.core.authority import Policy, Secondary
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.damage import CAUSE, REPAIR, SETTINGS
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.guards import override_line
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.serials import StuckSerial, is_newer
from hyops_gitops.core.servers import NEW_ZONE_S, NO_ANSWER_S, OLD_ANSWER_S
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import Key, Zone, same_served
from hyops_gitops.log.log import Log
from hyops_gitops.observe.drift import Difference, DriftCase, DriftKind, ServerView, compare
from hyops_gitops.plan.planning import CONFLICTING_TYPES

AnchorSays = Literal["current", "lost", "restored", "ahead", "breakglass", "other"]


@dataclass(frozen=True, slots=True)
class DriftInputs:
    """The log and the contracts that the zone is compared with."""

    log: Log
    desired: Zone  # what the contracts ask for; of one that is held, what was applied last
    contracts: Mapping[str, Contract]  # by path
    policy: Policy

    def owner(self, key: Key) -> str | None:
        """The team that answers for the endpoint at a key."""
        entry = self.log.state.entries.get(key)
        contract = self.contracts.get(entry.contract) if entry else None
        return contract.owner if contract else None


def left_by(log: Log) -> Zone:
    """The zone as it should be: ours applied, others' observed last.

    A foreign record in the way of ours is drift for as long as it stands there, even where it is recorded.
    """
    ours = log.state.names()
    others = (
        rrset
        for key, rrset in log.observed.rrsets.items()
        if key not in log.state.entries and not (rrset.name in ours and rrset.type in CONFLICTING_TYPES)
    )
    return Zone.of(log.zone, others).with_rrsets(log.state.zone.rrsets.values())


def zone_cases(inputs: DriftInputs, view: ServerView, expected: Zone, state: AnchorSays) -> Iterator[DriftCase]:
    """The cases of a zone that was changed outside the log.

    Args:
        inputs: The log and the contracts.
        view: The primary.
        expected: `left_by` the log, without what the view cannot show.
        state: The state of its anchor.
    """
    differences = view.differences(expected) if inputs.log.has_baseline else ()
    zone = inputs.log.zone
    yield from damage_cases(view, REPAIR, differences)
    damaged = {damage.name for damage in view.damage}
    differences = tuple(difference for difference in differences if difference.name not in damaged)
    match state:
        case "current" | "lost":
            yield from _edits(inputs, view, differences)
        case "restored":
            found = f"names {view.anchor}" if view.anchor else "is missing"
            denied = inputs.log.denied(view.anchor) if view.anchor else None
            why = (
                f"entry {denied.seq} records it as not applied, and its update landed afterwards"
                if denied
                else "the zone was restored or rebuilt"
            )
            message = f"the anchor {found}, the log's is {inputs.log.anchor}: {why}"
            hint = f"look at `plan --live`; to build on what is there: apply {override_line('restored')}"
            yield DriftCase(DriftKind.RESTORED, view.where, None, message, differences, hint)
        case "ahead":
            message = f"the zone was last changed by {view.anchor}, this log ends at {inputs.log.head.seq}"
            hint = "run git fetch; if the log was cut, bring the entries back: hyops-gitops evidence import CLONE"
            yield DriftCase(DriftKind.LOG_BEHIND, view.where, None, message, (), hint)
        case "breakglass":
            message = f"the zone was last changed by {view.anchor}, which the log does not have yet"
            segment = view.anchor.segment if view.anchor else ""
            hint = f"bring it into the log before the next apply: hyops-gitops reconcile {segment}"
            yield DriftCase(DriftKind.BREAK_GLASS, view.where, None, message, differences, hint)
        case "other":
            message = "the anchor is of another log: another repository writes this zone"
            hint = f"find out whose anchor this is, since a zone has one log: dig TXT {anchor_name(zone)}"
            yield DriftCase(DriftKind.OTHER_LOG, view.where, None, message, differences, hint)


def damage_cases(view: ServerView, remedy: str, differences: Sequence[Difference] = ()) -> Iterator[DriftCase]:
    """The cases of rows that contradict each other on a server."""
    for damage in view.damage:
        here = tuple(difference for difference in differences if difference.name == damage.name)
        message = f"{damage.message}; the cause is {CAUSE}"
        hint = f"{remedy}; prevent it: {SETTINGS}"
        yield DriftCase(DriftKind.DAMAGED, view.where, damage.name, message, here, hint, damage=damage)


def _edits(inputs: DriftInputs, view: ServerView, differences: Sequence[Difference]) -> Iterator[DriftCase]:
    """A case for each name with edited or foreign records."""
    ours, wanted = inputs.log.state.names(), inputs.desired.names()
    for name, group in groupby(differences, key=lambda difference: difference.name):
        together = tuple(group)
        managed = tuple(
            difference for difference in together if (difference.name, difference.type) in inputs.log.state.entries
        )
        others = tuple(difference for difference in together if difference not in managed)
        if managed:
            yield _edited(inputs, view, name, managed)
        in_the_way = name in ours | wanted and any(
            difference.type in CONFLICTING_TYPES and difference.found for difference in others
        )
        if others:
            yield _foreign(inputs, view, name, others, in_the_way=in_the_way)


def _edited(inputs: DriftInputs, view: ServerView, name: str, differences: tuple[Difference, ...]) -> DriftCase:
    keys = [(difference.name, difference.type) for difference in differences]
    wanted = [inputs.desired.rrsets.get(key) for key in keys]
    put_back = f"apply {override_line('drift', name)}"
    if wanted == [difference.found for difference in differences]:
        hint = "let the next apply take it over: the contract asks for what is live"
    elif wanted == [difference.expected for difference in differences]:
        hint = f"to put it back: {put_back}; to keep it: write it into the contract, and the next apply takes it over"
    else:
        hint = f"apply what the contract asks for, a third value: {put_back}"
    message = f"{name} was changed outside the log"
    return DriftCase(DriftKind.EDITED, view.where, name, message, differences, hint, inputs.owner(keys[0]))


def _foreign(
    inputs: DriftInputs, view: ServerView, name: str, differences: tuple[Difference, ...], *, in_the_way: bool
) -> DriftCase:
    came, went = (
        all(difference.expected is None for difference in differences),
        all(difference.found is None for difference in differences),
    )
    what = "is new" if came else "is gone" if went else "changed"
    types = ", ".join(difference.type for difference in differences)
    message = f"{name} {types}, which no contract owns, {what}"
    if in_the_way:
        message += " and stands in the way of ours"
        hint = f"remove it; or let apply do that: {override_line('drift', name)}"
    elif inputs.policy.zone_ownership == "exclusive":
        hint = "remove it, or write a contract for it"
    else:
        hint = "ignore it where other writers are allowed (policy.zone_ownership: shared)"
    counts = in_the_way or inputs.policy.zone_ownership == "exclusive"
    return DriftCase(DriftKind.FOREIGN, view.where, name, message, differences, hint, counts=counts)


def unapplied_cases(
    inputs: DriftInputs, undecided: Collection[str], commits: Sequence[CommitInfo]
) -> Iterator[DriftCase]:
    """The cases of contracts that were never applied.

    Args:
        inputs: The log and the contracts.
        undecided: Names whose contract is invalid.
        commits: The first-parent commits since the one recorded last.
    """
    paths = {rrset.name: path for path, contract in inputs.contracts.items() for rrset in contract.rrsets()}
    recorded = {key[0]: entry.contract for key, entry in inputs.log.state.entries.items()}
    for name, group in groupby(compare(inputs.desired, inputs.log.state.zone), key=lambda difference: difference.name):
        differences = tuple(group)
        if name in undecided:
            continue
        path = paths.get(name) or recorded.get(name) or ""
        changes = [commit for commit in commits if path in commit.changed]
        by = f": {changes[-1].author}, {changes[-1].subject!r}" if changes else ""
        message = f"{name} was never applied as its contract asks{by}"
        hint = f"run `hyops-gitops apply`; if one ran, look at: hyops-gitops history {name}"
        contract = inputs.contracts.get(path)
        yield DriftCase(
            DriftKind.NEVER_APPLIED,
            path,
            name,
            message,
            differences,
            hint,
            contract.owner if contract else None,
            tuple(commit.id for commit in changes),
        )


@dataclass(frozen=True, slots=True)
class SecondaryInputs:
    """A secondary's view, and the zones to compare it with."""

    secondary: Secondary
    view: ServerView
    expected: Zone  # what the primary holds, or else the log recorded, as far as the view can show it
    recorded: Zone  # what the log observed last
    reference: ServerView | None  # the primary, where it could be looked at
    log: Log
    shared: bool  # whether it reads the primary's database
    stuck: Callable[[], StuckSerial | None]  # why a write would not move the serial, asked for where that explains

    @property
    def remedy(self) -> str:
        """The command that brings it up, or flushes its caches."""
        if self.secondary.api is not None:
            return f"hyops-gitops drift --retransfer {self.view.name}"
        return by_hand(self.view.name, self.log.zone, shared=self.shared)

    def behind(self, message: str, hint: str, differences: tuple[Difference, ...] = ()) -> DriftCase:
        """A case of it being behind."""
        return DriftCase(DriftKind.SECONDARY_BEHIND, self.view.where, None, message, differences, hint)


def by_hand(name: str, zone: str, *, shared: bool) -> str:
    """The command on a secondary itself that brings it up."""
    command = f"purge '{zone}$'" if shared else f"retrieve {zone}"
    return f"on {name}: pdns_control {command}"


def secondary_case(inputs: SecondaryInputs) -> DriftCase | None:
    """The case of a secondary that holds something else than it should."""
    view, reference = inputs.view, inputs.reference
    if not view.serves:
        hint = f"check its configuration; then: {inputs.remedy}"
        if inputs.shared:
            hint = (
                f"does it read the primary's database? It reads the list of its zones every {NEW_ZONE_S} s "
                f"(zone-cache-refresh-interval); a flush by its API makes a new zone known: {inputs.remedy}"
            )
        return inputs.behind(f"{view.where} does not answer for {inputs.log.zone} with authority", hint)
    # Where the primary's own rows contradict each other no copy of them is wrong; that is the primary's case.
    contradicted = {damage.name for damage in reference.damage} if reference is not None else set[str]()
    differences = tuple(found for found in view.differences(inputs.expected) if found.name not in contradicted)
    if not differences:
        return None
    if inputs.shared:
        return _sharing_case(inputs, differences)
    return _transferring_case(inputs, differences, damaged=bool(contradicted))


def _sharing_case(inputs: SecondaryInputs, differences: tuple[Difference, ...]) -> DriftCase:
    """The case of a server that reads the primary's database."""
    many = counted(len(differences), "RRset differs", "RRsets differ")
    if inputs.view.source == "dns":
        message = f"{inputs.view.where} answers otherwise than the primary, whose database it reads: {many}"
        hint = (
            f"its caches keep an answer for up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s: "
            f"look again then, or flush them: {inputs.remedy}; afterwards look at the replication of the database"
        )
    else:
        message = f"{inputs.view.where} reads another state of the database than the primary: {many}"
        hint = "look at the replication of the database, and at which database that server reads"
    return inputs.behind(message, hint, differences)


def _transferring_case(inputs: SecondaryInputs, differences: tuple[Difference, ...], *, damaged: bool) -> DriftCase:
    view, reference, log = inputs.view, inputs.reference, inputs.log
    many, bring_up = counted(len(differences), "RRset differs", "RRsets differ"), f"bring it up: {inputs.remedy}"
    if _is_behind(view, reference, log):
        of = "" if view.anchor is None else f", as {view.anchor} left it"
        first = f"repair the primary first, BIND and Knot refuse to transfer such a zone: {REPAIR}; then "
        hint = f"{first if damaged else ''}{bring_up}"
        return inputs.behind(f"{view.where} serves an older zone{of}: {many}", hint, differences)
    seen = f"{view.where} {_serial_of(view, reference)}"
    newest = reference.anchor if reference is not None else log.anchor
    if (held := inputs.stuck()) is not None:
        return inputs.behind(
            f"{seen} other content: {held.message}: {many}", f"{held.hint}; then {bring_up}", differences
        )
    if view.anchor != newest:
        of = "an older zone" if view.anchor is None else f"the zone as {view.anchor} left it"
        message = f"{seen} {of}: the primary was changed and its serial did not move forward: {many}"
        return inputs.behind(message, f"`hyops-gitops doctor` looks at what moves the serial; {bring_up}", differences)
    recorded = inputs.recorded.rrsets
    if reference is not None and all(
        same_served(difference.found, recorded.get((difference.name, difference.type))) for difference in differences
    ):
        message = (
            f"{seen} what the log recorded before the primary was changed past it: "
            f"the primary took two changes under one serial ({CAUSE}): {many}"
        )
        return inputs.behind(message, bring_up, differences)
    message = (
        f"{seen} other content, as after an edit on the secondary itself, or on the primary without a new serial: "
        f"{many}"
    )
    hint = f"overwrite it: {inputs.remedy}"
    return DriftCase(DriftKind.SECONDARY_EDITED, view.where, None, message, differences, hint)


def _serial_of(view: ServerView, reference: ServerView | None) -> str:
    if reference is None or reference.serial is None or view.serial is None:
        return "has the anchor of what was applied last and"
    if reference.serial == view.serial:
        return f"has the primary's serial {view.serial} and"
    return f"has serial {view.serial}, newer than the primary's {reference.serial}, and"


def _is_behind(view: ServerView, reference: ServerView | None, log: Log) -> bool:
    """By serial, as both serve it; else by anchor."""
    if reference is not None and reference.serial is not None and view.serial is not None:
        return is_newer(reference.serial, view.serial)
    newest = reference.anchor if reference is not None else log.anchor
    return view.anchor != newest
