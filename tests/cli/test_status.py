"""`status`, on a lab with a resolver that caches: what is intended, recorded and answered."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.host.machine import SystemClock
from hyops_gitops.adapters.powerdns.zone_api import PowerDnsTransferRequester
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, served_serial, wait_until
from hyops_gitops.observe import find_status
from hyops_gitops.observe.find_status import look
from hyops_gitops.observe.status import Status
from hyops_gitops.observe.text import status_text
from tests.support.world import World

pytestmark = pytest.mark.authority


def applied(lab: Lab, zone: str, directory: Path, *, ttl: int = 60) -> World:
    """A world with `first.prod` applied, and asked for at the resolver."""
    create_zone(lab, zone)
    world = World.make(directory, zone, lab)
    world.contract("first", "10.0.0.1", ttl=ttl)
    world.commit("First")
    world.foreign(
        "first", "A", "10.0.0.1", ttl=ttl
    )  # adopted: an apply that creates it makes the resolver remember nothing
    world.primary.notify()
    question, secondary = Question(world.name("first"), "A"), lab.secondaries[0].dns

    def arrived() -> bool:
        answers = PlainDnsClient().ask(secondary, [question], recursion_desired=False, timeout_s=5)
        return bool(answers[question].rrsets)

    wait_until(arrived, 20, "the secondary")
    world.apply(watch=False)
    assert status(world).agrees
    return world


@pytest.fixture(scope="module")
def settled(service_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One whose zone no test changes for good."""
    directory = tmp_path_factory.mktemp("settled")  # a number in it: pytest may make this twice in one lab
    return applied(service_lab, f"{directory.name}.internal", directory / "world", ttl=3600)  # the resolver asks once


@pytest.fixture
def world(settled: World, tmp_path: Path) -> World:
    """A clone of it, to commit in without pushing."""
    return replace(settled.clone(tmp_path / "clone"), remote=None)


def put(world: World, rrset: RRset) -> None:
    """Edit the primary, and the secondary too: whether it takes an edit by itself, and when, nobody can say."""
    lab = world.lab
    assert lab is not None
    world.primary.patch([], [rrset])
    secondary = lab.secondaries[0]
    PowerDnsTransferRequester(secondary.api_url, "localhost", world.zone, lab.api_key).refresh()
    wait_until(
        lambda: served_serial(secondary, world.zone) == served_serial(lab.primary, world.zone), 20, "the transfer"
    )


def status(world: World, name: str | None = None, *, later: timedelta = timedelta()) -> Status:
    """What status finds, now or on a later day."""
    return look(name, world.wiring().replaced(clock=_Later(later)))


@dataclass(frozen=True)
class _Later(SystemClock):
    by: timedelta

    def now(self) -> datetime:
        return super().now() + self.by


def verdicts(found: Status, name: str) -> list[str]:
    (one,) = [one for one in found.names if one.name == name]
    return [answer.verdict for answer in one.answers]


