"""Which part of the zone an apply reads, and what that leaves unseen."""

from dataclasses import replace

import pytest

from hyops_gitops.apply.apply import apply
from hyops_gitops.apply.look import is_as_recorded
from hyops_gitops.apply.opening import ApplyRequest
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.cli.wiring import TOOL
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import ZoneSigning
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.outside import Process
from hyops_gitops.core.zone import RRset
from hyops_gitops.log.entries import Result, ZoneDrift
from tests.support.drifts import drift, only
from tests.support.faults import Primary
from tests.support.rows import Rows
from tests.support.world import World

pytestmark = pytest.mark.authority


def read_in_full(world: World, primary: Primary | None = None) -> Receipt:
    ports = world.wiring().replaced(process=Process(TOOL, boot_id="boot", pid=1))
    request = ApplyRequest("HEAD", work_tree_matters=True, full=True)
    return apply(request, (primary or Primary()).swap(ports))


def where_searched(world: World, *names: str) -> list[str]:
    """These names; everything where the server does not search, as LMDB before 5.0."""
    return ["*"] if world.primary.rrsets_below(world.zone) is None else list(names)


@pytest.fixture
def applied(served: World) -> World:
    """Two contracts, applied; then one of them is changed and committed."""
    served.contract("other", "10.0.0.2")
    served.contract("pg", "10.0.0.9")
    served.commit()
    served.apply()
    served.contract("pg", "10.0.0.10")
    served.commit()
    return served


def test_one_change_reads_its_own_name_and_the_soa(applied: World) -> None:
    primary = Primary()
    assert applied.apply(swap=primary.swap).outcome == "applied"
    assert primary.read == where_searched(applied, applied.zone, applied.name("pg"))
    assert applied.records() == applied.wiring().at("HEAD").zone().log().observed


def test_an_apply_with_nothing_to_do_reads_the_soa(applied: World) -> None:
    applied.apply()
    primary = Primary()
    assert applied.apply(swap=primary.swap).outcome == "nothing"
    assert primary.read == where_searched(applied, applied.zone)


def test_full_reads_everything(applied: World) -> None:
    primary = Primary()
    read_in_full(applied, primary)
    assert primary.read == ["*"]


def test_a_serial_that_moved_has_everything_read(applied: World) -> None:
    applied.foreign("stranger", "TXT", '"by hand"')
    primary = Primary()
    applied.apply(swap=primary.swap)
    assert primary.read == ["*"]
    drifts = [body for body in applied.bodies() if isinstance(body, ZoneDrift)]
    assert [difference.name for body in drifts for difference in body.differences] == [applied.name("stranger")]


@pytest.mark.only_backend("gsqlite3")
def test_an_edit_of_the_database_elsewhere_is_left_to_drift(applied: World) -> None:
    assert applied.lab is not None
    name = applied.name("other")
    Rows(applied.lab).insert(applied.zone, name, "A", "10.6.6.6")
    assert applied.apply().outcome == "applied"
    assert RRset.of(name, "A", 60, ["10.0.0.2", "10.6.6.6"]) in applied.primary.rrsets()
    assert only(drift(applied, "api"), "edited").name == name
    applied.contract("pg", "10.0.0.11")
    applied.commit()
    read_in_full(applied)
    drifts = [body for body in applied.bodies() if isinstance(body, ZoneDrift)]
    assert [difference.name for body in drifts for difference in body.differences] == [name]


@pytest.mark.only_backend("gsqlite3")
def test_a_serial_set_back_hides_a_change_from_an_apply_and_not_from_drift(applied: World) -> None:
    assert applied.lab is not None
    serial = applied.serial()
    applied.foreign("stranger", "TXT", '"by hand"')
    Rows(applied.lab).set_serial(applied.zone, serial)
    primary = Primary()
    assert applied.apply(swap=primary.swap).outcome == "applied"
    assert "*" not in primary.read
    assert only(drift(applied, "api"), "foreign").name == applied.name("stranger")


@pytest.mark.only_backend("gsqlite3")
def test_an_anchor_that_is_gone_has_everything_read_whatever_the_serial(applied: World) -> None:
    assert applied.lab is not None
    Rows(applied.lab).delete(anchor_name(applied.zone))
    primary = Primary()
    with pytest.raises(Refused) as caught:
        applied.apply(swap=primary.swap)
    assert (caught.value.guard, primary.read) == ("restored", ["*"])


@pytest.mark.only_backend("gsqlite3")
def test_an_edit_of_the_database_at_the_changed_name_is_seen(applied: World) -> None:
    assert applied.lab is not None
    Rows(applied.lab).insert(applied.zone, applied.name("pg"), "A", "10.6.6.6")
    receipt = applied.apply()
    assert (receipt.outcome, receipt.exit_code) == ("refused", 3)
    assert "10.0.0.9 10.6.6.6" in receipt.reason


@pytest.mark.only_backend("gsqlite3")
def test_a_record_disabled_in_the_database_at_a_new_name_is_seen(applied: World) -> None:
    assert applied.lab is not None
    applied.contract("new", "10.0.0.3")
    applied.commit()
    Rows(applied.lab).insert(applied.zone, applied.name("new"), "A", "10.6.6.6", disabled=True)
    receipt = applied.apply()
    assert receipt.outcome == "refused"
    assert "disabled: 10.6.6.6, which a write would remove" in receipt.reason


@pytest.mark.only_backend("gsqlite3")
def test_a_second_soa_is_seen_though_no_serial_moved(applied: World) -> None:
    assert applied.lab is not None
    applied.apply()
    applied.contract("pg", "10.0.0.11")
    applied.commit()
    Rows(applied.lab).soa(applied.zone, applied.serial())
    assert applied.cli("apply").exit == 3


def test_only_a_header_as_recorded_spares_the_reading(applied: World) -> None:
    applied.apply()
    log = applied.wiring().at("HEAD").zone().log()
    header = applied.primary.header()
    assert is_as_recorded(log, header)
    hidden = ZoneSigning(rectified=True, presigned=None, default_soa_edit=None)
    for other in (
        replace(header, serial=header.serial + 1),
        replace(header, serial=header.serial - 1),
        replace(header, soa_edit_api="EPOCH"),
        replace(header, soa_edit_api="SOA-EDIT"),
        replace(header, signing=hidden),
    ):
        assert not is_as_recorded(log, other)


def test_another_writer_between_plan_and_patch_has_the_next_apply_read_everything(applied: World) -> None:
    """The serial recorded then is that of a zone which the log does not know."""

    def edit(_number: int) -> None:
        applied.foreign("stranger", "TXT", '"by hand"')

    applied.apply(swap=Primary(before=edit).swap)
    assert [body.after.serial for body in applied.bodies() if isinstance(body, Result)][-1] == applied.serial()
    applied.contract("pg", "10.0.0.11")
    applied.commit()
    primary = Primary()
    applied.apply(swap=primary.swap)
    assert primary.read == ["*"]
    assert any(isinstance(body, ZoneDrift) for body in applied.bodies())
