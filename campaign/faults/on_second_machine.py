"""Faults of two machines that apply: both at once, and the link between them cut.

The servers are on the first; for the second too, the remote is a folder.
"""

from collections.abc import Callable

from campaign.faults.kinds import later
from campaign.faults.on_applier import another_applier, go_on, stopped_at, to_judge
from campaign.second_machine import SecondMachine
from campaign.trial import Trial
from tests.support.world import Ran, World

_WAITING = 0.1  # of the intents left open there: nothing but time says here that their writer is gone
_MARKS = ("intent-pushed", "patching", "patched", "proving", "result-signing")


def at_once(*counts: int, parted: bool = False) -> Callable[[Trial], Ran]:
    """Half of the appliers on each machine; in the middle no packet passes between them for some time."""

    def run(trial: Trial) -> Ran:
        numbers = range(1, trial.rng.choice(counts))
        made = [_over_there(trial) if number % 2 else another_applier(trial) for number in numbers]
        started = [trial.start("apply"), *(trial.start("apply", world=world, environ=own) for world, own in made)]
        if parted:
            cut_at = trial.rng.uniform(0.0, 1.2)
            later(trial, cut_at, _machine(trial).cut)
            later(trial, cut_at + trial.rng.uniform(0.2, 8.0), _machine(trial).join)
        return to_judge([trial.finish(process) for process in started])

    return run


def parted_before_the_run(trial: Trial) -> Ran:
    world, environ = _over_there(trial)
    _machine(trial).cut()
    return trial.apply(world=world, **environ)


def parted(moment: str) -> Callable[[Trial], Ran]:
    """Before the PATCH is sent, while it is on its way, or when its reply has come; often for a few seconds only."""

    def run(trial: Trial) -> Ran:
        machine = _machine(trial)
        world, environ = _over_there(trial)
        if moment == "during":
            trial.scene.place.proxy.before = machine.cut
            applier = trial.start("apply", world=world, environ=environ)
        else:
            applier = stopped_at("patching" if moment == "before" else "patched", trial, world, environ)
            machine.cut()
            go_on(applier)
        if trial.rng.random() < 0.5:
            later(trial, trial.rng.uniform(0.5, 8.0), machine.join)
        ran = trial.finish(applier)
        newest = trial.scene.log()[-1]
        if newest.outcome == "open" and trial.rng.random() >= _WAITING:
            trial.recovering = ["--recover", str(newest.seq)]
        return ran

    return run


def parted_and_overtaken(trial: Trial) -> Ran:
    """Its intent is settled here by an operator's word, and whatever it has sent arrives when the link is back."""
    world, environ = _over_there(trial)
    applier = stopped_at(trial.rng.choice(_MARKS), trial, world, environ)
    newest = trial.scene.log()[-1]
    _machine(trial).cut()
    go_on(applier)
    ran = trial.apply(*(["--recover", str(newest.seq)] if newest.outcome == "open" else []))
    _machine(trial).join()
    return to_judge([ran, trial.finish(applier)])


def _machine(trial: Trial) -> SecondMachine:
    machine = trial.scene.place.second_machine
    if machine is None:
        raise RuntimeError("no second machine")
    return machine


def _over_there(trial: Trial) -> tuple[World, dict[str, str]]:
    """A clone, and the environment of an applier there."""
    return another_applier(trial, CAMPAIGN_MACHINE="the second", CAMPAIGN_NETWORK=_machine(trial).path)
