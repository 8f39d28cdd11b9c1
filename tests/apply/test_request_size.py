"""Guard `request-size`: an apply is one request, checked before anything is signed against what the server takes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.core.errors import Exit, Refused
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.log.entries import Result
from tests.support.checkups import checkup_of
from tests.support.databases import require
from tests.support.world import World

pytestmark = pytest.mark.authority
MANY = 250  # of 64 addresses each: more than 1 MiB as one request, less than 2


def big_tree(world: World) -> None:
    """More than fits into 1 MiB, committed."""
    for number in range(MANY):
        world.contract(f"big{number}", *(f"fd00:1111:2222:3333:4444:5555:{number:x}:{last:x}" for last in range(1, 65)))
    world.commit("Many addresses")


def allow(world: World, mib: int) -> None:
    """Set primary.max_body_mib, in a commit of its own."""
    fields = [line for line in world.read(world.authority_path).splitlines() if line.startswith("primary: ")]
    primary = json.loads(fields[0].removeprefix("primary: "))
    world.edit_authority(fields[0], f"primary: {json.dumps({**primary, 'max_body_mib': mib})}")
    world.commit(f"Allow {mib} MiB")


def test_what_does_not_fit_is_refused_unsigned_and_fits_once_both_settings_say_so(served: World) -> None:
    allow(served, 1)
    served.apply()
    big_tree(served)
    with served.nothing_written(), pytest.raises(Refused) as caught:
        served.apply("max-change-percent=all new", "max-replaces=all new")
    assert (caught.value.guard, caught.value.exit_code) == ("request-size", Exit.REFUSED)
    assert "webserver-max-bodysize=2" in caught.value.hint
    assert "primary.max_body_mib: 2" in caught.value.hint
    allow(served, 2)
    assert served.apply("mixed-commit=one run for both").outcome == "applied"
    assert len(served.at(f"big{MANY - 1}")["AAAA"][1]) == 64
    assert served.types().count("intent") == 2


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[World]:
    """A server that takes less than the authority file says."""
    require("gsqlite3")
    settings = {"webserver-max-bodysize": "1"}
    lab = start_lab(tmp_path / "lab", zone="lab.internal", settings=settings)
    try:
        yield World.make(tmp_path / "world", "lab.internal", lab)
    finally:
        stop_lab(lab)


def test_a_server_that_takes_less_than_agreed_is_named_by_doctor_and_by_the_result(tight: World) -> None:
    (check,) = [check for check in checkup_of(tight).checks if check.id == "request-size"]
    assert (check.state, check.seen) == ("fail", "primary.max_body_mib is 2, but the server takes 1 MiB at most")
    big_tree(tight)
    receipt = tight.apply()
    assert receipt.outcome == "failed"
    (result,) = [body for body in tight.bodies() if isinstance(body, Result)]
    assert "too big" in result.reason
    assert "primary.max_body_mib allows 2097152" in result.reason
