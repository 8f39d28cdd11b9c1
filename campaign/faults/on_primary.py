"""Faults of the primary, of the way to its API, and by its other writers."""

from collections.abc import Callable

from campaign.faults.kinds import later
from campaign.proxy import Trouble
from campaign.trial import Trial
from hyops_gitops.core.zone import RRset
from tests.support.world import Ran


def api_trouble(way: str) -> Callable[[Trial], Ran]:
    """Something wrong with one PATCH, or several."""

    def run(trial: Trial) -> Ran:
        trial.scene.place.proxy.trouble = Trouble(way, trial.rng.choice([1, 1, 2]), trial.rng.uniform(0.1, 1.0))
        return trial.apply()

    return run


def api_down(trial: Trial) -> Ran:
    trial.scene.place.proxy.down = True
    return trial.apply()


def other_key(trial: Trial) -> Ran:
    return trial.apply(POWERDNS_API_KEY="0" * 32)


def rotated_key(trial: Trial) -> Ran:
    """The API gets another key while the program has the old one."""
    place = trial.scene.place
    old, new = place.lab.api_key, f"{trial.rng.getrandbits(128):032x}"

    def rotate() -> None:
        trial.on_lift(lambda: place.set_key(old))
        place.set_key(new)

    trial.scene.place.proxy.before = rotate
    return trial.apply()


def primary_fails(what: str, moment: str) -> Callable[[Trial], Ran]:
    """The primary's process is killed or paused around a PATCH, and is back some time later."""

    def run(trial: Trial) -> Ran:
        place = trial.scene.place
        back_s = trial.rng.choice([0.3, 1.5, 6.0])

        def fail() -> None:
            if what == "killed":
                place.kill("primary")
            else:
                place.pause("primary")
            later(trial, back_s, back)

        def back() -> None:
            place.resume(place.lab.primary)
            place.start("primary")

        def soon() -> None:
            later(trial, trial.rng.choice([0.0, 0.001, 0.004]), fail)

        if moment == "after":
            place.proxy.after = fail
        else:
            place.proxy.before = fail if moment == "before" else soon
        return trial.apply()

    return run


# --- other writers


def foreign_write(trial: Trial) -> Ran:
    """Another writer's record, just before the PATCH."""
    name = f"foreign{trial.number}.{trial.world.zone}"
    record = RRset.of(name, "TXT", 60, [f'"{trial.fresh()}"'])
    trial.scene.place.proxy.before = lambda: trial.scene.edit(record)
    return trial.apply()


def serial_moved(trial: Trial) -> Ran:
    """Another writer's serial, far ahead, just before the PATCH or the run."""

    def move() -> None:
        soa = next(one for one in trial.scene.api.rrsets_at([trial.world.zone]) if one.type == "SOA")
        fields = soa.rdata[0].split(" ")
        fields[2] = str(int(fields[2]) + trial.rng.randrange(2, 1000))
        trial.scene.edit(RRset.of(soa.name, "SOA", soa.ttl, [" ".join(fields)]))

    if trial.rng.random() < 0.5:
        move()
    else:
        trial.scene.place.proxy.before = move
    return trial.apply()
