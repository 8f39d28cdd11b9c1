"""Renaming and deleting endpoints: an old name that stays as CNAME, and names that go."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.apply.text import receipt_text
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.zone import RRset
from hyops_gitops.lab.model import Lab
from hyops_gitops.lab.zones import create_zone, wait_until
from hyops_gitops.log.entries import Intent
from hyops_gitops.observe.find_status import look
from hyops_gitops.plan.limits import count
from hyops_gitops.plan.plan import Action
from tests.support.book import audit_script
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)


@pytest.fixture
def world(service_lab: Lab, tmp_path: Path) -> World:
    """`old.prod` applied with a short TTL, beside a resolver that caches."""
    zone = f"alias{next(_numbers)}.internal"
    create_zone(service_lab, zone)
    world = World.make(tmp_path, zone, service_lab)
    world.contract("old", "10.0.0.1", ttl=1)
    world.commit("old.prod")
    world.apply()
    return world


def rename(world: World, *targets: str) -> None:
    """old.prod becomes new.prod in one commit, and stays as its alias."""
    world.delete_contract("old")
    alias = {"name": world.name("old"), "until": "2026-01-31"}
    world.contract("new", *(targets or ("10.0.0.1",)), ttl=1, endpoint_aliases=[alias])
    world.commit("Rename old.prod to new.prod")


@dataclass
class Poll:
    """What a client sees that asks a resolver for one name all the time."""

    resolver: ServerAddress
    question: Question
    seen: list[Answer] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.wait(0.01):
            asked = PlainDnsClient().ask(self.resolver, [self.question], recursion_desired=True, timeout_s=5)
            self.seen.append(asked[self.question])

    def types(self) -> list[tuple[str, ...]]:
        """The answers' types, each run of the same once."""
        return [key for key, _ in itertools.groupby(tuple(one.type for one in answer.rrsets) for answer in self.seen)]


@contextmanager
def polling(lab: Lab, name: str) -> Iterator[Poll]:
    assert lab.resolver is not None
    poll = Poll(lab.resolver.dns, Question(name, "A"))
    client = threading.Thread(target=poll.run)
    client.start()
    try:
        yield poll
    finally:
        poll.stop.set()
        client.join()


def test_a_rename_is_one_patch_and_a_client_of_the_old_name_never_sees_it_gone(world: World, service_lab: Lab) -> None:
    with polling(service_lab, world.name("old")) as poll:
        wait_until(lambda: bool(poll.seen), 20, "the first answer")
        serial = world.serial()
        rename(world)
        receipt = world.apply()
        wait_until(lambda: ("CNAME", "A") in poll.types(), 20, "the alias")
    assert (receipt.outcome, world.serial()) == ("applied", serial + 1)
    assert {answer.rcode for answer in poll.seen} == {"NOERROR"}
    assert {rrset.rdata for answer in poll.seen for rrset in answer.rrsets if rrset.type == "A"} == {("10.0.0.1",)}
    assert poll.types() == [("A",), ("CNAME", "A")]

    intent = next(body for body in reversed(world.bodies()) if isinstance(body, Intent))
    assert [(one.action, one.name, one.type, one.cutover) for one in intent.changes] == [
        (Action.CREATE, world.name("new"), "A", False),
        (Action.DELETE, world.name("old"), "A", False),  # the target does not move
        (Action.CREATE, world.name("old"), "CNAME", False),
    ]
    assert {one.contract for one in intent.changes} == {"endpoints/prod/new.yaml"}
    assert (receipt.retire, receipt.departures) == ((), ())
    assert world.at("old") == {"CNAME": (1, (f"{world.name('new')}.",))}
    found = look(None, world.wiring())
    assert [(one.name, one.agrees) for one in found.names] == [
        (world.name("first"), True),
        (world.name("new"), True),
        (world.name("old"), True),
    ]

    # An expired alias is a warning; deleting its line deletes the name.
    warned = world.cli("validate")
    assert (warned.exit, "alias-expired" in warned.out) == (0, True)
    assert world.apply().outcome == "nothing"
    world.contract("new", "10.0.0.1", ttl=1)
    world.commit("old.prod has ended")
    ended = world.apply()
    assert [one.name for one in ended.departures] == [world.name("old")]
    assert [(one.role, one.gone, one.instead) for one in ended.departures[0].servers if one.role != "resolver"] == [
        ("primary", True, ()),
        ("secondary", True, ()),
    ]
    audited = world.cli("audit")
    assert audited.exit == 0, audited.out
    passed, said = audit_script(world.root, signers_of(world))
    assert passed, said


def test_an_applier_that_leaves_an_alias_out_is_found_by_both_audits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias = {"name": world.name("older"), "until": "2999-01-31"}
    world.contract("old", "10.0.0.2", ttl=1, endpoint_aliases=[alias])
    world.commit("Move old, keep older")
    with monkeypatch.context() as patch:
        patch.setattr(Contract, "rrsets", lambda one: one.target.rrsets(str(one.name), one.ttl))
        assert world.apply().outcome == "applied"
    audited = world.cli("audit", "--offline")
    assert audited.exit == 1
    assert world.name("older") in audited.out
    passed, said = audit_script(world.root, signers_of(world))
    assert not passed
    assert f"{world.name('old')} TTL 1 as {world.name('older')}" in said


def signers_of(world: World) -> Path:
    """An auditor's own copy of allowed_signers."""
    signers = world.root.parent / "signers"
    signers.write_text(world.read("authority/allowed_signers"))
    return signers


def test_a_rename_that_also_moves_is_a_cutover(world: World) -> None:
    rename(world, "10.0.0.2")
    receipt = world.apply()
    assert [(one.name, one.cutover) for one in receipt.plan.changes if one.name == world.name("old")] == [
        (world.name("old"), True),
        (world.name("old"), True),
    ]
    assert [one.name for one in receipt.retire] == [world.name("old")]
    assert count(receipt.plan.changes, lambda _: None).replaced == 1


def test_deleting_a_contract_is_verified_and_a_wildcard_may_answer_in_its_place(world: World) -> None:
    wildcard = RRset.of(f"*.prod.{world.zone}", "A", 60, ["10.9.9.9"])
    world.primary.patch([], [wildcard])
    world.contract("db", world.name("old"))
    world.commit("db leads to old")
    world.apply()
    world.delete_contract("old")
    world.commit("Delete old")
    with pytest.raises(FindingsError) as pointed_at:
        world.apply()
    assert [one.rule for one in pointed_at.value.findings] == ["target-dangling"]
    world.contract("db", "10.0.0.3")
    world.commit("db stands alone")
    receipt = world.apply(watch=False)
    (deleted,) = [one.to_json() for one in receipt.departures]
    assert deleted["name"] == world.name("old")
    assert [one for one in _list(deleted["servers"]) if one["role"] != "resolver"] == [
        {"role": "primary", "name": "primary", "gone": True, "instead": ["10.9.9.9"]},
        {"role": "secondary", "name": "secondary1", "gone": True, "instead": ["10.9.9.9"]},
    ]
    assert "a wildcard answers 10.9.9.9 instead" in receipt_text(receipt)


def _list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value
