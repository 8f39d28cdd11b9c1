"""One kind of fault, and what all of them share."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from campaign.disk import can_mount
from campaign.second_machine import can_have_another
from campaign.trial import Trial
from hyops_gitops.lab.model import BACKENDS, Backend
from tests.support.world import Ran

ANY = frozenset({0, 3, 4, 5})  # exit codes, each where the truth allows it
ALL_BACKENDS = frozenset(BACKENDS)


@dataclass(frozen=True, slots=True)
class Need:
    """What not every machine has, and not every user may."""

    what: str
    is_met: Callable[[], bool]


DISK = Need("disks of their own: root that may mount", can_mount)
MACHINE = Need("a second machine: root that may make network namespaces, and iproute2", can_have_another)


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault."""

    run: Callable[[Trial], Ran]
    exits: frozenset[int] = ANY
    backends: frozenset[Backend] = ALL_BACKENDS
    weight: int = 1
    need: Need | None = None


def later(trial: Trial, seconds: float, action: Callable[[], None]) -> None:
    """Do something in the middle of a run; it is over before the fault is."""
    timer = threading.Timer(seconds, action)
    timer.start()
    trial.on_lift(timer.join)
