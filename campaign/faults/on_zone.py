"""The primary loses the zone, or comes back with an old one, and the zone is restored from the log.

What happens to the zone meanwhile is judged by its end alone: the witness begins again with what was restored.
"""

from collections.abc import Callable

from campaign.trial import Trial
from campaign.witness.zone import digest_of
from hyops_gitops.core.zone import Zone, soa_serial
from tests.support.lived import Lived
from tests.support.world import Ran

RESTORE = ("restore", "--yes")
_MARKS = ("intent-signing", "intent-pushed", "patching", "patched", "proving", "result-signing", "result-pushing")


def deleted(moment: str) -> Callable[[Trial], Ran]:
    """The zone is gone, before the run or before its PATCH."""

    def run(trial: Trial) -> Ran:
        def lose() -> None:
            judge_before_a_loss(trial)
            trial.scene.lose()
            _lived(trial).lose_zone()

        trial.aid = lambda: restored(trial)
        if moment == "before the PATCH":
            trial.scene.place.proxy.before = lose
        else:
            lose()
        return trial.apply()

    return run


def old_dump(trial: Trial) -> Ran:
    """The zone is as it was some runs ago, its markers and its serial too; after a single run it is gone."""
    if len(trial.dumps) < 2:
        return deleted("before the run")(trial)
    dump = trial.rng.choice(trial.dumps[:-1])
    serial = next(soa_serial(rrset) or 0 for rrset in dump if rrset.type == "SOA")
    judge_before_a_loss(trial)
    trial.scene.lose()
    _lived(trial).load(dump, serial)
    trial.aid = lambda: restored(trial)
    return trial.apply()


def _lived(trial: Trial) -> Lived:
    return Lived(trial.world, (), Zone.of(trial.world.zone, ()))


def judge_before_a_loss(trial: Trial) -> None:
    """What came before the loss."""
    for fault in trial.scene.faults():
        trial.problems.append(f"{fault.kind}: {fault.text}")


def restored(trial: Trial) -> None:
    """Restore, in some runs with a process that is killed first; the zone is then what the log says."""
    scene = trial.scene
    if not scene.lost:
        return  # the run sent nothing: the zone was not lost
    if trial.rng.random() < 0.5:
        trial.run(*RESTORE, world=None, RECOVERY_AT=trial.rng.choice(_MARKS))
    newest = scene.log()[-1]
    ran = trial.run(*RESTORE, *(("--recover", str(newest.seq)) if newest.outcome == "open" else ()))
    trial.expect(ran.exit == 0, f"restore ended with {ran.exit}")
    scene.begin_again()
    applied = [outcome for outcome in scene.log() if outcome.outcome == "applied"]
    trial.expect(digest_of(scene.version()) == applied[-1].after, "the restored zone is not the one that the log says")