def test_a_move_is_shown_from_all_sides_while_the_resolver_still_caches(service_lab: Lab, tmp_path: Path) -> None:
    world = applied(service_lab, "moving.internal", tmp_path)
    assert service_lab.resolver is not None
    questions = [Question(world.name("second"), "A"), Question(world.name("second"), "AAAA")]
    PlainDnsClient().ask(service_lab.resolver.dns, questions, recursion_desired=True, timeout_s=5)
    world.contract("second", "10.0.0.2", "fd00::2")
    world.contract("first", "10.0.0.9", ttl=600)
    world.commit("Move first")
    found = status(world, "first.prod")
    assert [one.recorded_differs for one in found.names] == [True]
    assert verdicts(found, world.name("first")) == ["differs"] * 3
    assert found.exit_code == 1  # merged, not applied

    world.apply(watch=False)
    document = world.cli("status", "first", "--format", "json")
    assert document.exit == 0
    (name,) = _list(document.document()["names"])
    assert (name["intended"], name["recorded"], name["ttl"]) == (
        ["10.0.0.9"],
        ["10.0.0.9"],
        {"intended": 600, "recorded": 600},
    )
    commit = world.git("rev-parse", "HEAD")
    assert (name["since"]["seq"], [one["commit"] for one in name["since"]["changes"]]) == (name["since_seq"], [commit])
    assert [one["author"] for one in name["since"]["changes"]] == ["Tester"]
    primary, secondary, resolver = name["answers"]
    assert (primary["verdict"], primary["rdata"], primary["ttl"]) == ("as intended", ["10.0.0.9"], 600)
    assert (secondary["verdict"], secondary["name"]) == ("as intended", "secondary1")
    assert (resolver["verdict"], resolver["rdata"]) == ("caching", ["10.0.0.1"])
    assert 0 < resolver["left_s"] <= 60  # the TTL it had
    assert resolver["left_s"] == resolver["ttl"]
    assert "still cached, for" in world.cli("status", "first.prod").out

    # That there was nothing is cached too, for the SOA's minimum from the last server's change on.
    second = next(one for one in status(world).names if one.name == world.name("second")).answers[2]
    assert (second.verdict, second.records) == ("caching", ())
    assert second.left_s is not None
    assert 0 < second.left_s <= 310

    late = status(world, later=timedelta(hours=1))
    assert late.exit_code == 1
    assert [one.answers[2].verdict for one in late.names] == ["differs", "differs"]
    assert late.names[0].answers[2].note == "longer than the TTL of any earlier answer"


def test_an_edit_by_hand_differs_and_so_does_a_ttl(world: World) -> None:
    try:
        world.foreign("first", "A", "10.9.9.9")
        found = status(world)
        assert verdicts(found, world.name("first"))[0] == "differs"
        assert found.exit_code == 1
        world.foreign("first", "A", "10.0.0.1", ttl=7)
        first = status(world).names[0].answers[0]
    finally:
        put(world, RRset.of(world.name("first"), "A", 3600, ["10.0.0.1"]))
    assert (first.verdict, first.note, first.records[0].ttl) == ("differs", "only the TTL differs", 7)


def test_a_required_server_that_is_silent_is_no_agreement_and_another_only_unseen(world: World, tmp_path: Path) -> None:
    lab = world.lab
    assert lab is not None
    assert lab.resolver is not None
    lost = tmp_path / "lost.yaml"
    text = world.read(world.authority_path)
    lost.write_text(text.replace(str(lab.secondaries[0].dns), "127.0.0.1:1"))
    ran = world.cli("status", "--authority", lost, "--format", "json")
    assert ran.exit == 4
    assert ran.document()["agrees"] is False
    assert [one["answers"] for one in _list(ran.document()["servers"])] == [True, False, True]
    lost.write_text(text.replace(str(lab.resolver.dns), "127.0.0.1:1"))
    ran = world.cli("status", "--authority", lost, "--format", "json")
    assert (ran.exit, ran.document()["agrees"]) == (0, True)
    (unseen,) = _list(ran.document()["unseen"])
    assert unseen == "resolver clients (127.0.0.1:1), which policy.convergence does not require: it did not answer"


def test_the_anchors_are_read_and_break_glass_is_a_warning(world: World, settled: World) -> None:
    seq = settled.types().index("intent") + 1
    assert [one.anchor_seq for one in status(world).servers] == [seq, seq, None]
    (anchor,) = [one for one in world.primary.rrsets() if one.name == anchor_name(world.zone)]
    try:
        put(world, Anchor(2, "a" * 64, "0123456789ab").rrset(world.zone))
        found = status(world)
    finally:
        put(world, anchor)
    assert [one.break_glass for one in found.servers] == ["0123456789ab", "0123456789ab", None]
    (warning,) = found.warnings
    assert warning.startswith("break-glass segment 0123456789ab is not reconciled with the log; seen on primary")
    assert found.exit_code == 0, found.to_json()  # every name is as intended


