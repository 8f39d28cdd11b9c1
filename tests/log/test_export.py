"""`evidence show`, `evidence export` and `history`."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.support.clone import run
from tests.support.keys import MakeKey, list_keys, ok
from tests.support.world import World

# --- show


def test_the_newest_entry_unless_a_number_is_given(world: World, make_key: MakeKey) -> None:
    list_keys(world, make_key("second@tests").line())
    ok(world.cli("keys", "trust", "second@tests", "--reason", "joined"))
    newest = ok(world.cli("evidence", "show", "--format", "json")).document()
    first = ok(world.cli("evidence", "show", "1", "--format", "json")).document()

    assert (newest["seq"], first["seq"]) == (2, 1)
    assert newest["entry"] == json.loads(world.entry_bytes(2))
    assert newest["sha256"] == hashlib.sha256(world.entry_bytes(2)).hexdigest()
    assert first["verification"] == {"ok": True, "problems": []}


def test_an_entry_in_words(world: World) -> None:
    text = ok(world.cli("evidence", "show")).out

    assert '"type": "genesis"' in text
    assert "the log verifies" in text


def test_an_entry_of_a_log_that_does_not_verify(world: World) -> None:
    world.rewrite_evidence({"LOG.md": b"all is well\n"})
    world.git("fetch", "-q", "origin", "evidence")
    ran = world.cli("evidence", "show")

    assert ran.exit == 1
    assert "does NOT verify" in ran.out


@pytest.mark.parametrize("seq", ["0", "9", "-1"])
def test_an_entry_that_is_not_there(world: World, seq: str) -> None:
    ran = world.cli("evidence", "show", "--format", "json", "--", seq)

    assert (ran.exit, ran.document()["code"]) == (2, "no-entry")


# --- export


@pytest.fixture
def exported(world: World, tmp_path: Path) -> Path:
    ok(world.cli("evidence", "export", tmp_path / "out"))
    return tmp_path / "out"


def test_the_folder_holds_what_an_auditor_needs(exported: Path) -> None:
    names = sorted(path.name for path in exported.iterdir())

    kit = ["AUDITING.md", "audit-contracts.jq", "audit-contracts.sh", "audit-segments.sh", "audit.jq", "audit.sh"]
    assert names == sorted(["README.md", "SHA256SUMS", "allowed_signers", "repository.bundle", *kit])


def test_its_readme_leads_to_a_clone_that_verifies(world: World, exported: Path) -> None:
    commands = re.findall(r"^    (.+)$", (exported / "README.md").read_text(), re.MULTILINE)
    said = run("bash", "-e", "-c", "\n".join(commands), cwd=exported).decode()
    theirs = World(exported / "repository", world.zone, world.environ, None, None, world.key)
    ran = ok(theirs.cli("evidence", "verify"))

    assert said.splitlines()[-1] == "OK"
    assert "repository.bundle: OK" in said
    assert f"1 entry of {world.zone} verifies" in ran.out
    assert theirs.git("rev-parse", "HEAD") == world.git("rev-parse", "HEAD")


def test_the_signers_are_those_of_the_commit(world: World, exported: Path) -> None:
    assert (exported / "allowed_signers").read_text() == world.read("authority/allowed_signers")


def test_a_folder_with_something_in_it_is_left_alone(world: World, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine\n")
    ran = world.cli("evidence", "export", tmp_path / "out", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (2, "not-empty")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_folder_is_taken(world: World, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    document = ok(world.cli("evidence", "export", tmp_path / "out", "--format", "json")).document()

    assert (document["ok"], document["entries"]) == (True, 1)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_a_log_that_does_not_verify_is_handed_over_too(world: World, tmp_path: Path) -> None:
    world.rewrite_evidence({"LOG.md": b"all is well\n"})
    world.git("fetch", "-q", "origin", "evidence")
    ran = world.cli("evidence", "export", tmp_path / "out")

    assert ran.exit == 1
    assert "NOT verify" in (tmp_path / "out" / "README.md").read_text()


# --- history


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A name that was created, moved on approval, changed by hand, and refused."""
    from hyops_gitops.core.zone import RRset  # noqa: PLC0415
    from hyops_gitops.lab.zones import create_zone  # noqa: PLC0415

    lab = request.getfixturevalue("small_lab")
    directory = tmp_path_factory.mktemp("told")
    create_zone(lab, zone := f"{directory.name}.internal")
    world = World.make(directory, zone, lab)
    world.apply()
    world.git("checkout", "-q", "-b", "move")
    world.contract("first", "10.0.0.2")
    world.git("commit", "-q", "-a", "-m", "Move", "--author", "Ann Author <ann@example.invalid>")
    world.git("checkout", "-q", "main")
    world.git("merge", "-q", "--no-ff", "-m", "Merge move\n\nApproved-by: Rea Viewer <rea@example.invalid>", "move")
    world.apply()
    world.primary.patch([], [RRset.of(world.name("first"), "A", 60, ["10.0.0.66"])])
    world.contract("first", "10.0.0.3")
    world.commit("Again")
    world.apply()
    return world


