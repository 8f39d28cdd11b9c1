"""The verdict: what the zone went through against what the log says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from campaign.witness.branch import Outcome
from campaign.witness.zone import Difference, Key, Records, Seen, Step

Kind = Literal["lost", "unrecorded", "lie", "twice", "digest", "server", "late", "missing"]
SLACK_S = 1.5  # the result counts from the reply, which comes later than the transaction


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that log and zone do not agree about."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Outside:
    """A write by others, as they announced it; without records, of the serial alone."""

    after: Mapping[Key, Records | None]


@dataclass(frozen=True, slots=True)
class Account:
    """Which step each applied intent was, and what is wrong."""

    faults: tuple[Fault, ...]
    step_of: Mapping[int, int]  # intent to the place of its step


class _Reading:
    """What is not explained yet, front to back."""

    def __init__(self, log: Sequence[Outcome], outside: Sequence[Outside]) -> None:
        self.applied = [one for one in log if one.outcome == "applied" and one.changed]
        self.others = [one for one in log if one.outcome != "applied" and one.changed]
        self.outside = list(outside)
        self.faults: list[Fault] = []
        self.step_of: dict[int, int] = {}
        self.others_wrote = False  # since the last step that is an entry's

    def fault(self, kind: Kind, text: str) -> None:
        self.faults.append(Fault(kind, text))


def account(
    steps: Sequence[Step], log: Sequence[Outcome], outside: Sequence[Outside], drifts: Sequence[Difference]
) -> Account:
    """Explain each step by one applied entry, an outside writer or a recorded drift; and each entry by one step."""
    reading = _Reading(log, outside)
    for place, step in enumerate(steps):
        waiting = list(reading.outside)
        if step.changed or step.written or not step.markers:
            _explain(reading, place, step, drifts)
        _count(reading, place, step, waiting)
    for left in reading.applied:
        reading.fault("lost", f"entry {left.seq} is recorded as applied, and no step of the zone is its change")
    return Account(tuple(reading.faults), reading.step_of)


def _explain(reading: _Reading, place: int, step: Step, drifts: Sequence[Difference]) -> None:
    if step.markers and _by_entry(reading, place, step):
        return
    reading.others_wrote |= not step.markers
    if not step.markers and _by_others(reading, step):
        return
    if _by_several(reading, place, step):
        return
    if step.changed and any(dict(one) == dict(step.changed) for one in drifts) and not step.markers:
        return
    lied = next((one for one in reading.others if dict(one.changed) == dict(step.changed)), None)
    if lied and step.markers:
        reading.fault("lie", f"entry {lied.seq} is recorded as {lied.outcome}, and its change is step {place}")
    elif not step.changed:
        what = ", ".join(f"{name} {rrtype}" for name, rrtype in sorted(step.written)) or "the serial alone"
        reading.fault(
            "twice", f"step {place} (serial {step.serial}) wrote {what} without a change, and no entry says so"
        )
    else:
        reading.fault("unrecorded", f"step {place} (serial {step.serial}) is of no entry: {shown(step.changed)}")


def _count(reading: _Reading, place: int, step: Step, waiting: Sequence[Outside]) -> None:
    """Find writes that changed nothing by the serial, where the step is what happened between two transfers."""
    if not step.hidden:
        return
    moved = next((one for one in waiting if any(rrtype == "SOA" for _, rrtype in one.after)), None)
    if moved:  # by another writer, as far as it likes
        reading.outside = [one for one in reading.outside if one is not moved]
        return
    announced = len(waiting) - len(reading.outside) - (not step.markers)
    if step.hidden > announced:
        what = f"{step.hidden - max(announced, 0)} writes without a change"
        reading.fault("twice", f"step {place} (serial {step.serial}) has {what} by its serial, and no entry says so")


def _by_entry(reading: _Reading, place: int, step: Step) -> bool:
    """The next applied entry that is this step; those before it were not seen."""
    found = next((n for n, one in enumerate(reading.applied) if dict(one.changed) == dict(step.changed)), None)
    if found is None or frozenset(step.changed) != step.written:
        return False
    for skipped in reading.applied[:found]:
        reading.fault("lost", f"entry {skipped.seq} is recorded as applied, and no step of the zone is its change")
    entry = reading.applied[found]
    del reading.applied[: found + 1]
    reading.step_of[entry.seq] = place
    as_planned = step.before == entry.before or not reading.others_wrote
    reading.others_wrote = False
    if as_planned and (step.before, step.after) != (entry.before, entry.expected):
        reading.fault(
            "digest", f"entry {entry.seq}: the zone before or after its change has another digest than it says"
        )
    return True


def _by_others(reading: _Reading, step: Step) -> bool:
    after = {key: new for key, (_, new) in step.changed.items()}
    for one in reading.outside:
        if (dict(one.after) == after or not after) and step.written <= frozenset(one.after):
            reading.outside.remove(one)
            return True
    return False


def _by_several(reading: _Reading, place: int, step: Step) -> bool:
    """Between two transfers there may have been more than one transaction."""
    for first, entries in _combinations(reading):
        parts = [*([first.after] if first else []), *({k: n for k, (_, n) in one.changed.items()} for one in entries)]
        for order in (parts, parts[::-1]):
            after: dict[Key, Records | None] = {}
            for part in order:
                after.update(part)
            if len(parts) > 1 and _leads_to(step.changed, after):
                for entry in entries:
                    reading.applied.remove(entry)
                    reading.step_of[entry.seq] = place
                if first:
                    reading.outside.remove(first)
                return True
    return False


def _combinations(reading: _Reading) -> Iterator[tuple[Outside | None, Sequence[Outcome]]]:
    for first in (None, *reading.outside):
        for count in (0, 1, 2, 3):
            if len(reading.applied) >= count:
                yield first, reading.applied[:count]


def _leads_to(changed: Difference, after: Mapping[Key, Records | None]) -> bool:
    """Whether these writes give this difference: what they write and does not differ was so before."""
    return bool(changed) and set(changed) <= set(after) and all(new == after[key] for key, (_, new) in changed.items())


def judge_server(
    name: str,
    seen: Sequence[Seen],
    steps: Sequence[Step],
    log: Sequence[Outcome],
    step_of: Mapping[int, int],
    edited: Collection[str],
) -> list[Fault]:
    """Whether a server went through versions of the primary's alone, in their order, and when the log says it did.

    Args:
        name: The server's, in the log too.
        seen: What it handed out.
        steps: The primary's.
        log: Every intent with its result.
        step_of: Which of the steps each applied intent was.
        edited: Digests that others made on this server.
    """
    versions = [steps[0].before, *(step.after for step in steps)] if steps else []
    faults, place = [], 0
    places: list[int] = []
    for one in seen if versions else ():
        here = next((n for n in range(place, len(versions)) if versions[n] == one.digest), None)
        if here is not None:
            place = here
        elif one.digest not in edited and one.digest not in {entry.expected for entry in log}:
            what = "an old version" if one.digest in versions else "a version that the primary never had"
            faults.append(Fault("server", f"{name} has {what} with serial {one.serial}"))
        places.append(place)
    if versions:
        faults += _late(name, list(zip(seen, places, strict=True)), steps, log, step_of)
    return faults


def _late(
    name: str,
    seen: Sequence[tuple[Seen, int]],
    steps: Sequence[Step],
    log: Sequence[Outcome],
    step_of: Mapping[int, int],
) -> Iterator[Fault]:
    """Where the log says that a server had a change, and it had not."""
    for entry in log:
        if entry.outcome != "applied" or name not in entry.converged or entry.seq not in step_of:
            continue
        wanted = step_of[entry.seq] + 1
        arrived = next((one for one, place in seen if place >= wanted), None)
        if arrived is None:
            yield Fault("late", f"entry {entry.seq} says that {name} converged, and it never had the change")
            continue
        if not entry.accepted:
            continue  # of a run that settled it later, and counts from then
        claimed = _claimed(entry, name, steps[step_of[entry.seq]])
        if arrived.old_until > claimed + SLACK_S:
            late = arrived.old_until - claimed
            yield Fault("late", f"entry {entry.seq}: {name} had the old zone {late:.1f} s longer than it says")


def judge_missing(
    name: str,
    missing: Sequence[tuple[float, str]],
    steps: Sequence[Step],
    log: Sequence[Outcome],
    step_of: Mapping[int, int],
) -> Iterator[Fault]:
    """Names without an answer on a server that had them, by the log.

    Args:
        name: The server's.
        missing: When each owner had no answer, though the zone that the server hands out has it.
        steps: The primary's.
        log: Every intent with its result.
        step_of: Which of the steps each applied intent was.
    """
    for at, owner in missing:
        about = [one for one in log if one.seq in step_of and any(owner == key[0] for key in one.changed)]
        before = [one for one in about if steps[step_of[one.seq]].at < at]
        last = before[-1] if before else None
        if last is None or (name in last.converged and at > _claimed(last, name, steps[step_of[last.seq]])):
            yield Fault("missing", f"{name} had no answer for {owner}")


def _claimed(entry: Outcome, name: str, step: Step) -> float:
    """When the server had the change, by the log."""
    return max(step.at, entry.accepted) + entry.converged[name] / 1000


def shown(changed: Difference) -> str:
    """A difference in words."""
    return "; ".join(
        f"{name} {rrtype}: {_words(old)} -> {_words(new)}" for (name, rrtype), (old, new) in changed.items()
    )


def _words(records: Records | None) -> str:
    return "nothing" if records is None else f"{' '.join(records[1])} (TTL {records[0]})"
