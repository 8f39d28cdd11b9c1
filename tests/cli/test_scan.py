"""`scan` as a command: what it knows of contracts, history and log; formats and exit codes."""

import json
from pathlib import Path

import pytest

from hyops_gitops.adapters import file_search
from hyops_gitops.cli.main import execute
from tests.support.clone import run
from tests.support.plain_repo import Repo
from tests.support.world import World


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another repository, which is the current folder."""
    root = tmp_path / "application"
    run("git", "init", "-q", root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Contracts whose log was not started."""
    made = World.make(tmp_path / "dns", "scan.internal", local=True, init=False)
    made.contract("second", "10.0.0.2", "fd00::2", sites={"onprem": "10.0.0.2", "gcp": "10.0.1.2"})
    made.commit("Second")
    return made


def scan(
    capsys: pytest.CaptureFixture[str], contracts: Path, *arguments: str, form: str = "text"
) -> tuple[int, str, str]:
    code = execute(["scan", "--contracts", str(contracts), "--format", form, *(arguments or ".")])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_targets_of_every_site_are_found(application: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (application / "a.py").write_text("A = '10.0.0.1'\nB = '10.0.1.2'\nC = '10.0.0.99'\n")

    code, out, err = scan(capsys, world.root)

    assert code == 1
    assert out == (
        "a.py:1:6: raw-target: 10.0.0.1 is a target of first.prod.scan.internal\n"
        "  hint: write first.prod.scan.internal\n"
        "a.py:2:6: raw-target: 10.0.1.2 is a target of second.prod.scan.internal\n"
        "  hint: write second.prod.scan.internal\n"
    )
    assert err == "1 file searched, 2 findings\n"


def test_a_clean_tree_exits_0(application: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (application / "a.py").write_text("HOST = 'first.prod.scan.internal'\n")

    assert scan(capsys, world.root) == (0, "", "1 file searched, 0 findings\n")


def test_without_a_log_earlier_targets_are_those_of_the_history(
    application: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.contract("first", "10.0.0.9")
    world.commit("Move")
    world.delete_contract("second")
    world.contract("renamed", "10.0.0.7", endpoint_aliases=[{"name": world.name("old"), "until": "2030-01-01"}])
    world.commit("Retire and rename")
    (application / "a.txt").write_text("10.0.0.1\n10.0.1.2\nSECOND.prod.scan.internal.\nold.prod.scan.internal\n")

    _, out, _ = scan(capsys, world.root, form="json")

    found = [(hit["rule"], hit["found"], hit["names"]) for hit in json.loads(out)["findings"]]
    assert found == [
        ("former-target", "10.0.0.1", ["first.prod.scan.internal"]),
        ("former-target", "10.0.1.2", []),
        ("retired-name", "SECOND.prod.scan.internal", []),
        ("retired-name", "old.prod.scan.internal", ["renamed.prod.scan.internal"]),
    ]


def test_json_counts_everything(application: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (application / "a.txt").write_text("x 10.0.0.1\n10.0.0.1 # hyops-allow: the seed\n")
    (application / "link").symlink_to("a.txt")
    (application / "bin").write_bytes(b"\0")

    code, out, _ = scan(capsys, world.root, form="json")

    assert code == 1
    assert json.loads(out) == {
        "format": "hyops-scan/1",
        "checked": 1,
        "findings": [
            {
                "rule": "raw-target",
                "severity": "error",
                "path": "a.txt",
                "line": 1,
                "column": 3,
                "message": "10.0.0.1 is a target of first.prod.scan.internal",
                "hint": "write first.prod.scan.internal",
                "found": "10.0.0.1",
                "names": ["first.prod.scan.internal"],
            }
        ],
        "allowed": 1,
        "skipped": {"binary": 1, "link": 1},
        "unread": [],
    }


@pytest.mark.parametrize("form", ["github", "sarif"])
def test_annotations_and_sarif_name_places_from_the_top(
    form: str, application: Path, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (application / "src").mkdir()
    (application / "src/a.txt").write_text("10.0.0.1")
    monkeypatch.chdir("src")

    code, out, _ = scan(capsys, world.root, form=form)

    assert code == 1
    if form == "github":
        assert out.startswith("::error file=src/a.txt,line=1,col=1,title=raw-target::src/a.txt:1:1: raw-target: ")
        return
    (sarif,) = json.loads(out)["runs"]
    (result,) = sarif["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], sarif["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]) == ("raw-target",) * 2
    assert place["artifactLocation"]["uri"] == "src/a.txt"
    assert place["region"] == {"startLine": 1, "startColumn": 1}


def test_a_file_that_cannot_be_read_is_said_and_is_no_clean_answer(
    application: Path, world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (application / "a.txt").write_text("fine")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(file_search, "_search_content", refuse)

    assert scan(capsys, world.root) == (
        4,
        "",
        "0 files searched, 0 findings; cannot read a.txt: Permission denied\n",
    )


@pytest.mark.authority
def test_what_the_log_had_names_lead_to_is_found(
    application: Path, served: World, capsys: pytest.CaptureFixture[str]
) -> None:
    served.apply()
    served.contract("first", "10.0.0.9")
    served.commit("Move")
    served.apply()
    served.delete_contract("first")
    served.contract("new", "10.0.0.9", endpoint_aliases=[{"name": served.name("first"), "until": "2030-01-01"}])
    served.commit("Rename")
    served.apply()
    (application / "a.txt").write_text(f"10.0.0.1 10.0.0.9 {served.name('first')}")

    code, out, _ = scan(capsys, served.root, form="json")

    found = [(hit["rule"], hit["found"], hit["names"]) for hit in json.loads(out)["findings"]]
    new = [served.name("new")]
    assert code == 1
    assert found == [
        ("former-target", "10.0.0.1", new),
        ("raw-target", "10.0.0.9", new),
        ("retired-name", served.name("first"), new),
    ]


def test_a_log_that_is_not_here_is_refused(
    application: Path, offline: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    assert offline.remote is not None
    run("git", "clone", "-q", "--single-branch", "-b", "main", offline.remote, alone)
    (application / "a.txt").write_text("10.0.0.1")

    code, _, err = scan(capsys, alone)

    assert (code, "git fetch origin evidence" in err) == (3, True)


def test_the_history_of_a_repository_without_contracts_is_not_needed(
    application: Path, world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (application / "a.txt").write_text("10.0.0.1")
    archive = Repo(world.root)
    copy = tmp_path / "unpacked"
    copy.mkdir()
    run("tar", "-x", "-C", copy, stdin=run("git", "-C", archive.path, "archive", "HEAD"))
    (copy / ".git_archival.txt").write_text(f"node: {archive.git('rev-parse', 'HEAD')}\n")

    code, _, err = scan(capsys, copy)

    assert code == 1
    assert "only present targets are known" in err
