"""What the API lists and DNS does not serve is not adopted; what is adopted is proved like what is written."""

import itertools
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.events import Event, Warned
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab, LabServer
from hyops_gitops.lab.zones import create_zone
from hyops_gitops.log.entries import Result
from hyops_gitops.log.workspace import Workspace
from tests.support.audits import audited
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)


@pytest.fixture
def world(small_lab: Lab, tmp_path: Path) -> World:
    """A world with `first.prod` applied, and a contract for `old.prod`, which is to be adopted."""
    zone = f"adopt{next(_numbers)}.internal"
    create_zone(small_lab, zone)
    world = World.make(tmp_path, zone, small_lab)
    assert world.apply().outcome == "applied"
    world.contract("old", "10.0.0.9")
    world.commit("Take old.prod over")
    return world


def child_zone(world: World, server: LabServer) -> str:
    """A zone of the server's own, below ours and above what is to be adopted."""
    assert world.lab is not None
    http = PowerDnsHttp(server.api_url, world.lab.api_key, None, 10.0)
    name = f"prod.{world.zone}"
    body = f'{{"name": "{name}.", "kind": "Native", "nameservers": ["ns1.{name}."]}}'
    assert http.exchange("POST", "/api/v1/servers/localhost/zones", {}, body.encode()).status == 201
    return name


def test_what_a_child_zone_on_the_same_server_hides_is_refused(world: World) -> None:
    assert world.lab is not None
    world.foreign("old", "A", "10.0.0.9")
    child = child_zone(world, world.lab.primary)
    with world.only_a_refusal():
        receipt = world.apply()
    (refusal,) = [one for one in receipt.plan.refusals if "primary" in one.message]
    assert (receipt.exit_code, refusal.guard, refusal.name) == (3, "not-served", world.name("old"))
    assert refusal.message == (
        f"{world.name('old')} A is listed by the API, but primary ({world.lab.primary.dns}) has a zone {child} of its "
        "own, which hides it"
    )
    audited(world)


def test_what_a_child_zone_on_a_secondary_alone_hides_is_refused(world: World) -> None:
    assert world.lab is not None
    world.foreign("old", "A", "10.0.0.9")
    world.primary.notify()
    world.contract("first", "10.0.0.2")  # so that the secondary is proved to have the primary's zone
    world.commit()
    world.delete_contract("old")
    world.commit()
    assert world.apply().outcome == "applied"
    world.contract("old", "10.0.0.9")
    world.commit()
    (secondary,) = world.lab.secondaries
    child = child_zone(world, secondary)
    receipt = world.apply()
    (refusal,) = receipt.plan.refusals
    assert refusal.message == (
        f"{world.name('old')} A is listed by the API, but secondary {secondary.name} ({secondary.dns}) has a zone "
        f"{child} of its own, which hides it"
    )


@pytest.mark.only_backend("gsqlite3")
def test_a_row_written_past_the_api_that_nobody_serves_is_refused(world: World) -> None:
    """PowerDNS lists a row whose `disabled` is NULL, and answers that there is none."""
    assert world.lab is not None
    file = next(world.lab.folder(world.lab.primary).glob("*.sqlite3"))
    with sqlite3.connect(file, timeout=20) as database:
        ((zone,),) = database.execute("SELECT id FROM domains WHERE name = ?", [world.zone]).fetchall()
        database.execute(
            "INSERT INTO records (domain_id, name, type, content, ttl, disabled) VALUES (?, ?, 'A', ?, 60, NULL)",
            (zone, world.name("old"), "10.0.0.9"),
        )
    database.close()
    assert world.at("old") == {"A": (60, ("10.0.0.9",))}
    with world.only_a_refusal():
        receipt = world.apply()
    (refusal,) = [one for one in receipt.plan.refusals if "but primary" in one.message]
    assert refusal.message == (
        f"{world.name('old')} A is listed by the API, but primary ({world.lab.primary.dns}) answers NXDOMAIN without it"
    )
    assert "written past it" in refusal.hint


def test_what_is_adopted_is_proved_on_every_server(world: World) -> None:
    world.foreign("old", "A", "10.0.0.9")
    receipt = world.apply()
    assert (receipt.outcome, [one.action.value for one in receipt.plan.changes]) == ("applied", ["adopt"])
    result = world.bodies()[-1]
    assert isinstance(result, Result)
    for server in result.servers:
        answers = {(name, rrtype): rdata for name, rrtype, _, _, rdata in server.answers}
        assert answers[world.name("old"), "A"] == ("10.0.0.9",), server
    audited(world)


def test_a_secondary_that_is_behind_is_proved_afterwards(world: World) -> None:
    said: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, Warned):
            said.append(event.text)

    with world.without_transfers():
        world.foreign("old", "A", "10.0.0.9")
        receipt = world.apply(on_event=note)
    assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    assert any("what is adopted is proved there afterwards" in one and "serial" in one for one in said), said


@dataclass
class Counting:
    """Counts what is asked at once."""

    batches: list[int] = field(default_factory=list)

    def swap(self, ports: Workspace) -> Workspace:
        """Apply with these eyes."""
        return ports.replaced(dns=self)

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        """Ask, and note how much."""
        self.batches.append(len(questions))
        return PlainDnsClient().ask(server, questions, recursion_desired=recursion_desired, timeout_s=timeout_s)


def test_many_names_are_asked_for_in_one_batch_a_server(world: World) -> None:
    names = [f"many{number}" for number in range(200)]
    world.primary.patch([], [RRset.of(world.name(one), "A", 60, ["10.0.0.9"]) for one in ("old", *names)])
    for one in names:
        world.contract(one, "10.0.0.9")
    world.commit("Take them over")
    seen = Counting()
    receipt = world.apply(swap=seen.swap)
    assert (receipt.outcome, len(receipt.plan.changes)) == ("applied", 201)
    assert seen.batches[:2] == [202, 202]  # SOA and names, of primary and secondary
    assert sum(size > 1 for size in seen.batches) == 4  # and once more each, for the proof
