"""One team: merges its changes into main one by one, and applies the newest main after each. A process of its own."""

import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hyops_gitops.apply.apply import apply
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.events import Event
from tests.support.world import World

_TRIES = 200


def main(arguments: Sequence[str]) -> None:
    """Every change merged and applied: CLONE ZONE TEAM CHANGES."""
    clone, zone, team, changes = arguments
    random.seed(team)
    world = World(Path(clone), zone, dict(os.environ), None, Path(), Path())
    for number in range(int(changes)):
        world.contract(f"t{team}-{number}", f"10.{team}.0.{number + 1}")
        world.git("add", "-A")
        world.git("commit", "-q", "-m", f"Change {number} of team {team}")
        _merge(world)
        _apply(world)


def _merge(world: World) -> None:
    for _ in range(_TRIES):
        world.git("pull", "-q", "--rebase", "origin", "main")
        pushed = subprocess.run(
            ["git", "-C", world.root, "push", "-q", "origin", "HEAD:main"], capture_output=True, check=False
        )
        if pushed.returncode == 0:
            return
    raise AssertionError("main could not be pushed")


def _apply(world: World) -> None:
    """Apply what main is now; again when somebody else applied a newer main meanwhile."""
    for _ in range(_TRIES):
        request = ApplyRequest("HEAD", work_tree_matters=True)
        try:
            receipt = apply(request, LocalWorkspace(world.root, on_event=_say))
        except Refused as error:
            if error.guard != "history":
                raise
            world.git("pull", "-q", "--rebase", "origin", "main")
            continue
        if receipt.outcome in ("applied", "nothing"):
            return
        _say(receipt.reason)
    raise AssertionError("not applied")


def _say(event: Event | str) -> None:
    sys.stderr.write(f"{event}\n")