def test_every_change_of_a_name(told: World) -> None:
    document = ok(told.cli("history", "first", "--format", "json")).document()
    changes = document["changes"]
    assert isinstance(changes, list)

    assert document["name"] == told.name("first")
    assert [(one["action"], one["old"], one["new"], one["outcome"]) for one in changes[:2]] == [
        ("create", [], ["10.0.0.1"], "applied"),
        ("replace", ["10.0.0.1"], ["10.0.0.2"], "applied"),
    ]
    assert (changes[1]["asked_by"], changes[1]["approved_by"]) == (["Ann Author"], ["Rea Viewer"])
    assert changes[1]["converged"] is True
    assert "refused" in [one["outcome"] for one in changes]


def test_the_merger_is_named_apart(told: World) -> None:
    intent = [entry for entry in told.entries() if entry.type == "intent"][1]
    merged = intent.body.merged[0]  # type: ignore[union-attr]

    assert (merged.author.name, merged.merged_by.name, merged.approvals[0].by.name) == (  # type: ignore[union-attr]
        "Ann Author",
        "Tester",
        "Rea Viewer",
    )


def test_the_history_in_words(told: World) -> None:
    text = ok(told.cli("history", "first.prod")).out

    assert "replace A: 10.0.0.1 -> 10.0.0.2" in text
    assert "asked by Ann Author; approved by Rea Viewer" in text


def test_a_name_that_the_log_does_not_know(told: World) -> None:
    ran = told.cli("history", "firts", "--format", "json")

    assert (ran.exit, ran.document()["code"]) == (2, "unknown-name")
    assert ok(told.cli("history", "first")).out == ok(told.cli("history", "first.prod")).out
    assert told.name("first") in str(ran.document()["hint"])


def test_the_page_of_the_export_answers_who_asked_and_approved_and_what_came_of_it(told: World, tmp_path: Path) -> None:
    """Every command of AUDITING.md, as it is printed, on a folder that was handed over."""
    ok(told.cli("evidence", "export", tmp_path / "out"))
    told.git("clone", "-q", "-b", "main", str(tmp_path / "out" / "repository.bundle"), str(tmp_path / "out" / "clone"))
    answers = _walk(tmp_path / "out", told)
    entries = told.entries()
    move = [entry for entry in entries if entry.type == "intent"][1]

    assert answers["The walk"] == ""
    assert answers["Form and chain"] == f"{entries[0].sha256}\n{len(entries)}:{entries[-1].sha256}"
    assert answers["Signatures"].count('Good "hyops-gitops" signature') == len(entries)
    assert "BAD" not in answers["Signatures"]
    (asked,) = [line for line in answers["Asked and approved"].splitlines() if line.startswith(f"{move.seq}\t")]
    assert asked.split("\t")[2:] == ["Merge move", "Ann Author", "Rea Viewer", "Tester", "commit"]
    assert f'[{move.seq},"{told.name("first")}","A",["10.0.0.1"],["10.0.0.2"]]' in answers["Intended"]
    assert f"{move.seq + 1}\t" in answers["Applied"]
    assert "FAILED" not in answers["Applied"]
    observed = f"{move.seq + 1}\tsecondary\tsecondary1\tconverged\t"
    assert [line for line in answers["Observed"].splitlines() if line.startswith(observed) and "10.0.0.2" in line]
    manifest, named, plan, digest = answers["One intent"].splitlines()[:4]
    assert (manifest, plan) == (named, digest)
    assert answers["Population"].splitlines()[1:] == [f"< {told.git('rev-parse', 'main').strip()}"]
    approved, merged = answers["Approvals"].splitlines()
    assert approved == merged
    anchor, *differences = answers["The zone"].splitlines()
    assert f"seq={move.seq} intent=sha256:{move.sha256}" in anchor
    assert [line.split()[-1] for line in differences if line[0] in "<>"] == ["10.0.0.66", "10.0.0.2"]


def _walk(folder: Path, world: World) -> dict[str, str]:
    """Section of the page -> what its commands print, in one shell, the places that are the reader's filled in."""
    assert world.lab is not None
    primary = world.lab.primary.dns
    page = (folder / "AUDITING.md").read_text().split("## The walk", 1)[1].split("\n## ", 1)[0]
    for ours, theirs in {
        "CLONE=repository": "CLONE=clone",
        "ZONE=example.internal": f"ZONE={world.zone}",
        "SERVER=10.90.0.53 PORT=53": f"SERVER={primary.host} PORT={primary.port}",
    }.items():
        assert ours in page
        page = page.replace(ours, theirs)
    parts = re.split(r"^\*\*(.+?)\*\*", "**The walk**\n" + page, flags=re.MULTILINE)[1:]
    script = "\n".join(
        "\n".join([f"echo '== {title.rstrip('.')}'", *re.findall(r"^    (.+)$", text, re.MULTILINE)])
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    )
    printed = run("bash", "-c", f"{script}\ntrue", cwd=folder).decode()
    sections = re.split(r"^== (.+)\n", printed, flags=re.MULTILINE)[1:]
    return {title: text.strip() for title, text in zip(sections[::2], sections[1::2], strict=True)}
