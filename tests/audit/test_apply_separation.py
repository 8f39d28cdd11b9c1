"""An apply under `separation_of_duties: enforce`."""

from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.lab.model import Lab
from tests.support.world import World

pytestmark = pytest.mark.authority


def test_apply_refuses_until_somebody_else_approved(lab: Lab, zone_name: str, tmp_path: Path) -> None:
    policy: dict[str, Any] = {"separation_of_duties": "enforce", "overridable": ["separation-of-duties"]}
    world = World.make(tmp_path, zone_name, lab, **policy)
    with pytest.raises(Refused) as refused:
        world.apply()
    assert refused.value.guard == "separation-of-duties"
    assert "--override separation-of-duties=" in refused.value.hint
    assert world.apply("separation-of-duties=the first apply").outcome == "applied"
    world.contract("first", "10.0.0.2")
    world.commit("Move\n\nApproved-by: Grace <g@example.invalid>")
    assert world.apply().outcome == "applied"
