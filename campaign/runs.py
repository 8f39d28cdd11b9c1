"""Seeds, one history each: run, kept in a file of JSON lines, and not run again."""

import json
import random
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from campaign.faults.table import NOTHING, of_backend
from campaign.history import STEPS
from campaign.place import Place, Scene
from campaign.trial import Found, Trial, conduct
from hyops_gitops.lab.model import Backend

RUNS = 8  # of one history
BROKEN = -1000  # in place of an exit code: no process had one
FIRST_RUNS = 1  # without a fault, to begin with


@dataclass(frozen=True, slots=True)
class Done:
    """One seed's runs."""

    backend: str
    seed: int
    seconds: float
    runs: tuple[Found, ...]

    def line(self) -> str:
        return json.dumps(asdict(self), sort_keys=True) + "\n"

    @classmethod
    def read(cls, line: str) -> "Done":
        document = json.loads(line)
        runs = tuple(
            Found(**{**run, "exits": tuple(run["exits"]), "problems": tuple(run["problems"])})
            for run in document.pop("runs")
        )
        return cls(**document, runs=runs)


def results(path: Path) -> list[Done]:
    """What a file holds; a line that was cut off with the process that wrote it is no seed's, and is run again."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [Done.read(line) for line in lines if line.endswith("\n")]


def keep_result(path: Path, done: Done) -> None:
    """Add a seed's line, in place of one that was cut off."""
    with path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(done.line().encode())


def plan_of(seed: int, backend: Backend, only: str = "", runs: int = RUNS) -> list[tuple[str, str]]:
    """The steps and faults of a seed: the same wherever it is run."""
    rng = random.Random(f"{backend} {seed}")
    kinds = {name: kind for name, kind in of_backend(backend).items() if only in name and name != NOTHING}
    names = list(kinds)
    weights = [kinds[name].weight for name in names]
    faults = [NOTHING] * FIRST_RUNS + rng.choices(names, weights, k=runs - FIRST_RUNS)
    return [(rng.choice(list(STEPS)), fault) for fault in faults]


def run_seeds(
    backend: Backend, seeds: Iterable[int], *, only: str = "", runs: int = RUNS, keep: Path | None = None
) -> Iterator[Done]:
    """Each seed on one lab, one after the other.

    Args:
        backend: The lab's storage.
        seeds: Which.
        only: A part of the names of faults.
        runs: How many in each history.
        keep: Where to leave what a failed one had, if anywhere.
    """
    left = list(seeds)
    while left:  # a lab that a campaign of its own broke is not used again
        with tempfile.TemporaryDirectory(prefix="hyops-campaign-") as scratch, ExitStack() as stack:
            place = stack.enter_context(Place.started(Path(scratch) / "lab", backend))
            whole = True
            while left and whole:
                seed = left.pop(0)
                directory = Path(scratch) / f"seed{seed}"
                began = time.monotonic()
                found = tuple(_history(place, directory, plan_of(seed, backend, only, runs), seed, keep))
                whole = not any(one.exit == BROKEN for one in found)
                yield Done(backend, seed, round(time.monotonic() - began, 1), found)
                shutil.rmtree(directory)


def _history(
    place: Place, directory: Path, plan: Sequence[tuple[str, str]], seed: int, keep: Path | None
) -> Iterator[Found]:
    with place.history(directory) as scene:
        trial = Trial(scene, seed)
        for number, (step, fault) in enumerate(plan):
            found = run(trial, number, step, fault)
            yield found
            if found.problems:
                _keep(trial, scene, found, keep and keep / f"{place.lab.backend}-{seed}")
                return  # what follows would be judged by what is wrong already


def run(trial: Trial, number: int, step: str, fault: str) -> Found:
    """One run, which has failed too where the campaign itself could not go on."""
    kind = of_backend(trial.scene.place.lab.backend)[fault]
    try:
        STEPS[step](trial)
        trial.world.commit(f"Run {number}: {step}")
        return conduct(trial, step, fault, kind.exits, kind.run)
    except Exception:  # noqa: BLE001 - whatever it is: a thousand runs do not end with it
        problem = f"the campaign could not go on: {traceback.format_exc()[-2000:]}"
        return Found(fault, step, BROKEN, (), 0.0, (problem,), lost=0, unrecorded=0, wrong_exit=False, traceback=False)


def _keep(trial: Trial, scene: Scene, found: Found, folder: Path | None) -> None:
    """Leave what explains a failure."""
    if folder is None:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        steps = [f"{place} {step}" for place, step in enumerate(scene.steps())]
    except (RuntimeError, OSError, EOFError) as error:  # the database, or the primary, is what failed
        steps = [f"no steps can be read: {error}"]
    log = [str(outcome) for outcome in scene.log()]
    text = "\n\n".join(["\n".join(found.problems), "\n\n".join(trial.said), "\n".join(steps), "\n".join(log)])
    (folder / "report").write_text(f"{found.fault}: {found.step}\n{text}\n", encoding="utf-8")
    shutil.copytree(scene.remote, folder / "remote.git", symlinks=True)