def test_a_clone_without_the_log_still_shows_what_dns_says(world: World) -> None:
    evidence = world.git("rev-parse", "refs/remotes/origin/evidence")
    world.git("update-ref", "-d", "refs/remotes/origin/evidence")
    found = status(world)
    assert (found.exit_code, found.names[0].recorded) == (0, None)
    assert "git fetch origin evidence" in " ".join(found.unseen)
    before = world.git("rev-parse", f"{evidence}^")
    world.git("update-ref", "refs/remotes/origin/evidence", before)
    another = world.git("commit-tree", f"{before}^{{tree}}", "-m", "another root")
    world.git("update-ref", "refs/heads/evidence", another)
    tampered = status(world)
    assert (tampered.exit_code, tampered.log_verifies) == (1, False)
    assert tampered.names[0].recorded is None


def test_what_an_invalid_contract_intends_is_unknown(world: World) -> None:
    world.write("endpoints/prod/first.yaml", world.read("endpoints/prod/first.yaml").replace("5432", "0"))
    world.commit()
    found = status(world)
    assert (found.names[0].intended, verdicts(found, world.name("first"))) == (None, ["as intended"] * 3)
    assert (found.exit_code, found.unseen) == (1, ("what endpoints/prod/first.yaml intends: it is invalid",))


def test_short_names(world: World) -> None:
    world.contract("first", "10.0.0.3", env="dev")
    world.commit()
    assert [one.name for one in status(world, "first.dev").names] == [world.name("first", "dev")]
    assert world.cli("status", "first", "--format", "json").document()["code"] == "ambiguous-name"
    assert world.cli("status", "second", "--format", "json").document()["code"] == "unknown-name"


@dataclass
class _Transfers:
    """Transfers of a primary and of nothing else, from the API's rows."""

    world: World
    taken: list[str] = field(default_factory=list)

    def transfer(self, server: ServerAddress, zone: str) -> tuple[RRset, ...]:
        self.taken.append(str(server))
        assert self.world.lab is not None
        assert zone == self.world.zone
        if server != self.world.lab.primary.dns:
            raise OutsideFailure("it does not transfer", code="axfr-refused")
        return self.world.primary.rrsets()

    def knows_type(self, name: str) -> bool:
        return bool(name)


def test_many_names_are_taken_by_transfer_where_a_server_allows_that(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.contract("second", "10.0.0.2")
    world.commit("Second, not applied")
    by_name = status(world)
    monkeypatch.setattr(find_status, "MANY_NAMES", 1)
    transfers = _Transfers(world)
    by_transfer = look(None, world.wiring().replaced(transfers=transfers))
    assert world.lab is not None
    assert sorted(transfers.taken) == [str(world.lab.primary.dns), str(world.lab.secondaries[0].dns)]
    assert [server.asked for server in by_name.servers] == ["names", "names", "names"]
    assert [server.asked for server in by_transfer.servers] == ["transfer", "names", "names"]
    assert [verdicts(by_transfer, name.name) for name in by_name.names] == [
        verdicts(by_name, name.name) for name in by_name.names
    ]
    assert [name.since for name in by_transfer.names] == [name.since for name in by_name.names]
    primary, secondary, third = (f"{server.label} ({server.address})" for server in by_name.servers)
    names = "for A, AAAA, CNAME of each name; servers of the zone for its SOA and anchor too"
    assert _asked(by_name) == [
        f"asked: {primary}, {secondary}, {third} {names}",
        "asked: the primary's API for rows that contradict each other",
    ]
    assert _asked(by_transfer) == [
        f"asked: {secondary}, {third} {names}",
        f"asked: {primary} for one transfer of its zone, not what its caches answer",
        "asked: the primary's API for rows that contradict each other",
    ]


def test_without_a_key_the_api_is_not_among_what_was_asked(world: World) -> None:
    environ = {name: value for name, value in world.environ.items() if name != "POWERDNS_API_KEY"}
    found = status(replace(world, environ=environ))
    assert (found.api_asked, found.to_json()["api_asked"]) == (False, False)
    (asked,) = _asked(found)
    assert "API" not in asked


def _asked(found: Status) -> list[str]:
    """The lines of what was asked."""
    return [line for line in status_text(found, whole=False).splitlines() if line.startswith("asked: ")]


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
