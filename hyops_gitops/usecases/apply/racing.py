"""Starting again after somebody else wrote to the same record first: so often and no oftener, and not all at once."""

from collections.abc import Callable
from typing import TypeVar

from hyops_gitops.core.apply.events import Warned
from hyops_gitops.core.errors import Refused
from hyops_gitops.usecases.apply.ports import ApplyPorts

_RACES = 40  # how often to start again; each time, at least, one of the others went on
_PAUSE_S = 0.5  # never longer: who has lost often must not come later for it
_Outcome = TypeVar("_Outcome")


def starting_again(attempt: Callable[[], _Outcome], ports: ApplyPorts) -> _Outcome:
    """What an attempt comes to that nobody got ahead of; each starts from reading the record.

    Raises:
        Refused: guard `race`: somebody else was first each time.
    """
    for left in range(_RACES - 1, -1, -1):
        try:
            return attempt()
        except Refused as error:
            if error.guard != "race" or left == 0:
                raise
            ports.on_event(Warned("another run wrote to the log first; starting again"))
            ports.clock.sleep(_PAUSE_S * (0.5 + ports.jitter()))
    raise AssertionError("unreachable: the last attempt returns or raises")
