"""A log that the forge lost comes back from a clone or a bundle, and nothing else does."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.exchange import PatchReceipt
from hyops_gitops.core.network import ZoneWriter
from hyops_gitops.core.zone import Key, Operation, RRset
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.entries import Result
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.workspace import Workspace
from tests.support.clone import run
from tests.support.keys import MakeKey, list_keys, ok, verifies
from tests.support.world import World


@pytest.fixture
def lost(world: World, make_key: MakeKey) -> World:
    """A fresh clone whose remote lost the second entry; `clone` beside it still has it."""
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    rewind(world)
    return world.clone(world.root.parent / "fresh")


def rewind(world: World) -> None:
    assert world.remote is not None
    run("git", "-C", world.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~1")


def delete(world: World) -> None:
    assert world.remote is not None
    run("git", "-C", world.remote, "update-ref", "-d", "refs/heads/evidence")


def brought(world: World, source: Path | str) -> object:
    return ok(world.cli("evidence", "import", source, "--format", "json")).document()["brought"]


def test_from_another_clone(lost: World, world: World) -> None:
    assert brought(lost, world.root) == 1
    assert len(lost.entries()) == 2
    verifies(lost)


def test_a_second_time_it_brings_nothing(lost: World, world: World) -> None:
    brought(lost, world.root)

    assert brought(lost, world.root) == 0


def test_from_a_bundle(lost: World, world: World, tmp_path: Path) -> None:
    world.git("bundle", "create", "-q", str(tmp_path / "log.bundle"), "evidence")

    assert brought(lost, tmp_path / "log.bundle") == 1


def test_from_a_plain_clone_that_only_tracks_it(world: World, make_key: MakeKey) -> None:
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    plain = world.clone(world.root.parent / "plain")
    rewind(world)
    fresh = world.clone(world.root.parent / "fresh")

    assert brought(fresh, plain.root) == 1


@pytest.mark.usefixtures("lost")
def test_a_clone_pushes_its_own_back(world: World) -> None:
    refused = world.cli("apply", "--format", "json")
    done = brought(world, ".")

    assert refused.document()["code"] == "evidence-diverged"
    assert "evidence import ." in str(refused.document()["hint"])
    assert (done, len(world.entries())) == (1, 2)


def test_a_branch_that_was_deleted_is_pushed_back(world: World) -> None:
    before = world.evidence_head()
    delete(world)
    refused = world.cli("apply", "--format", "json")
    done = brought(world, ".")

    assert (refused.exit, refused.document()["code"]) == (3, "evidence-missing")
    assert "evidence import ." in str(refused.document()["hint"])
    assert (done, world.evidence_head()) == (1, before)


def test_a_clone_that_never_had_it_says_where_else_to_look(world: World) -> None:
    delete(world)
    fresh = world.clone(world.root.parent / "fresh")
    ran = fresh.cli("apply", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-missing")
    assert "evidence import CLONE" in str(ran.document()["hint"])


def test_another_log_is_not_imported(world: World, tmp_path: Path) -> None:
    other = World.make(tmp_path / "other", world.zone)
    before = world.evidence_head()
    ran = world.cli("evidence", "import", other.root, "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-invalid")
    assert "genesis" in str(ran.document()["message"])
    assert world.evidence_head() == before


def test_a_genesis_other_than_the_pinned_one_stops(world: World, tmp_path: Path) -> None:
    other = World.make(tmp_path / "other", world.zone)
    assert world.remote is not None
    delete(world)
    run("git", "-C", other.root, "push", "-q", world.remote, "evidence")
    fresh = world.clone(world.root.parent / "fresh")
    ran = fresh.cli("apply", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-invalid")
    assert "the authority file pins" in str(ran.document()["message"])


def test_a_copy_that_was_tampered_with_is_not_imported(lost: World, world: World) -> None:
    commit = world.git("rev-parse", "evidence")
    copy = world.root.parent / "copy.git"
    run("git", "clone", "-q", "--bare", world.root, copy)
    tampered = World(copy, world.zone, world.environ, None, copy, world.key)
    tampered.rewrite_evidence({"LOG.md": b"all is well\n"})
    ran = lost.cli("evidence", "import", copy, "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-invalid")
    assert commit != lost.evidence_head()


def test_a_branch_that_once_held_something_else_is_not_imported(lost: World, world: World) -> None:
    """The newest tree is sound, but an entry was written over and put back."""
    copy = world.root.parent / "copy.git"
    run("git", "clone", "-q", "--bare", world.root, copy)
    tampered = World(copy, world.zone, world.environ, None, copy, world.key)
    path = f"log/{world.zone}/0000/000001.json"
    right = tampered.evidence(path)
    tampered.rewrite_evidence({path: b"{}\n"})
    tampered.rewrite_evidence({path: right})
    ran = lost.cli("evidence", "import", copy, "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (3, "evidence-invalid")
    assert "rewritten" in str(ran.document()["message"])


def test_an_older_copy_brings_nothing(world: World, make_key: MakeKey) -> None:
    older = world.clone(world.root.parent / "older")
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))

    assert brought(world, older.root) == 0
    assert len(world.entries()) == 2


@pytest.mark.parametrize("source", ["ext::sh -c 'touch ran'", "--upload-pack=touch ran", "nowhere", "https://x/y"])
def test_only_a_path_is_a_source(world: World, source: str) -> None:
    ran = world.cli("evidence", "import", "--", source)

    assert ran.exit == 2
    assert not (world.root / "ran").exists()


def test_a_file_that_is_no_bundle(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("nothing\n")
    ran = world.cli("evidence", "import", tmp_path / "file", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (2, "bad-source")


def test_a_clone_without_the_branch(world: World, tmp_path: Path) -> None:
    run("git", "init", "-q", tmp_path / "empty")
    ran = world.cli("evidence", "import", tmp_path / "empty", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (2, "bad-source")


def test_in_local_mode_too(tmp_path: Path, make_key: MakeKey) -> None:
    world = World.make(tmp_path / "w", "local.internal", local=True)
    copy = tmp_path / "copy"
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    run("git", "clone", "-q", "--bare", world.root, copy)
    world.git("update-ref", "refs/heads/evidence", "refs/heads/evidence~1")

    assert brought(world, copy) == 1
    verifies(world)


# --- gaps


@pytest.fixture
def forgotten(served: World) -> tuple[World, list[Entry]]:
    """Five changes; the remote forgets all but the first, and so do all clones. And the entries as they were."""
    served.apply()
    for number in range(2, 6):
        served.contract(f"s{number}", f"10.0.0.{number}")
        served.commit()
        served.apply()
    before = served.entries()
    assert served.remote is not None
    run("git", "-C", served.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~8")
    return served.clone(served.root.parent / "fresh"), before


def change(world: World, number: int) -> None:
    world.contract(f"s{number}", f"10.0.0.{number}")
    world.commit()


def test_a_log_that_lost_entries_stops(forgotten: tuple[World, list[Entry]]) -> None:
    fresh, _ = forgotten
    with pytest.raises(Refused) as caught:
        fresh.apply()

    assert caught.value.guard == "log-gap"
    assert "evidence import" in caught.value.hint
    assert "--override log-gap='REASON'" in caught.value.hint


def test_entries_that_are_gone_for_good_are_named(forgotten: tuple[World, list[Entry]]) -> None:
    fresh, before = forgotten
    change(fresh, 6)
    receipt = fresh.apply("log-gap=the forge lost its disk")
    gap = next(one for one in fresh.bodies() if isinstance(one, Gap))

    assert receipt.outcome == "applied", receipt.reason
    assert (gap.missing, gap.anchor_sha256) == ((4, 10), before[9].sha256)
    assert gap.reason == "the forge lost its disk"
    verifies(fresh)


def test_numbers_that_are_used_again_do_not_collide(forgotten: tuple[World, list[Entry]]) -> None:
    """Intents 6 and 8 left tombstones, 10 its claim; all three numbers come again."""
    fresh, _ = forgotten
    outcomes = []
    for number in range(6, 11):
        change(fresh, number)
        outcomes.append(fresh.apply(*(["log-gap=gone"] if number == 6 else [])).outcome)

    assert outcomes == ["applied"] * 5
    assert {6, 8, 10} <= {entry.seq for entry in fresh.entries() if entry.type == "intent"}
    verifies(fresh)


def test_an_intent_after_a_gap_can_still_be_settled(forgotten: tuple[World, list[Entry]]) -> None:
    """Its applier dies before the PATCH; the next one settles it, and needs no override any more."""
    fresh, _ = forgotten
    change(fresh, 6)
    with pytest.raises(KeyboardInterrupt):
        fresh.apply("log-gap=gone", swap=dying_before_the_update)
    dead = next(entry for entry in fresh.entries() if entry.type == "intent" and entry.seq > 3)
    ran = ok(fresh.cli("apply", "--recover", str(dead.seq), "--format", "json"))
    results = [one for one in fresh.bodies() if isinstance(one, Result) and one.recovered]

    assert ran.document()["outcome"] == "applied"
    assert [(one.intent_seq, one.outcome) for one in results] == [(dead.seq, "failed")]
    verifies(fresh)


def dying_before_the_update(ports: Workspace) -> Workspace:
    """The applier ends when it is about to send what carries the anchor."""
    return ports.replaced(open_writer=lambda authority: cast("ZoneWriter", _Dying(ports.open_writer(authority))))


class _Dying:
    def __init__(self, primary: ZoneWriter) -> None:
        self._primary = primary

    def patch(self, deletes: Sequence[Key], replaces: Sequence[RRset], first: Sequence[Operation] = ()) -> PatchReceipt:
        if any(rrset.name.startswith("_hyops-gitops.") for rrset in replaces):
            raise KeyboardInterrupt
        return self._primary.patch(deletes, replaces, first)

    def __getattr__(self, name: str) -> object:
        return getattr(self._primary, name)


def test_a_gap_is_acknowledged_once(forgotten: tuple[World, list[Entry]]) -> None:
    fresh, _ = forgotten
    change(fresh, 6)
    fresh.apply("log-gap=gone")
    seq = next(entry.seq for entry in fresh.entries() if entry.type == "gap")
    ok(fresh.cli("evidence", "acknowledge", str(seq), "--reason", "asked the forge's people"))
    again = fresh.cli("evidence", "acknowledge", str(seq), "--reason", "again", "--format", "json")

    assert (again.exit, again.document()["code"]) == (1, "nothing-to-acknowledge")
    assert Gap("asked the forge's people", acknowledges=seq) in fresh.bodies()
    verifies(fresh)


def test_a_log_cut_behind_an_intent_that_landed_says_that_it_did(served: World) -> None:
    """Its claim is a tombstone by the lost intent after it, but its turn tells who took it."""
    served.apply()
    for address in ("10.0.0.2", "10.0.0.1"):
        served.contract("first", address)
        served.commit()
        served.apply()
    lost = served.entries()[5]
    assert served.remote is not None
    run("git", "-C", served.remote, "update-ref", "refs/heads/evidence", "refs/heads/evidence~3")
    fresh = served.clone(served.root.parent / "fresh")
    ok(fresh.cli("apply", "--recover", "4", "--override", "log-gap=gone"))
    result, gap = fresh.entries()[4:6]

    assert isinstance(result.body, Result)
    assert isinstance(gap.body, Gap)
    assert (result.body.outcome, result.body.reason) == ("applied", "")
    assert (gap.body.missing, gap.body.anchor_sha256) == ((6, 6), lost.sha256)
    assert audit_problems(fresh) == ["gap"]
    ok(fresh.cli("evidence", "acknowledge", "6", "--reason", "asked the forge's people"))
    assert audit_problems(fresh) == []


def audit_problems(world: World) -> list[str]:
    document = world.cli("audit", "--format", "json").document()
    assert document["conclusive"], document
    problems = document["problems"]
    assert isinstance(problems, list)
    return [one["code"] for one in problems]


def test_an_anchor_that_names_an_entry_of_another_log_stops(served: World, tmp_path: Path, make_key: MakeKey) -> None:
    served.apply()
    other = World.make(tmp_path / "other", served.zone, served.lab)
    for name in ("second@tests", "third@tests"):
        list_keys(other, make_key(name).line())
        ok(other.cli("keys", "trust", name, "--reason", "joined"))
    with pytest.raises(Refused) as caught:
        other.apply("log-gap=whatever")

    assert caught.value.guard == "other-log"


def test_an_anchor_beyond_the_end_of_another_log_stops(served: World, tmp_path: Path) -> None:
    served.apply()
    other = World.make(tmp_path / "other", served.zone, served.lab)
    with pytest.raises(Refused) as caught:
        other.apply()

    assert caught.value.guard == "log-gap"
    assert "another repository" in caught.value.message
