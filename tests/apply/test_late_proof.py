"""What an earlier apply changed is not proved: no later run ends with 0 until it is, and then the log says so once."""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.text import receipt_text
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.log.entries import Result, Unchanged
from hyops_gitops.log.workspace import Workspace
from tests.support.audits import audited
from tests.support.clone import CLOSED
from tests.support.faults import Primary
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)


@pytest.fixture
def world(small_lab: Lab, tmp_path: Path) -> World:
    """A world with `first.prod` applied and proved, whose secondary has to show every change within two seconds."""
    zone = f"late{next(_numbers)}.internal"
    create_zone(small_lab, zone)
    world = World.make(tmp_path, zone, small_lab, convergence={"timeout_s": 2, "require": ["primary", "secondaries"]})
    assert (world.apply().outcome, world.apply().outcome) == ("applied", "nothing")
    return world


def change(world: World, address: str = "10.0.0.2") -> Receipt:
    """An apply of a change."""
    world.contract("first", address)
    world.commit(f"Move first to {address}")
    return world.apply()


def told(world: World) -> None:
    """The secondary has what the primary has."""
    assert world.lab is not None
    client, marker = PlainDnsClient(), Question(f"_hyops-gitops.{world.zone}", "TXT")

    def serve() -> list[tuple[object, ...]]:
        servers = (world.lab.primary.dns, world.lab.secondaries[0].dns) if world.lab else ()
        return [client.ask(one, [marker], recursion_desired=False, timeout_s=2)[marker].rrsets for one in servers]

    def arrived() -> bool:
        world.primary.notify()
        first, second = serve()
        return first == second

    wait_until(arrived, 30, "the transfer")


@dataclass
class Asked:
    """Counts the questions of a run, by server."""

    of: dict[str, list[Question]] = field(default_factory=dict)

    def swap(self, ports: Workspace) -> Workspace:
        """Apply with these eyes."""
        return ports.replaced(dns=self)

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        """Ask, and note it."""
        self.of.setdefault(str(server), []).extend(questions)
        return PlainDnsClient().ask(server, questions, recursion_desired=recursion_desired, timeout_s=timeout_s)


def test_no_later_run_ends_with_0_until_the_change_is_proved_and_then_the_log_says_so_once(world: World) -> None:
    assert world.lab is not None
    with world.without_transfers():
        assert (change(world).outcome, world.apply().exit_code) == ("unconfirmed", 5)
        types, asked = world.types(), Asked()
        receipt = world.apply(swap=asked.swap)
        assert (receipt.outcome, receipt.exit_code, receipt.intent) == ("unconfirmed", 5, None)
        (secondary,) = receipt.unproved
        assert (secondary.role, secondary.verdict) == ("secondary", "stale")
        assert receipt.reason == (
            f"there is nothing to change, but what intent {intent_of(world)} changed is not proved: "
            f"{secondary.called} is stale"
        )
        assert receipt_text(receipt).splitlines()[-2] == f"not confirmed: {receipt.reason}"
        # One question, and only of the server whose proof is missing.
        anchor = Question(f"_hyops-gitops.{world.zone}", "TXT")
        assert asked.of == {str(world.lab.secondaries[0].dns): [anchor]}
        assert world.types() == types
    told(world)
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code, receipt.unproved) == ("nothing", 0, ())
    assert world.types() == [*types, "unchanged"]
    body = world.bodies()[-1]
    assert isinstance(body, Unchanged)
    assert [(one.role, one.verdict) for one in body.caught_up] == [("secondary", "converged")]
    assert [(one.name, one.after is not None) for one in body.retire] == [(world.name("first"), True)]
    asked = Asked()
    assert (world.apply(swap=asked.swap).exit_code, world.types(), asked.of) == (0, [*types, "unchanged"], {})
    audited(world)


