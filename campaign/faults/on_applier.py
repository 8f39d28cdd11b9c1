"""Faults of the process that applies: ended, stopped, overtaken, limited, one of several."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from campaign.faults.kinds import ANY
from campaign.proxy import Trouble
from campaign.trial import Trial
from tests.support.applier import MARKS
from tests.support.commands import Forked
from tests.support.world import Ran, World

_POLL_S = 0.001


def nothing(trial: Trial) -> Ran:
    return trial.apply()


def killed_at_a_mark(trial: Trial) -> Ran:
    return trial.apply(RECOVERY_AT=trial.rng.choice(MARKS))


def killed_after_a_mark(trial: Trial) -> Ran:
    after = trial.rng.choice([0.0005, 0.002, 0.01, 0.05])
    return trial.apply(RECOVERY_AT=trial.rng.choice(MARKS), RECOVERY_AFTER=str(after))


def interrupted_by(number: signal.Signals) -> Callable[[Trial], Ran]:
    """A signal from outside at any moment of the program; before it, there is only Python."""

    def run(trial: Trial) -> Ran:
        begun = trial.scene.directory / f"begun-{time.monotonic_ns()}"
        process = trial.start("apply", environ={"CAMPAIGN_BEGUN": str(begun)})
        while process.poll() is None and not begun.exists():
            time.sleep(_POLL_S)
        time.sleep(trial.rng.uniform(0.0, 1.2))
        if process.poll() is None:
            process.send_signal(number)
        return trial.finish(process)

    return run


def gone_on_another_machine(trial: Trial) -> Ran:
    """Its process cannot be seen to be gone from here: an open intent is settled by an operator's word."""
    mark = trial.rng.choice(["intent-pushed", "patching", "patched", "proving", "result-signing"])
    ran = trial.apply(RECOVERY_AT=mark, CAMPAIGN_MACHINE="another machine")
    refused = trial.apply("--no-wait")
    newest = trial.scene.log()[-1]
    if newest.outcome == "open":
        trial.recovering = ["--recover", str(newest.seq)]
        if refused.exit != 3:
            return refused
    return ran


def stopped_and_overtaken(trial: Trial) -> Ran:
    """It sleeps in the middle; another settles its intent by an operator's word, and it wakes up."""
    mark = trial.rng.choice(["intent-pushed", "patching", "patched", "proving", "result-signing"])
    sleeper = stopped_at(mark, trial)
    newest = trial.scene.log()[-1]
    ran = trial.apply(*(["--recover", str(newest.seq)] if newest.outcome == "open" else []))
    go_on(sleeper)
    woken = trial.finish(sleeper)
    return ran if woken.exit in ANY else woken


def stopped_at(mark: str, trial: Trial, world: World | None = None, environ: Mapping[str, str] | None = None) -> Forked:
    """An applier that is asleep at a step, unless it ended before."""
    stopping = {"RECOVERY_AT": mark, "RECOVERY_SIGNAL": "SIGSTOP"}
    sleeper = trial.start("apply", world=world, environ={**(environ or {}), **stopping})
    stat = Path(f"/proc/{sleeper.pid}/stat")
    while sleeper.poll() is None and stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    return sleeper


def go_on(sleeper: Forked) -> None:
    """Wake it up."""
    if sleeper.poll() is None:
        sleeper.send_signal(signal.SIGCONT)


def another_applier(trial: Trial, **environ: str) -> tuple[World, dict[str, str]]:
    """A clone, and the environment with a folder for temporary files, of its own; made while no other one pushes."""
    folder = trial.scene.directory / f"applier-{time.monotonic_ns()}"
    (folder / "tmp").mkdir(parents=True)
    return trial.world.clone(folder / "clone"), {**environ, "TMPDIR": str(folder / "tmp")}


def to_judge(ended: Sequence[Ran]) -> Ran:
    """Of several: one that ended wrongly, else one with exit 0, after which the zone is what it has to be."""
    wrong = [ran for ran in ended if ran.exit not in ANY]
    right = [ran for ran in ended if ran.exit == 0]
    return next(iter(wrong + right), None) or max(ended, key=lambda ran: ran.exit)


def at_once(*others: int, way: str = "") -> Callable[[Trial], Ran]:
    """Others, each with a clone, a folder for temporary files and a boot of its own, apply at the same time."""

    def run(trial: Trial) -> Ran:
        proxy = trial.scene.place.proxy
        proxy.trouble = Trouble(way, 4, trial.rng.uniform(0.1, 1.0)) if way else None
        made = [another_applier(trial, CAMPAIGN_MACHINE=f"machine {n}") for n in range(trial.rng.choice(others))]
        started = [trial.start("apply"), *(trial.start("apply", world=world, environ=own) for world, own in made)]
        return to_judge([trial.finish(process) for process in started])

    return run


def limited(variable: str, *values: int) -> Callable[[Trial], Ran]:
    """A limit of the process, and of git, whose locks its user has to remove where the limit ended it."""

    def run(trial: Trial) -> Ran:
        trial.on_lift(lambda: list(map(Path.unlink, (trial.world.root / ".git").rglob("*.lock"))))
        return trial.apply(world=None, **{variable: str(trial.rng.choice(values))})

    return run
