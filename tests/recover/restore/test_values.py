"""Serials, and the zone that comes back, without any server."""

import pytest

from hyops_gitops.core.serials import is_newer, newest_serial, serial_above
from hyops_gitops.core.zone import RRset, Zone, soa_serial
from hyops_gitops.recover.restore_write import soa_with

TOP = 2**32 - 1
ZONE = Zone.of("z.internal", [RRset.of("z.internal", "NS", 60, ["ns7.z.internal."])])


@pytest.mark.parametrize(
    ("serials", "expected"), [([], 1), ([5, 3], 6), ([TOP], 1), ([TOP - 1, 2], 3), ([2, TOP], 3), ([0], 1)]
)
def test_the_serial_is_above_all_that_are_known(serials: list[int], expected: int) -> None:
    above = serial_above(serials, some_unknown=False)

    assert above == expected
    assert all(is_newer(above, one) for one in serials)


def test_what_is_not_known_is_outrun_by_far() -> None:
    assert serial_above([5], some_unknown=True) > 1000


def test_the_newest_goes_round_with_the_number_space() -> None:
    assert newest_serial([TOP, 3, TOP - 5]) == 3
    assert newest_serial([]) is None


def test_an_soa_keeps_all_but_its_serial() -> None:
    known = RRset.of("z.internal", "SOA", 77, ["ns1.z.internal. admin.z.internal. 9 1 2 3 4"])

    assert soa_with(12, [known], ZONE) == RRset.of(
        "z.internal", "SOA", 77, ["ns1.z.internal. admin.z.internal. 12 1 2 3 4"]
    )
    assert soa_serial(known) == 9


def test_what_is_no_serial_is_none() -> None:
    for serial in ("-1", "nine", "9" * 5000):
        assert (
            soa_serial(RRset.of("z.internal", "SOA", 77, [f"ns1.z.internal. admin.z.internal. {serial} 1 2 3 4"]))
            is None
        )


def test_where_nobody_has_one_it_is_made_of_the_name_servers() -> None:
    assert soa_with(1, [], ZONE).rdata[0].startswith("ns7.z.internal. hostmaster.z.internal. 1 ")
    damaged = RRset.of("z.internal", "SOA", 60, [r"\# 2 abcd"])
    assert soa_with(1, [damaged], ZONE) == soa_with(1, [], ZONE)
