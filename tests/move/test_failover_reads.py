"""What a failover reads: the contracts that have the site, and what these name."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.document import Document
from hyops_gitops.core.findings import Finding
from hyops_gitops.move.failover import FailoverRequest, Selection, failover_parts
from hyops_gitops.move.write_moves import CommitOptions
from tests.support.valid_at import record
from tests.support.world import World

SITES = "endpoint_sites: {onprem: 10.0.0.7, gcp: 10.0.0.8}\nendpoint_home: onprem\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Contracts of which one is at onprem, one hides that in an escape, and the others have no sites; all applied."""
    made = World.make(tmp_path, "off.internal", local=True)
    for service in ("web", "hidden", "alone"):
        made.contract(service, "10.0.0.7")
    for service, sites in (("web", SITES), ("hidden", SITES.replace("onprem", '"on\\x70rem"', 1))):
        path = f"endpoints/prod/{service}.yaml"
        made.write(path, made.read(path) + sites)
    made.commit("Sites")
    record(made, made.wiring().rules)
    return made


def selected(world: World, **parts: object) -> tuple[Selection, set[str]]:
    """The selection, and the contracts that were read for it."""
    read: set[str] = set()

    def counted(path: str, content: bytes) -> tuple[Document | None, tuple[Finding, ...]]:
        read.add(path)
        return read_document(path, content)

    workspace: LocalWorkspace = world.wiring().replaced(read=counted, **parts)
    (part,) = failover_parts(FailoverRequest("onprem", "gcp"), CommitOptions(), workspace)
    return part.choose(), {path for path in read if path.startswith("endpoints/")}


def test_contracts_without_the_site_are_not_read(world: World) -> None:
    short, read = selected(world)
    full, all_read = selected(world, full=True)

    assert read == {"endpoints/prod/web.yaml", "endpoints/prod/hidden.yaml"}
    assert all_read == read | {"endpoints/prod/alone.yaml", "endpoints/prod/first.yaml"}
    assert (short.moves, short.skipped) == (full.moves, full.skipped)
    assert [move.path for move in short.moves] == ["endpoints/prod/hidden.yaml", "endpoints/prod/web.yaml"]


def test_a_contract_that_changed_since_is_read_whatever_it_has(world: World) -> None:
    world.contract("alone", "10.0.0.9")

    short, read = selected(world)

    assert "endpoints/prod/alone.yaml" in read
    assert (short.moves, short.skipped) == (selected(world, full=True)[0].moves, selected(world, full=True)[0].skipped)
