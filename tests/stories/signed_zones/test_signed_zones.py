"""Signed zones, seen by a validating resolver: what it refuses is refused before it is written."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.lab.model import Lab
from tests.stories.signed_zones.conftest import Signed, Validating, sign
from tests.support.checkups import wrong

pytestmark = [
    pytest.mark.authority,
    pytest.mark.skipif(shutil.which("pdns_recursor", path="/usr/sbin:/usr/bin") is None, reason="no pdns_recursor"),
]
# What makes and orders the records of denial is the storage's own; what is refused for them is one code.
on_each_storage = pytest.mark.parametrize("signing_lab", ["gsqlite3", "lmdb"], indirect=True, scope="module")
NSEC3 = {"nsec3param": "1 0 0 -"}
NARROW = {"nsec3param": "1 0 0 -", "nsec3narrow": True}
_numbers = itertools.count(1)
Make = Callable[..., Signed]


@pytest.fixture
def make(signing_lab: Lab, tmp_path: Path) -> Make:
    """`make(**settings)`: a signed zone of its own."""

    def made(**fields: object) -> Signed:
        return sign(signing_lab, tmp_path / "world", f"signed{next(_numbers)}.internal", **fields)

    return made


@pytest.fixture
def validating(tmp_path: Path) -> Iterator[Callable[[Signed], Validating]]:
    """`validating(zone)`: a resolver that has asked nothing yet."""
    running: list[Validating] = []

    def start(zone: Signed) -> Validating:
        folder = tmp_path / f"resolver{len(running)}"
        folder.mkdir()
        running.append(Validating(folder, zone))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def refusal(zone: Signed) -> Refused:
    """Why an apply writes nothing."""
    with zone.world.nothing_written(), pytest.raises(Refused) as caught:
        zone.world.apply()
    assert (caught.value.guard, caught.value.exit_code) == ("signed-zone", 3)
    return caught.value


def seen_by(resolver: Validating, zone: Signed) -> list[tuple[str, bool]]:
    """What it answers for a new name's address, for the address that it does not have, and for the name above it."""
    new, above = zone.world.name("by-hand"), f"prod.{zone.world.zone}"
    return [resolver.asked(new), resolver.asked(new, "AAAA"), resolver.asked(above)]


SECURE = [("NOERROR", True)] * 3


@on_each_storage
@pytest.mark.parametrize("settings", [{}, NSEC3], ids=["nsec", "nsec3"])
def test_a_new_name_of_a_zone_that_is_rectified_is_secure(
    make: Make, validating: Callable[[Signed], Validating], settings: dict[str, object]
) -> None:
    zone = make(**settings)
    assert zone.world.apply().exit_code == 0
    zone.world.foreign("by-hand", "A", "10.0.0.9")
    resolver = validating(zone)
    assert seen_by(resolver, zone) == SECURE
    assert resolver.asked(zone.world.name("first")) == ("NOERROR", True)


@on_each_storage
@pytest.mark.parametrize(
    ("settings", "without_address"),
    [({}, "SERVFAIL"), (NSEC3, "SERVFAIL"), (NARROW, "NOERROR")],
    ids=["nsec", "nsec3", "narrow"],
)
def test_a_zone_that_is_not_rectified_is_refused_for_what_resolvers_make_of_it(
    make: Make, validating: Callable[[Signed], Validating], settings: dict[str, object], without_address: str
) -> None:
    zone = make(api_rectify=False, **settings)
    zone.world.foreign("by-hand", "A", "10.0.0.9")
    _, address, above = seen_by(validating(zone), zone)
    assert address[0] == without_address
    assert above[0] in ("NXDOMAIN", "SERVFAIL")  # denied, and so may be what is below it (RFC 8020); or not believed
    error = refusal(zone)
    assert zone.world.zone in error.hint


def test_the_remedy_of_a_zone_that_is_not_rectified_works(
    make: Make, validating: Callable[[Signed], Validating]
) -> None:
    zone = make(api_rectify=False, **NSEC3)
    error = refusal(zone)
    assert f"pdnsutil set-meta {zone.world.zone} API-RECTIFY 1" in error.hint
    zone.put({"api_rectify": True})
    zone.pdnsutil("rectify-zone", zone.world.zone)
    assert zone.world.apply().exit_code == 0
    zone.world.foreign("by-hand", "A", "10.0.0.9")
    assert seen_by(validating(zone), zone) == SECURE


def test_a_presigned_zone_is_refused_for_what_is_written_has_no_signature(
    make: Make, validating: Callable[[Signed], Validating]
) -> None:
    zone = make()
    zone.pdnsutil("set-presigned", zone.world.zone)
    zone.world.foreign("by-hand", "A", "10.0.0.9")
    assert validating(zone).asked(zone.world.name("by-hand")) == ("SERVFAIL", False)
    error = refusal(zone)
    assert "is presigned" in error.message


def test_narrow_nsec3_is_refused_where_secondaries_transfer(make: Make) -> None:
    zone = make(**NARROW)
    error = refusal(zone)
    assert "does not transfer" in error.message


def test_doctor_names_every_state(make: Make, validating: Callable[[Signed], Validating]) -> None:
    zone = make(soa_edit="INCEPTION-INCREMENT", soa_edit_api="DEFAULT")
    zone.world.apply()
    assert "signed-zone" not in wrong(zone.world)
    zone.put({"soa_edit": "NONE"})
    assert "expire two weeks after" in wrong(zone.world)["signed-zone"].seen
    zone.put({"api_rectify": False})
    assert "not rectified" in wrong(zone.world)["signed-zone"].seen
    zone.put({"api_rectify": True})
    zone.deactivate_keys()
    found = wrong(zone.world)["signed-zone"]
    assert found.state == "unknown"
    assert "none of them active" in found.seen
    assert validating(zone).asked(zone.world.name("first")) == ("SERVFAIL", False)
