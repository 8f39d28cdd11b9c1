"""A cutover as clients behind a caching resolver live through it, and as the evidence tells it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dns.message
import dns.query
import pytest

from hyops_gitops.core.authority import ServerAddress
from hyops_gitops.core.events import Event, ServerSeen
from tests.support.audits import audited
from tests.support.endpoints import endpoint, intents, results
from tests.support.faults import Primary
from tests.support.world import World

pytestmark = pytest.mark.authority

TTL = 2
_Seen = tuple[datetime, str]


@dataclass
class Client:
    """Looks a name up through a resolver and connects to what it is told, again and again."""

    resolver: ServerAddress
    name: str
    port: int
    connects: bool = True
    reached: list[_Seen] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _work(self, stop: threading.Event) -> None:
        query = dns.message.make_query(self.name, "A")
        while not stop.wait(0.02):
            began = datetime.now(UTC)
            reply = dns.query.udp(query, self.resolver.host, port=self.resolver.port, timeout=5)
            addresses = [rdata.to_text() for rrset in reply.answer if rrset.rdtype == 1 for rdata in rrset]
            try:
                if self.connects:
                    socket.create_connection((addresses[0], self.port), timeout=5).close()
                self.reached.append((began, addresses[0]))
            except (OSError, IndexError) as error:
                self.failed.append(f"{reply.rcode()} {addresses} {error}")


@pytest.fixture
def client(world: World, port: int) -> Client:
    assert world.lab is not None
    assert world.lab.resolver is not None
    return Client(world.lab.resolver.dns, world.name("pg"), port)


def test_a_client_sees_the_old_target_or_the_new_one_and_the_timeline_says_when(
    world: World, client: Client, sites: dict[str, str], port: int
) -> None:
    old, new, name = sites["onprem"], sites["gcp"], world.name("pg")
    endpoint(world, "pg", old, port, ttl=TTL)
    world.commit()
    world.apply()
    with client.at_work():
        wait_for(client, old)
        endpoint(world, "pg", new, port, ttl=TTL)
        world.commit("Move pg")
        accepted: list[datetime] = []
        receipt = world.apply(on_event=lambda event: accepted.extend(moment_of_acceptance(event)))
        wait_for(client, new)
    result = results(world)[-1]
    assert (receipt.outcome, client.failed) == ("applied", [])
    assert {where for _, where in client.reached} == {old, new}
    assert receipt.timeline == result.timeline
    order = [(moment.stage, moment.name) for moment in result.timeline if moment.after_ms is not None]
    assert order[0] == ("accepted", "")
    assert sorted(order[1:]) == [
        ("primary", "primary"),
        ("resolver", "clients"),
        ("secondary", "secondary1"),
        ("service", name),
    ]
    times = [moment.after_ms or 0 for moment in result.timeline]
    assert times == sorted(times)
    assert [(one.report.verdict, one.report.target) for one in result.services] == [("ready", (new,))]
    # The TTL, counted from when the last authority server had it, bounds what any client sees.
    spread = max(one.after_ms or 0 for one in result.servers if one.role != "resolver")
    bound = min(accepted) + timedelta(seconds=TTL + 1, milliseconds=spread)
    assert {where for began, where in client.reached if began > bound} <= {new}
    audited(world)


def moment_of_acceptance(event: Event) -> Iterator[datetime]:
    """When the update was accepted, to the millisecond, which the log's whole seconds do not tell."""
    if isinstance(event, ServerSeen) and event.report.after_ms is not None:
        yield datetime.now(UTC) - timedelta(milliseconds=event.report.after_ms)


def test_without_watching_the_resolver_is_asked_and_left(world: World, sites: dict[str, str], port: int) -> None:
    endpoint(world, "pg", sites["onprem"], port, ttl=600)
    world.commit()
    world.apply()
    endpoint(world, "pg", sites["gcp"], port, ttl=600)
    world.commit("Move pg")
    result_of = world.apply(watch=False)
    assert result_of.outcome == "applied"
    (resolver,) = [one for one in results(world)[-1].servers if one.role == "resolver"]
    assert (resolver.verdict, resolver.overdue, resolver.after_ms) == ("stale", False, None)
    (retire,) = result_of.retire
    assert (retire.after, retire.why) == (None, "resolver clients still gives the old answer")
    assert retire.not_before is not None


def test_swaps_of_type_and_of_family_are_one_patch_each_and_no_client_sees_a_gap(
    world: World, client: Client, sites: dict[str, str], port: int
) -> None:
    old, new = sites["onprem"], sites["gcp"]
    endpoint(world, "db", new, port, ttl=1)
    endpoint(world, "pg", old, port, ttl=1)
    world.commit()
    world.apply()
    primary = Primary()
    client.connects = False
    steps = (world.name("db"), [old, new], [old, "::1"], world.name("db"), old)
    with client.at_work():
        for step in steps:
            endpoint(world, "pg", step, port, ttl=1, endpoint_readiness=[{"type": "tcp", "any": True}])
            world.commit("Swap")
            assert world.apply(swap=primary.swap, watch=False).outcome == "applied"
    assert (client.failed, len(primary.patches)) == ([], len(steps))
    assert len(client.reached) > len(steps)
    assert all(len(intent.readiness) == 1 for intent in intents(world)[1:])


def wait_for(client: Client, address: str) -> None:
    """Until the client has reached this address."""
    deadline = time.monotonic() + 30
    while address not in {where for _, where in client.reached}:
        assert time.monotonic() < deadline, client
        time.sleep(0.05)
