"""The primary's database is lost, and its standby promoted, as the runbook `standby-promoted` has it.

The API is at another address afterwards, and authority file and credential follow. The secondaries' databases are in
the same PostgreSQL, and follow it without being named.
"""

from collections.abc import Callable

from campaign.faults.kinds import later
from campaign.faults.on_zone import judge_before_a_loss, restored
from campaign.trial import Trial
from hyops_gitops.lab.database import stop_database
from hyops_gitops.lab.processes import is_running
from tests.support.standby import Replicated
from tests.support.world import Ran


def failed_over(moment: str) -> Callable[[Trial], Ran]:
    """Each commit waits for the standby: it has all that an apply was told of."""

    def run(trial: Trial) -> Ran:
        replicated, proxy = _replicated(trial), trial.scene.place.proxy
        replicated.synchronise()
        trial.on_lift(lambda: _promote(trial, replicated))

        def lose() -> None:
            _lose(trial, replicated)

        if moment == "before the run":
            lose()
        elif moment == "before the PATCH":
            proxy.before = lose
        elif moment == "after the PATCH":
            proxy.after = lose
        else:
            proxy.before = lambda: _lose_in_the_middle(trial, replicated)
        return trial.apply()

    return run


def failed_over_behind(trial: Trial) -> Ran:
    """Nothing reached the standby any more: what was applied last is lost, and restored or overridden."""
    scene, replicated = trial.scene, _replicated(trial)
    replicated.cut()
    ran = trial.apply()
    trial.expect(ran.exit == 0, f"apply ended with {ran.exit} before the loss")
    judge_before_a_loss(trial)
    scene.lose()
    _promote(trial, replicated)

    def override() -> None:
        scene.begin_again()
        trial.recovering = ["--override", "restored=the standby was behind"]

    trial.aid = override if trial.rng.random() < 0.5 else lambda: restored(trial)
    return trial.apply()


def _replicated(trial: Trial) -> Replicated:
    replicated = Replicated(trial.scene.place.lab)
    trial.on_end(replicated.stop_standby)
    replicated.copy_database()
    return replicated


def _lose_in_the_middle(trial: Trial, replicated: Replicated) -> None:
    """Soon, or as soon as the update waits for a row or for the standby."""
    waits = trial.rng.choice(["nothing", "a row", "the standby"])
    if waits == "a row":
        replicated.hold(trial.world.zone)
    elif waits == "the standby":
        replicated.pause_replay()

    def lose() -> None:
        if waits != "nothing":
            replicated.wait_for_update(committing=waits == "the standby")
        _lose(trial, replicated)

    later(trial, trial.rng.choice([0.0, 0.001, 0.004, 0.02]), lose)


def _lose(trial: Trial, replicated: Replicated) -> None:
    """The primary's machine, with its database."""
    place = trial.scene.place
    place.kill("primary")
    stop_database(place.lab)
    replicated.release()


def _promote(trial: Trial, replicated: Replicated) -> None:
    """Have the standby in the primary's place, and let authority file and credential follow."""
    place, world = trial.scene.place, trial.world
    if place.lab.database and is_running(place.lab.database):
        _lose(trial, replicated)
    replicated.promote_database()
    old = place.proxy.address
    place.fail_over(replicated.standby)
    world.environ["HYOPS_PRIMARY_URL"] = f"http://{place.proxy.address}"
    refused = trial.apply()
    trial.expect(refused.exit == 3, f"apply ended with {refused.exit} while file and credential differ")
    world.edit_authority(f"http://{old}", f"http://{place.proxy.address}")
    world.commit("The standby was promoted")