def test_a_stale_secondary_is_asked_for_the_transfer_that_it_missed(world: World) -> None:
    """Nothing else would for hours: its NOTIFY came while it knew of no primary."""
    with world.without_transfers():
        assert change(world).exit_code == 5
    assert world.apply().exit_code == 5
    wait_until(lambda: world.apply().exit_code == 0, 30, "the transfer")


def intent_of(world: World) -> int:
    """The newest intent's number."""
    return [one.seq for one in world.entries() if one.type == "intent"][-1]


def test_a_merge_that_asks_for_nothing_is_recorded_and_does_not_end_with_0(world: World) -> None:
    with world.without_transfers():
        change(world)
        types = world.types()
        world.contract("first", "10.0.0.2", endpoint_description="the same")
        world.commit("Say what it is")
        receipt = world.apply()
        assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
        assert world.types() == [*types, "unchanged"]
        assert world.apply().exit_code == 5
        assert world.types() == [*types, "unchanged"]
    audited(world)


def test_a_run_that_settles_a_dead_one_whose_update_landed_unproved_does_not_end_with_0(world: World) -> None:
    def die(_: int) -> None:
        raise KeyboardInterrupt

    with world.without_transfers():
        world.contract("first", "10.0.0.2")
        world.commit("Move first")
        with pytest.raises(KeyboardInterrupt):
            world.apply(swap=Primary(after=die).swap)
        open_intent = intent_of(world)
        assert world.types()[-1] == "intent"
        receipt = world.apply(recover=open_intent)
        result = world.bodies()[-1]
        assert isinstance(result, Result)
        assert (result.intent_seq, result.outcome, result.recovered, result.converged) == (
            open_intent,
            "applied",
            True,
            False,
        )
        assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    told(world)
    receipt = world.apply()
    assert (receipt.exit_code, [one.role for one in receipt.caught_up]) == (0, ["secondary"])
    assert [one.after is not None for one in receipt.retire] == [True]
    audited(world)


def test_another_refusal_keeps_its_own_code(world: World) -> None:
    with world.without_transfers():
        change(world)
        world.foreign("second", "A", "10.0.0.9")
        world.contract("second", "10.0.0.3")
        world.commit("Add second")
        assert world.apply().exit_code == 3
        with pytest.raises(Refused):
            world.apply(revision="HEAD~2")


def test_a_site_declared_lost_is_not_waited_for(world: World) -> None:
    with world.without_transfers():
        assert change(world).exit_code == 5
        assert world.apply().exit_code == 5
        assert world.apply(sites_lost=("onprem",)).exit_code == 0
        assert world.apply().exit_code == 5  # said of that run alone
        world.contract("first", "10.0.0.2", endpoint_description="the room is flooded")
        world.commit("Say so\n\nHyops-Site-Lost: onprem\nHyops-Kind: incident\nHyops-Reason: the room is flooded")
        assert world.apply().exit_code == 0
        assert world.apply().exit_code == 0  # recorded since, with the commit
        world.contract("first", "10.0.0.3")
        world.commit("Move first")
        assert world.apply().exit_code == 5  # a new change, of which nobody said so
    told(world)
    assert world.apply().exit_code == 0
    audited(world)


def test_a_server_that_became_required_since_is_asked_too(world: World) -> None:
    assert world.lab is not None
    secondaries = json.loads(world.authority_text().split("secondaries: ")[1].split("\n")[0])
    more = [*secondaries, {**secondaries[0], "name": "new", "dns": CLOSED}]
    world.edit_authority(json.dumps(secondaries), json.dumps(more))
    world.commit("One more secondary")
    receipt = world.apply()
    assert (receipt.exit_code, [(one.name, one.verdict) for one in receipt.unproved]) == (5, [("new", "silent")])
    world.edit_authority(f'"dns": "{CLOSED}"', f'"dns": "{secondaries[0]["dns"]}"')
    world.commit("Its address")
    receipt = world.apply()
    assert (receipt.exit_code, [one.name for one in receipt.caught_up]) == (0, ["new"])
    audited(world)
