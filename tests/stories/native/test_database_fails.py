"""A real database that is read-only for a while, or goes away: exit codes, words, and how it goes on afterwards."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.core.errors import OutsideFailure, Unconfirmed
from hyops_gitops.lab import processes
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab
from tests.stories.native.conftest import native_authority, on_each_database
from tests.support.databases import require, rows
from tests.support.faults import FakeClock
from tests.support.world import World

pytestmark = [pytest.mark.authority, on_each_database]
READ_ONLY = {
    "gpgsql": ("ALTER ROLE pdns SET default_transaction_read_only = on", "ALTER ROLE pdns RESET ALL"),
    "gmysql": ("SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF"),
}


@contextlib.contextmanager
def read_only(lab: Lab) -> Iterator[None]:
    """As a standby is that was promoted too late, or not at all."""
    on, off = READ_ONLY[lab.backend]
    rows(lab, on)
    try:
        yield
    finally:
        rows(lab, off)


def test_a_read_only_database_is_told_as_one_and_settled_when_it_writes_again(native_lab: Lab, world: World) -> None:
    assert world.apply().outcome == "applied"
    world.contract("first", "10.0.0.2")
    world.commit()
    with read_only(native_lab), pytest.raises(Unconfirmed) as caught:
        world.apply(swap=FakeClock().swap)
    # The PATCH was sent and answered with 500: nobody but the claim can tell, and it cannot be written either.
    assert (caught.value.exit_code, caught.value.code) == (5, "outcome-unknown")
    told = ("as a rule because its database did", "its database is read-only")  # 4.7; where the reply has the words
    assert any(
        f"failed (500){sep}{words}" in caught.value.message for sep, words in zip((", ", ": "), told, strict=True)
    )
    assert world.apply(recover=world.entries()[-1].seq).outcome == "applied"
    assert world.at("first") == {"A": (60, ("10.0.0.2",))}
    types = world.types()
    assert types.count("intent") == types.count("result")
    assert world.cli("audit", "--offline").exit == 0


def test_a_database_that_is_gone_changes_nothing(
    request: pytest.FixtureRequest, native_lab: Lab, tmp_path: Path
) -> None:
    require(native_lab.backend)
    lab = start_lab(tmp_path / "lab", zone="lab.internal", backend=native_lab.backend, authority=native_authority())
    request.addfinalizer(lambda: stop_lab(lab))
    world = World.make(tmp_path / "world", "lab.internal", lab, replication="native")
    assert world.apply().outcome == "applied"
    world.contract("first", "10.0.0.2")
    world.commit()
    assert lab.database is not None
    processes.stop([lab.database])
    before = world.evidence_head()
    with pytest.raises(OutsideFailure) as caught:
        world.apply()
    assert caught.value.exit_code == 4
    assert "database" in f"{caught.value.message} {caught.value.hint}"
    assert world.evidence_head() == before
    ran = world.cli("apply")
    assert (ran.exit, "database" in ran.err) == (4, True)
