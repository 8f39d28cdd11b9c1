"""The table of a campaign, as text and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from campaign.runs import Done
from campaign.trial import Found

FORMAT = "hyops-campaign/1"
ALL = "all"


@dataclass(frozen=True, slots=True)
class Line:
    """One fault's figures."""

    fault: str
    runs: int
    survived: int
    lost: int
    unrecorded: int
    wrong_exits: int
    tracebacks: int
    recovery_median_s: float
    recovery_worst_s: float

    @classmethod
    def of(cls, fault: str, found: Sequence[Found]) -> "Line":
        times = [one.recovery_s for one in found]
        return cls(
            fault,
            len(found),
            sum(one.survived for one in found),
            sum(one.lost for one in found),
            sum(one.unrecorded for one in found),
            sum(one.wrong_exit for one in found),
            sum(one.traceback for one in found),
            round(median(times), 1),
            round(max(times), 1),
        )


def lines_of(done: Iterable[Done]) -> list[Line]:
    """A line for each fault, and one for all."""
    by_fault: dict[str, list[Found]] = {}
    for one in done:
        for run in one.runs:
            by_fault.setdefault(run.fault, []).append(run)
    lines = [Line.of(fault, by_fault[fault]) for fault in sorted(by_fault)]
    return [*lines, Line.of(ALL, [run for runs in by_fault.values() for run in runs])] if lines else []


def table(lines: Iterable[Line], first: str = "fault") -> str:
    """In Markdown."""
    head = f"| {first} | runs | survived | lost | unrecorded | wrong exit codes | recovery: median, worst, s |"
    rows = [
        f"| {one.fault} | {one.runs:,} | {one.survived:,} | {one.lost} | {one.unrecorded} | {one.wrong_exits} "
        f"| {one.recovery_median_s:.1f}, {one.recovery_worst_s:.1f} |"
        for one in lines
    ]
    return "\n".join([head, "|---|---|---|---|---|---|---|", *rows])


def document(done: Sequence[Done]) -> dict[str, object]:
    """For machines."""
    by_backend = {
        backend: [one for one in done if one.backend == backend] for backend in sorted({one.backend for one in done})
    }
    return {
        "format": FORMAT,
        "faults": [asdict(line) for line in lines_of(done)],
        "backends": [asdict(Line.of(backend, runs_of(chosen))) for backend, chosen in by_backend.items()],
        "failed": [
            {"backend": one.backend, "seed": one.seed, "fault": run.fault, "problems": run.problems}
            for one in done
            for run in one.runs
            if run.problems
        ],
    }


def runs_of(done: Iterable[Done]) -> list[Found]:
    """Every run."""
    return [run for one in done for run in one.runs]
