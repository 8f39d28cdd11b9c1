"""Faults of the secondaries."""

from collections.abc import Callable

from campaign.dns_proxy import DNS_WAYS
from campaign.faults.kinds import later
from campaign.trial import Trial
from tests.support.databases import rows
from tests.support.world import Ran


def answers(way: str) -> Callable[[Trial], Ran]:
    """What one secondary, or each, answers is changed on its way, all the time or for a while."""

    def run(trial: Trial) -> Ran:
        proxies = list(trial.scene.place.answers.values())
        for proxy in proxies if trial.rng.random() < 0.5 else proxies[:1]:
            proxy.way = DNS_WAYS[way]
            if trial.rng.random() < 0.5:
                later(trial, trial.rng.uniform(0.5, 3.0), proxy.calm)
        return trial.apply()

    return run


def secondary_down(trial: Trial) -> Ran:
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    trial.scene.place.kill(name)
    if trial.rng.random() < 0.5:
        later(trial, trial.rng.uniform(0.2, 2.0), lambda: trial.scene.place.start(name))
    return trial.apply()


def secondary_paused(trial: Trial) -> Ran:
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    place = trial.scene.place
    place.pause(name)
    if trial.rng.random() < 0.5:
        later(trial, trial.rng.uniform(0.2, 2.0), lambda: place.resume(place.server(name)))
    return trial.apply()


def secondary_stale(trial: Trial) -> Ran:
    """It knows of no primary."""
    numbers = range(len(trial.scene.secondaries))
    number = trial.rng.choice(numbers)
    lab = trial.scene.place.lab
    trial.world.put_zone({"masters": ["127.9.9.9:1"]}, secondary=number)
    trial.on_lift(lambda: trial.world.put_zone({"masters": [str(lab.primary.dns)]}, secondary=number))
    return trial.apply()


def secondary_edited(trial: Trial) -> Ran:
    """A record of ours has another value in a secondary's database."""
    lab, service = trial.scene.place.lab, trial.rng.choice(sorted(trial.wanted))
    name = trial.rng.choice(sorted(trial.scene.secondaries))
    edit = f"UPDATE records SET content = '10.255.0.1' WHERE name = '{trial.world.name(service)}' AND type = 'A'"  # noqa: S608
    rows(lab, edit, server=name)
    return trial.apply()
