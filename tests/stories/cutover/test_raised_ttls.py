"""A resolver that keeps answers for too long: when the old target may go is unknown until it has let go."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from hyops_gitops.adapters.dns.client import PlainDnsClient, chaos_text
from hyops_gitops.apply.text import receipt_text
from hyops_gitops.core.exchange import Question
from hyops_gitops.lab.model import Lab, LabResolver
from hyops_gitops.lab.resolver import MADE, find_recursor, free_resolver, prepare_resolver
from hyops_gitops.lab.zones import wait_until
from hyops_gitops.log.entries import Unchanged
from tests.stories.cutover.conftest import MakeWorld
from tests.support.audits import audited
from tests.support.endpoints import endpoint, results
from tests.support.world import World

pytestmark = pytest.mark.authority
TTL, RAISED = 1, 600


@contextmanager
def raising(lab: Lab) -> Iterator[LabResolver]:
    """A resolver as the lab's, which keeps every answer for ten minutes."""
    resolver = LabResolver("raising", free_resolver().dns)
    folder = lab.folder(resolver)
    shutil.rmtree(folder, ignore_errors=True)
    prepare_resolver(lab, resolver, "raising")
    for file in (folder / MADE[0], folder / MADE[1]):
        text = file.read_text()
        old = "minimum-ttl-override=0", '"minimum_ttl_override": 0'
        assert any(one in text for one in old)
        file.write_text(text.replace(old[0], f"{old[0][:-1]}{RAISED}").replace(old[1], f"{old[1][:-1]}{RAISED}"))
    command = [find_recursor(), f"--config-dir={folder}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            wait_until(lambda: chaos_text(resolver.dns, "id.server", 1) == "raising", 20, "the resolver")
            yield resolver
        finally:
            process.terminate()


def forget(lab: Lab, resolver: LabResolver, name: str) -> None:
    """The resolver's operator empties its cache of a name."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/bin"
    program = shutil.which("rec_control", path=path)
    assert program is not None
    folder = lab.folder(resolver)
    subprocess.run([program, f"--config-dir={folder}", f"--socket-dir={folder}", "wipe-cache", f"{name}$"], check=True)


def use(world: World, resolver: LabResolver) -> None:
    """The authority file lists this resolver."""
    assert world.lab is not None
    assert world.lab.resolver is not None
    world.edit_authority(f'"{world.lab.resolver.dns}"', f'"{resolver.dns}"')
    world.commit("The clients' resolver")


def test_it_is_unknown_while_the_resolver_gives_the_old_answer_and_known_once_it_has_let_go(
    service_lab: Lab, make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    with raising(service_lab) as resolver:
        world = make_world()
        use(world, resolver)
        endpoint(world, "pg", sites["onprem"], port, ttl=TTL)
        world.commit()
        assert world.apply().outcome == "applied"
        name = world.name("pg")
        question = Question(name, "A")
        kept = PlainDnsClient().ask(resolver.dns, [question], recursion_desired=True, timeout_s=5)[question]
        assert kept.rrsets[0].ttl > TTL
        endpoint(world, "pg", sites["gcp"], port, ttl=TTL)
        world.commit("Move pg")
        receipt = world.apply()
        (retire,), (seen,) = receipt.retire, [one for one in results(world)[-1].servers if one.role == "resolver"]
        assert (receipt.exit_code, seen.verdict, seen.overdue) == (0, "stale", True)
        assert (retire.after, retire.why) == (None, "resolver clients still gives the old answer")
        assert retire.not_before is not None
        assert results(world)[-1].retire == receipt.retire
        line = next(one for one in receipt_text(receipt).splitlines() if one.startswith(f"{name}: the retirement"))
        assert "is unknown: resolver clients still gives the old answer; not before" in line
        types = world.types()
        again = world.apply()
        assert (again.exit_code, again.retire, world.types()) == (0, (), types)

        forget(service_lab, resolver, name)
        known = world.apply()
        body = world.bodies()[-1]
        assert isinstance(body, Unchanged)
        assert world.types() == [*types, "unchanged"]
        assert [(one.name, one.verdict) for one in body.caught_up] == [("clients", "converged")]
        assert [one.name for one in body.retire] == [name]
        assert body.retire == known.retire
        # What it gave as stale until just now, others may keep for as long as RFC 8767 lets it say.
        recorded = world.entries()[-1].envelope.time
        assert body.retire[0].after is not None
        assert recorded + timedelta(seconds=25) < body.retire[0].after < recorded + timedelta(seconds=40)
        assert (world.apply().retire, world.types()) == ((), [*types, "unchanged"])
        audited(world)


def test_what_a_later_apply_left_unknown_is_found_out_too(
    service_lab: Lab, make_world: MakeWorld, sites: dict[str, str], port: int
) -> None:
    with raising(service_lab) as resolver:
        world = make_world()
        use(world, resolver)
        endpoint(world, "pg", sites["onprem"], port, ttl=TTL)
        world.commit()
        world.apply()
        question = Question(world.name("pg"), "A")
        PlainDnsClient().ask(resolver.dns, [question], recursion_desired=True, timeout_s=5)
        endpoint(world, "pg", sites["gcp"], port, ttl=TTL)
        world.commit("Move pg")
        assert [one.after for one in world.apply(watch=False).retire] == [None]
        endpoint(world, "web", sites["gcp"], port, ttl=TTL)
        world.commit("Add web")
        assert world.apply().outcome == "applied"
        assert world.apply().retire == ()
        forget(service_lab, resolver, world.name("pg"))
        assert [(one.name, one.after is not None) for one in world.apply().retire] == [(world.name("pg"), True)]
        audited(world)
