"""What happens in a history beside its faults: contracts come, move and go."""

from collections.abc import Callable, Mapping

from campaign.trial import Trial
from hyops_gitops.core.zone import RRset

_TTLS = (5, 30, 60, 300)


def _move(trial: Trial) -> None:
    service = trial.rng.choice(sorted(trial.wanted))
    trial.put(service, trial.wanted[service][0], trial.fresh())


def _move_several(trial: Trial) -> None:
    for service in sorted(trial.wanted)[:4]:
        trial.put(service, trial.wanted[service][0], trial.fresh())


def _add(trial: Trial) -> None:
    target = trial.fresh()
    trial.put(f"s{trial.number}", trial.rng.choice(_TTLS), target)


def _other_ttl(trial: Trial) -> None:
    service = trial.rng.choice(sorted(trial.wanted))
    ttl, target = trial.wanted[service]
    trial.put(service, trial.rng.choice([other for other in _TTLS if other != ttl]), target)


def _remove(trial: Trial) -> None:
    if len(trial.wanted) < 3:
        return _add(trial)
    service = trial.rng.choice(sorted(trial.wanted))
    del trial.wanted[service]
    return trial.world.delete_contract(service)


def _edit_and_move(trial: Trial) -> None:
    """Another's record changes by hand meanwhile."""
    trial.scene.edit(RRset.of(f"by-hand.{trial.world.zone}", "TXT", 60, [f'"{trial.fresh()}"']))
    _move(trial)


STEPS: Mapping[str, Callable[[Trial], None]] = {
    "move": _move,
    "move several": _move_several,
    "add": _add,
    "other TTL": _other_ttl,
    "remove": _remove,
    "edit by hand, move": _edit_and_move,
}
