"""Faults of the process that applies: ended, stopped, overtaken, limited, one of several."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from campaign.faults.kinds import ANY
from campaign.proxy import Trouble
from campaign.trial import Trial
from tests.support.applier import MARKS
from tests.support.world import Ran

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
    sleeper = trial.start("apply", environ={"RECOVERY_AT": mark, "RECOVERY_SIGNAL": "SIGSTOP"})
    stat = Path(f"/proc/{sleeper.pid}/stat")
    while sleeper.poll() is None and stat.read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)
    newest = trial.scene.log()[-1]
    ran = trial.apply(*(["--recover", str(newest.seq)] if newest.outcome == "open" else []))
    if sleeper.poll() is None:
        sleeper.send_signal(signal.SIGCONT)
    woken = trial.finish(sleeper)
    return ran if woken.exit in ANY else woken


def at_once(*others: int, way: str = "") -> Callable[[Trial], Ran]:
    """Others, each with a clone, a folder for temporary files and a boot of its own, apply at the same time."""

    def run(trial: Trial) -> Ran:
        proxy = trial.scene.place.proxy
        proxy.trouble = Trouble(way, 4, trial.rng.uniform(0.1, 1.0)) if way else None
        started = [trial.start("apply")]
        for number in range(trial.rng.choice(others)):
            folder = trial.scene.directory / f"machine-{trial.number}-{number}-{time.monotonic_ns()}"
            (folder / "tmp").mkdir(parents=True)
            environ = {"TMPDIR": str(folder / "tmp"), "CAMPAIGN_MACHINE": folder.name}
            started.append(trial.start("apply", world=trial.world.clone(folder / "clone"), environ=environ))
        ended = [trial.finish(process) for process in started]
        return max(ended, key=lambda ran: ran.exit)

    return run


def limited(variable: str, *values: int) -> Callable[[Trial], Ran]:
    """A limit of the process, and of git, whose locks its user has to remove where the limit ended it."""

    def run(trial: Trial) -> Ran:
        trial.on_lift(lambda: list(map(Path.unlink, (trial.world.root / ".git").rglob("*.lock"))))
        return trial.apply(world=None, **{variable: str(trial.rng.choice(values))})

    return run
