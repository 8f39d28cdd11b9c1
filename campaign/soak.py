"""Thousands of applies on one log: what each takes, and what they leave, by the hundred."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from campaign.place import Place, git
from campaign.trial import Trial, read_only
from hyops_gitops.lab.model import Backend

HUNDRED = 100
JUDGED_S = 1800.0  # an audit asks git about each merged commit: 15 ms of CPU for each
SERVICES = 5
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Hundred:
    """The figures of some applies, mostly a hundred."""

    applies: int  # so far
    entries: int  # of the log
    wall_s: float  # of one apply, the median
    cpu_s: float  # with git's
    memory_mib: float  # the most that the program had, the worst
    handles: int  # that it had open in the end, the worst
    temporary: int  # files and folders that are left in the folder for temporary files
    clone_mib: float
    remote_mib: float
    problems: tuple[str, ...] = ()


def soak(backend: Backend, applies: int) -> Iterator[Hundred]:
    """Apply so often, each time one change; in the end the witness has to agree with all of it."""
    with tempfile.TemporaryDirectory(prefix="hyops-soak-") as scratch:
        root = Path(scratch)
        with Place.started(root / "lab", backend) as place, place.history(root / "history", lease_s=120) as scene:
            trial, temporary = Trial(scene, 0), root / "tmp"
            temporary.mkdir()
            for number in range(SERVICES):
                trial.put(f"s{number}", 60, trial.fresh())
            done = 0
            while done < applies:
                count = min(HUNDRED, applies - done)
                figures = [_apply(trial, root / "usage", temporary, done + n) for n in range(count)]
                done += count
                last = done >= applies
                yield _sum_up(trial, temporary, done, figures, judged=last)


@dataclass(frozen=True, slots=True)
class _Usage:
    """One apply."""

    exit: int
    wall_s: float
    cpu_s: float
    memory_mib: float
    handles: int


def _apply(trial: Trial, usage: Path, temporary: Path, number: int) -> _Usage:
    trial.put(f"s{number % SERVICES}", 60, trial.fresh())
    trial.world.commit(f"Change {number}")
    trial.said.clear()
    began = time.monotonic()
    ran = trial.apply(CAMPAIGN_USAGE=str(usage), TMPDIR=str(temporary))
    wall_s = time.monotonic() - began
    cpu_s, memory, handles = usage.read_text().split()
    return _Usage(ran.exit, wall_s, float(cpu_s), int(memory) / 1024, int(handles))


def _sum_up(trial: Trial, temporary: Path, done: int, figures: Sequence[_Usage], *, judged: bool) -> Hundred:
    world = trial.world
    remote = trial.scene.remote
    exits = Counter(one.exit for one in figures if one.exit)
    problems = [f"{count} applies ended with {code}" for code, count in sorted(exits.items())]
    if judged:
        problems += [f"{fault.kind}: {fault.text}" for fault in trial.scene.faults()]
        for words in (("evidence", "verify"), ("audit",)):
            failed = read_only(trial, *words, wait_s=JUDGED_S)[0] != 0
            problems += [f"{' '.join(words)} failed"] if failed else []
    listed = git(remote, "ls-tree", "-r", "--name-only", "refs/heads/evidence", f"log/{world.zone}/").splitlines()
    return Hundred(
        done,
        sum(name.endswith(".json") for name in listed),
        round(median(one.wall_s for one in figures), 2),
        round(median(one.cpu_s for one in figures), 2),
        round(max(one.memory_mib for one in figures), 1),
        max(one.handles for one in figures),
        sum(len(folders) + len(files) for _, folders, files in os.walk(temporary)),
        _size_mib(world.root / ".git"),
        _size_mib(remote),
        tuple(problems),
    )


def _size_mib(folder: Path) -> float:
    return round(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / _MIB, 1)


HEAD = (
    "| applies | entries | wall s | CPU s | memory MiB | handles | temporary files | clone MiB | remote MiB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row(one: Hundred) -> str:
    """A line of the table."""
    cells = [value for name, value in asdict(one).items() if name != "problems"]
    return "| " + " | ".join(f"{cell:,}" for cell in cells) + " |"
