"""The witness: what it knows of the program, and what it says about steps and entries that do not agree."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from campaign.witness.branch import Outcome
from campaign.witness.judge import Outside, account, judge_missing, judge_server
from campaign.witness.zone import Difference, Key, Records, Row, Seen, Step, digest_of, version_of
from tests.support.repository import ROOT

WITNESS = sorted((ROOT / "campaign" / "witness").glob("*.py"))
NAME: Key = ("db.prod.lab.internal", "A")
OTHER: Key = ("web.prod.lab.internal", "A")
OLD: Records = (60, ("10.0.0.1",))
NEW: Records = (60, ("10.0.0.2",))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


@pytest.mark.parametrize("path", WITNESS, ids=lambda path: path.stem)
def test_the_witness_imports_nothing_of_the_program(path: Path) -> None:
    own = {name for name in imported(path) if name.partition(".")[0] in ("hyops_gitops", "tests", "bench", "campaign")}
    assert own <= {f"campaign.witness.{other.stem}" for other in WITNESS}


def step(changed: Difference, *, markers: bool = True, written: frozenset[Key] | None = None, at: float = 100) -> Step:
    before = {key: old for key, (old, _) in changed.items() if old}
    after = {key: new for key, (_, new) in changed.items() if new}
    wrote = frozenset(changed) if written is None else written
    return Step(at, 2, wrote, markers, changed, digest_of(before), digest_of(after))


def entry(changed: Difference, outcome: str = "applied", seq: int = 2, after_ms: int | None = None) -> Outcome:
    like = step(changed)
    converged: Mapping[str, int] = {} if after_ms is None else {"ns1": after_ms}
    return Outcome(seq, outcome, changed, like.before, like.after, like.after, like.at, converged)


MOVE: Difference = {NAME: (OLD, NEW)}
ADD: Difference = {OTHER: (None, NEW)}
SERIAL = Outside({("lab.internal", "SOA"): (60, ("ns1.lab.internal. h.lab.internal. 99 2 3 4 5",))})


def kinds(steps: list[Step], log: list[Outcome], outside: list[Outside], *drifts: Difference) -> list[str]:
    return [fault.kind for fault in account(steps, log, outside, drifts).faults]


@pytest.mark.parametrize(
    ("steps", "log", "outside", "expected"),
    [
        pytest.param([step(MOVE)], [entry(MOVE)], [], [], id="explained"),
        pytest.param([step({}, written=frozenset())], [], [], [], id="markers alone"),
        pytest.param([step(MOVE)], [], [], ["unrecorded"], id="no entry"),
        pytest.param([], [entry(MOVE)], [], ["lost"], id="no step"),
        pytest.param([step(MOVE)], [entry(MOVE, "failed")], [], ["lie"], id="recorded as failed"),
        pytest.param([], [entry(MOVE, "failed")], [], [], id="failed indeed"),
        pytest.param(
            [step(MOVE), step({}, markers=False, written=frozenset({NAME}))], [entry(MOVE)], [], ["twice"], id="twice"
        ),
        pytest.param([step({}, markers=False, written=frozenset())], [], [], ["twice"], id="the serial alone"),
        pytest.param([step(ADD, markers=False)], [], [Outside({OTHER: NEW})], [], id="another writer"),
        pytest.param([step(ADD, markers=False)], [], [Outside({OTHER: OLD})], ["unrecorded"], id="not what it wrote"),
        pytest.param([step({**MOVE, **ADD})], [entry(MOVE)], [], ["unrecorded", "lost"], id="more than the entry says"),
        pytest.param([step(MOVE), step(ADD)], [entry(ADD), entry(MOVE, seq=4)], [], ["lost", "unrecorded"], id="order"),
    ],
)
def test_each_step_is_one_entry_and_each_entry_one_step(
    steps: list[Step], log: list[Outcome], outside: list[Outside], expected: list[str]
) -> None:
    assert kinds(steps, log, outside) == expected


@pytest.mark.parametrize(
    ("one", "log", "outside", "expected"),
    [
        pytest.param(replace(step(MOVE), hidden=1), [entry(MOVE)], [], ["twice"], id="sent twice"),
        pytest.param(replace(step({}), hidden=1), [], [], ["twice"], id="beside markers"),
        pytest.param(
            replace(step({**MOVE, **ADD}), hidden=1), [entry(MOVE)], [Outside({OTHER: NEW})], [], id="another's"
        ),
        pytest.param(
            replace(step({**MOVE, **ADD}), hidden=2), [entry(MOVE)], [Outside({OTHER: NEW})], ["twice"], id="and more"
        ),
        pytest.param(replace(step({}, markers=False), hidden=98), [], [SERIAL], [], id="another's serial"),
        pytest.param(replace(step(MOVE), hidden=99), [entry(MOVE)], [SERIAL], [], id="another's serial beside"),
    ],
)
def test_a_serial_moves_once_for_each_write_that_is_known(
    one: Step, log: list[Outcome], outside: list[Outside], expected: list[str]
) -> None:
    assert kinds([one], log, outside) == expected


def test_a_recorded_drift_explains_another_s_change() -> None:
    assert kinds([step(ADD, markers=False)], [], [], ADD) == []
    assert kinds([step(ADD)], [], [], ADD) == ["unrecorded"]


def test_two_transactions_between_two_transfers_are_two_entries() -> None:
    assert kinds([step({**MOVE, **ADD})], [entry(MOVE), entry(ADD, seq=4)], []) == []
    assert kinds([step({**MOVE, **ADD})], [entry(MOVE)], [Outside({OTHER: NEW})]) == []


def seen(changed: Difference, *, at: float, old_until: float) -> list[Seen]:
    like = step(changed)
    return [Seen(90, 1, like.before, 90), Seen(at, 2, like.after, old_until)]


@pytest.mark.parametrize(
    ("versions", "after_ms", "expected"),
    [
        pytest.param(seen(MOVE, at=100.3, old_until=100.2), 300, [], id="as it says"),
        pytest.param(seen(MOVE, at=120, old_until=119), 300, ["late"], id="later than it says"),
        pytest.param(seen(MOVE, at=120, old_until=100.1), 300, [], id="not looked at meanwhile"),
        pytest.param(seen(MOVE, at=100, old_until=99)[:1], 300, ["late"], id="never"),
        pytest.param(seen(MOVE, at=100, old_until=99)[:1], None, [], id="never, as it says"),
        pytest.param(seen(ADD, at=100, old_until=99), None, ["server", "server"], id="versions of its own"),
        pytest.param(
            [*seen(MOVE, at=100, old_until=99), Seen(110, 3, step(MOVE).before, 109)], 300, ["server"], id="back"
        ),
    ],
)
def test_a_server_has_the_primary_s_versions_when_the_log_says_so(
    versions: list[Seen], after_ms: int | None, expected: list[str]
) -> None:
    log = [entry(MOVE, after_ms=after_ms)]
    found = judge_server("ns1", versions, [step(MOVE)], log, {2: 0}, ())
    assert [fault.kind for fault in found] == expected


@pytest.mark.parametrize(
    ("at", "after_ms", "expected"),
    [
        pytest.param(100.2, 300, [], id="before it converged"),
        pytest.param(101, 300, ["missing"], id="afterwards"),
        pytest.param(101, None, [], id="it never did, as it says"),
        pytest.param(99, 300, ["missing"], id="of before"),
    ],
)
def test_a_name_has_an_answer_once_the_log_says_so(at: float, after_ms: int | None, expected: list[str]) -> None:
    log = [entry(MOVE, after_ms=after_ms)]
    found = judge_missing("ns1", [(at, NAME[0])], [step(MOVE)], log, {2: 0})
    assert [fault.kind for fault in found] == expected


def test_a_version_has_neither_markers_nor_what_servers_make() -> None:
    rows = [
        Row("lab.internal", "SOA", "ns1.lab.internal. h.lab.internal. 1 2 3 4 5", 60),
        Row("_hyops-gitops.lab.internal", "TXT", '"v=hyops1"', 60),
        Row("_2._hyops-gitops.lab.internal", "CNAME", "_hyops-gitops.lab.internal", 60),
        Row("lab.internal", "MX", "10 Mail.lab.internal", 60),
        Row("off.lab.internal", "A", "10.0.0.9", 60, disabled=True),
    ]
    assert version_of(rows, "lab.internal") == {("lab.internal", "MX"): (60, ("10 mail.lab.internal.",))}
