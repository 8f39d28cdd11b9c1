"""The races, one try at a time."""

import itertools
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from bench.fence.field import (
    ACCEPTED,
    REUSING,
    STATES,
    UNLOCKED,
    Field,
    drop_zone,
    has_lock,
    judge,
    make_zone,
    status_of,
)
from bench.fence.rows import Rows
from hyops_gitops.lab.model import Lab

RACES = {  # copies of the update, of the PATCH that settles it
    "late and settle": (1, 1),
    "late and two settle": (1, 2),
    "3 copies": (3, 0),
    "5 copies": (5, 0),
    "3 copies and two settle": (3, 2),
}
HELD = "held, killed, settled"
BIG = 20_000
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Case:
    """What is tried."""

    state: str
    race: str  # of RACES, or HELD and what is held
    condition: str = ""  # "", "slow", "big"

    def __str__(self) -> str:
        return f"{self.state} | {self.race}{f' | {self.condition}' if self.condition else ''}"


class Bench:
    """One lab, and the zones in it."""

    def __init__(self, lab: Lab, *, remedy: bool) -> None:
        self.rows = Rows(lab)
        self.remedy = remedy
        self._fields: dict[int, Field] = {}

    def field(self, records: int, *, fresh: bool) -> Field:
        """A zone to try in: one that was used before and is whole, or a new one."""
        if fresh or records not in self._fields:
            self.forget(records)
            zone = f"f{next(_numbers)}.fence"
            make_zone(self.rows, zone, records)
            self._fields[records] = Field(self.rows, zone, self.remedy)
        return self._fields[records]

    def forget(self, records: int) -> None:
        """Use another zone next time."""
        if used := self._fields.pop(records, None):
            drop_zone(self.rows, used.zone)

    def try_once(self, case: Case) -> tuple[str, str]:
        """One try; what is broken, and what stands twice."""
        records = BIG if case.condition == "big" else 0
        field = self.field(records, fresh=case.state not in REUSING)
        if self._fields[records].seq > 40:
            self.forget(records)
            field = self.field(records, fresh=True)
        STATES[case.state](field)
        broken = ""
        with self.rows.slow() if case.condition == "slow" else nullcontext():
            if case.state in UNLOCKED and self.remedy:
                broken = self._race_for_lock(field)
            found = self._held(case, field) if case.race.startswith(HELD) else self._race(case, field)
        broken, twice = "; ".join(filter(None, (broken, found[0]))), found[1]
        if broken or twice:
            self.forget(records)
        return broken, twice

    def _race_for_lock(self, field: Field) -> str:
        bodies = [field.first_lock()] * 3
        statuses = field.at_once(bodies)
        accepted = statuses.count(ACCEPTED)
        return "" if accepted == 1 and has_lock(field) else f"lock row: {statuses}"

    def _race(self, case: Case, field: Field) -> tuple[str, str]:
        copies, settlings = RACES[case.race]
        update = field.intent()
        remedy = False if case.state.startswith("upgrade") else None
        bodies = [*[field.update(update, remedy=remedy)] * copies, *[field.settling(update)] * settlings]
        statuses = field.at_once(bodies)
        landed, settled = statuses[:copies].count(ACCEPTED), statuses[copies:].count(ACCEPTED)
        verdict = judge(field, update, landed, settled)
        if landed:
            field.landed(update)
        return verdict.broken, verdict.duplicates

    def _held(self, case: Case, field: Field) -> tuple[str, str]:
        """The update waits inside the database; its applier is gone; it is settled at once; what held it lets go."""
        update, what = field.intent(), case.race.removeprefix(f"{HELD}: ")
        late, settling = field.update(update), field.settling(update)
        connections = [field.open(late), field.open(settling)]
        with self.rows.held(field.zone, what):
            connections[0].sendall(late[-1:])
            self.rows.wait_for_waiting(1)
            if self.rows.sql:
                connections[0].close()
            connections[1].sendall(settling[-1:])
            self.rows.wait_for_waiting(2)
        settled = status_of(connections[1])
        if not self.rows.sql:
            status_of(connections[0])
        self.rows.wait_for_rest()
        settled = field.send(settling) if settled >= 500 else settled
        verdict = judge(field, update, None, None)
        kinds = {row[1] for row in self.rows.of(field.zone, field.service) if row[0] == update.claim.name}
        broken = verdict.broken
        if (settled == ACCEPTED) != (kinds == {"CNAME"}):
            broken = "; ".join(filter(None, (broken, f"settling got {settled}, the claim is {sorted(kinds)}")))
        if kinds == {"TXT"}:
            field.landed(update)
        return broken, verdict.duplicates


def cases(rows: Rows, *, remedy: bool) -> Iterator[Case]:
    """Every state with every race."""
    for state in STATES:
        for race in RACES:
            if state.startswith("upgrade") and (not remedy or RACES[race][1] == 0 or RACES[race][0] > 1):
                continue  # copies of a released program's update are not ours to refuse
            yield Case(state, race)
        for what in rows.ways_to_hold():
            if not (what == "the lock row" and not remedy) and not state.startswith("upgrade"):
                yield Case(state, f"{HELD}: {what}")


def spread(every: list[Case], tries: int) -> list[tuple[Case, int]]:
    """So many tries over the cases, evenly."""
    if not every or not tries:
        return []
    return [(case, tries // len(every) + (place < tries % len(every))) for place, case in enumerate(every)]
