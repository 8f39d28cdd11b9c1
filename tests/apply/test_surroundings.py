"""Time zones, line endings, object formats and clocks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import ZoneHeader
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.lab.model import Lab
from hyops_gitops.log.workspace import Workspace
from tests.support import clone as clones
from tests.support.applier import MarkingWriter, Marks
from tests.support.clone import run
from tests.support.site import PRIMARY_ONLY, Site
from tests.support.world import Swap

pytestmark = pytest.mark.authority


def test_another_time_zone_changes_nothing(site: Site) -> None:
    site.change()
    earliest = datetime.now(UTC).replace(microsecond=0)
    assert site.world.cli("apply", TZ="Asia/Tokyo").exit == 0
    log = site.check()
    assert earliest <= log.head.envelope.time <= datetime.now(UTC)
    for command in (["evidence", "verify"], ["plan", "--exit-code"], ["status"]):
        for zone in ("Asia/Tokyo", "America/St_Johns"):
            assert site.world.cli(*command, TZ=zone).exit == 0
    dates = site.world.git("log", "--format=%ad", "--date=raw", "origin/evidence").splitlines()
    assert {date.split()[1] for date in dates} == {"+0000"}


def test_line_ending_conversion_does_not_reach_the_log(site: Site, tmp_path: Path) -> None:
    site.world.git("config", "core.autocrlf", "true")
    site.world.git("config", "core.safecrlf", "false")
    site.change()
    site.apply()
    assert b"\r" not in site.world.evidence("LOG.md")
    site.check()
    other = tmp_path / "converted"
    run("git", "-c", "core.autocrlf=true", "clone", "-q", "-c", "core.autocrlf=true", site.world.remote or "", other)
    ran = site.world.cli("apply", "--repo", other)
    assert (ran.exit, "nothing" in ran.out) == (0, True), ran.err
    assert site.world.cli("plan", "--commit", "HEAD", "--repo", other).exit == 0


@pytest.fixture
def wide_site(lab: Lab, zone_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site whose repositories name their objects by SHA-256."""
    with monkeypatch.context() as patch:
        patch.setitem(clones.GIT_CONFIG, "GIT_DEFAULT_HASH", "sha256")
        site = Site.make(tmp_path / "site", zone_name, lab, convergence=PRIMARY_ONLY)
    try:
        yield site
    finally:
        site.proxy.close()


def test_repositories_with_sha256_objects(wide_site: Site) -> None:
    assert len(wide_site.world.git("rev-parse", "HEAD")) == 64
    assert wide_site.apply().outcome == "applied"
    wide_site.change()
    assert wide_site.world.cli("apply").exit == 0
    assert wide_site.world.cli("evidence", "verify").exit == 0
    assert wide_site.world.cli("plan", "--exit-code").exit == 0
    wide_site.check()


# --- clocks


class At(SystemClock):
    """A clock that stands still."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def at(moment: datetime) -> Swap:
    """With that clock."""
    return lambda ports: ports.replaced(clock=At(moment))


def test_entries_of_one_second(site: Site) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=5)
    for service in ("first", "second", "third"):
        site.change(service)
        assert site.apply(swap=at(moment)).outcome == "applied"
    log = site.check()
    assert {entry.envelope.time for entry in log.entries[-6:]} == {moment.replace(microsecond=0)}


def test_a_clock_behind_the_log_signs_nothing(site: Site) -> None:
    site.change()
    log = site.verified()
    sent, head = len(site.proxy.patches), log.head.envelope.time
    with pytest.raises(Refused, match="behind the log's newest entry") as refused:
        site.apply(swap=at(head - timedelta(seconds=2)))
    assert refused.value.guard == "clock"
    assert site.verified().entries == log.entries
    assert len(site.proxy.patches) == sent
    assert site.apply(swap=at(head - timedelta(seconds=1))).outcome == "applied"
    assert {entry.envelope.time for entry in site.check().entries[-2:]} == {head}


@pytest.mark.parametrize(("ahead", "fine"), [(timedelta(days=365), False), (timedelta(seconds=100), True)])
def test_a_clock_far_from_the_apis_signs_nothing(site: Site, ahead: timedelta, *, fine: bool) -> None:
    """PowerDNS 4.7 says no Date, so one is put in its mouth."""
    site.change()
    log, sent = site.verified(), len(site.proxy.patches)

    class Dated(MarkingWriter):
        def header(self) -> ZoneHeader:
            return replace(super().header(), server_time=datetime.now(UTC))

    def swap(ports: Workspace) -> Workspace:
        def open_writer(authority: Authority) -> ZoneWriter:
            return Dated(ports.open_writer(authority), Marks({}))

        return ports.replaced(open_writer=open_writer, clock=At(datetime.now(UTC) + ahead))

    if fine:
        assert site.apply(swap=swap).outcome == "applied"
        site.check()
        return
    with pytest.raises(Refused, match="off the API's") as refused:
        site.apply(swap=swap)
    assert refused.value.guard == "clock"
    assert site.verified().entries == log.entries
    assert len(site.proxy.patches) == sent
