"""BIND and Knot as secondaries by catalog and TSIG; Unbound and BIND as the clients' resolvers."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.exchange import Question
from hyops_gitops.lab.processes import free_addresses
from hyops_gitops.lab.zones import wait_until
from hyops_gitops.log.entries import Result, Unchanged
from tests.stories.makers.conftest import Makers, Server, bind_resolver, running, serial, unbound_resolver
from tests.support.audits import audited
from tests.support.drifts import drift
from tests.support.world import World

pytestmark = pytest.mark.authority
_numbers = itertools.count(1)
MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(makers: Makers, tmp_path: Path) -> MakeWorld:
    """A zone that all serve."""
    return lambda timeout_s=20: makers.world(tmp_path, f"m{next(_numbers)}.internal", timeout_s)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A resolver's own."""
    made = tmp_path / "resolver"
    made.mkdir()
    return made


def free_address(host: str) -> ServerAddress:
    """For a resolver."""
    return free_addresses([host])[0][0]


def listed_resolver(world: World, server: Server) -> None:
    """The authority file names it."""
    resolver = {"name": server.name, "site": "onprem", "dns": str(server.dns)}
    world.write(world.authority_path, f"{world.read(world.authority_path)}resolvers: {json.dumps([resolver])}\n")
    world.commit("The clients' resolver")


def asked(server: Server, name: str) -> tuple[str, ...]:
    """What it answers, and keeps from now on."""
    question = Question(name, "A")
    answer = PlainDnsClient().ask(server.dns, [question], recursion_desired=True, timeout_s=5)[question]
    return tuple(text for rrset in answer.rrsets for text in rrset.rdata)


def results(world: World) -> list[Result]:
    return [body for body in world.bodies() if isinstance(body, Result)]


def test_an_apply_is_proved_on_secondaries_of_three_makers(make_world: MakeWorld) -> None:
    world = make_world()
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("applied", 0)
    assert {server.name: server.verdict for server in receipt.servers} == {
        "primary": "converged",
        "bind": "converged",
        "knot": "converged",
        "secondary1": "converged",
    }
    assert world.cli("status").exit == 0
    assert drift(world, "dns").cases == ()
    audited(world)


def test_a_secondary_of_another_maker_that_is_away_is_proved_later(make_world: MakeWorld, makers: Makers) -> None:
    world = make_world(timeout_s=2)
    world.apply()
    world.contract("first", "10.0.0.2")
    world.commit()
    makers.knot.stop()
    receipt = world.apply()
    assert (receipt.outcome, receipt.exit_code) == ("unconfirmed", 5)
    assert [server.name for server in receipt.servers if server.verdict != "converged"] == ["knot"]
    makers.knot.start()
    wanted = serial(makers.lab.primary.dns, world.zone)
    wait_until(lambda: serial(makers.knot.dns, world.zone) == wanted, 20, "knot to have transferred")
    assert world.apply().exit_code == 0
    body = world.bodies()[-1]
    assert isinstance(body, Unchanged)
    assert [server.name for server in body.caught_up] == ["knot"]
    audited(world)


def test_unbound_that_raises_ttls_keeps_the_retirement_unknown(
    make_world: MakeWorld, makers: Makers, folder: Path
) -> None:
    world = make_world()
    server = unbound_resolver(folder, free_address("127.0.0.5"), world.zone, makers.bind.dns, "cache-min-ttl: 600")
    with running(server, world.zone):
        listed_resolver(world, server)
        world.contract("first", "10.0.0.1", ttl=1)
        world.commit()
        world.apply()
        assert asked(server, world.name("first")) == ("10.0.0.1",)
        world.contract("first", "10.0.0.2", ttl=1)
        world.commit("Move first")
        receipt = world.apply()
        assert receipt.exit_code == 0
        assert [(one.after, one.why) for one in receipt.retire] == [
            (None, "resolver unbound still gives the old answer")
        ]
        assert results(world)[-1].retire == receipt.retire


def test_unbound_that_serves_expired_answers_is_seen_to_be_stale(
    make_world: MakeWorld, makers: Makers, folder: Path
) -> None:
    world = make_world(timeout_s=2)
    extra = "serve-expired: yes\n    serve-expired-client-timeout: 0"
    server = unbound_resolver(folder, free_address("127.0.0.5"), world.zone, makers.knot.dns, extra)
    with running(server, world.zone):
        listed_resolver(world, server)
        world.contract("first", "10.0.0.1", ttl=1)
        world.commit()
        world.apply()
        assert asked(server, world.name("first")) == ("10.0.0.1",)
        makers.knot.stop()
        try:
            world.contract("first", "10.0.0.2", ttl=1)
            world.commit("Move first")
            receipt = world.apply(watch=False)
            (seen,) = [report for report in receipt.servers if report.role == "resolver"]
            assert seen.verdict == "stale"
            assert [one.after for one in receipt.retire] == [None]
        finally:
            makers.knot.start()


def test_bind_as_the_clients_resolver_converges(make_world: MakeWorld, makers: Makers, folder: Path) -> None:
    world = make_world()
    server = bind_resolver(folder, free_address("127.0.0.1"), world.zone, makers.bind.dns)
    with running(server, world.zone):
        listed_resolver(world, server)
        world.contract("first", "10.0.0.1", ttl=1)
        world.commit()
        world.apply()
        assert asked(server, world.name("first")) == ("10.0.0.1",)
        world.contract("first", "10.0.0.2", ttl=1)
        world.commit("Move first")
        receipt = world.apply()
        (seen,) = [report for report in receipt.servers if report.role == "resolver"]
        assert (receipt.exit_code, seen.verdict) == (0, "converged")
        assert asked(server, world.name("first")) == ("10.0.0.2",)
