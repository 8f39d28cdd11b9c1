"""`owners` as a command: which file, its block, what is found, exit codes."""

import json
import shutil
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.clone import run
from tests.support.repository import ROOT

BASE = ROOT / "tests" / "cases" / "base"
AUTHORITY = "authority/hyops.internal.yaml"
TABLE = 'owners: {data-platform: ["@acme/data", "@ann"]}'
GITHUB = ".github/CODEOWNERS"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _no_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_API_URL", "HYOPS_FORGE_URL", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone whose authority has a table, and whose two contracts of production an owner."""
    top = tmp_path / "clone"
    shutil.copytree(BASE, top)
    run("git", "init", "-q", top)
    _set_table(top, TABLE)
    for name in ("postgres", "db"):
        own(top, name, "data-platform")
    return top


def _set_table(top: Path, table: str) -> None:
    shutil.copy(BASE / AUTHORITY, top / AUTHORITY)
    text = (top / AUTHORITY).read_text()
    (top / AUTHORITY).write_text(text.replace("  ttl: {", f"  {table}\n  ttl: {{", 1))


def own(top: Path, name: str, owner: str) -> None:
    file = top / f"endpoints/prod/{name}.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("endpoint_owner")]
    file.write_text("\n".join([*lines, f"endpoint_owner: {owner}", ""]))


def owners(top: Path, *arguments: str) -> int:
    return execute(["owners", "--repo", str(top), *arguments])


def test_lines_are_printed_and_nothing_is_written(root: Path, capsys: Capture) -> None:
    assert owners(root) == 0
    assert capsys.readouterr().out.splitlines() == [
        "/endpoints/prod/db.yaml @acme/data @ann",
        "/endpoints/prod/postgres.yaml @acme/data @ann",
    ]
    assert not (root / ".github").exists()


def test_what_is_written_is_up_to_date_until_an_owner_changes(root: Path, capsys: Capture) -> None:
    (root / "CODEOWNERS").write_bytes(b"* @acme/all")

    assert owners(root, "--check") == 1
    assert "+/endpoints/prod/db.yaml @acme/data @ann" in capsys.readouterr().out
    assert (owners(root, "--write"), owners(root, "--check")) == (0, 0)
    assert (root / "CODEOWNERS").read_bytes().startswith(b"* @acme/all\n\n# BEGIN")

    (root / "endpoints/prod/db.yaml").unlink()
    assert owners(root, "--check") == 1
    assert "-/endpoints/prod/db.yaml @acme/data @ann" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("forge", "present", "place"),
    [
        ("github", ["CODEOWNERS", GITHUB], GITHUB),
        ("github", ["docs/CODEOWNERS", "CODEOWNERS"], "CODEOWNERS"),
        ("github", [".gitea/CODEOWNERS"], GITHUB),
        ("gitlab", [".gitlab/CODEOWNERS", "docs/CODEOWNERS"], "docs/CODEOWNERS"),
        ("gitlab", [], ".gitlab/CODEOWNERS"),
        ("gitea", [GITHUB], ".gitea/CODEOWNERS"),
        (None, [".gitea/CODEOWNERS"], ".gitea/CODEOWNERS"),
        (None, [], GITHUB),
    ],
)
def test_the_first_file_that_the_forge_looks_for_is_used(
    root: Path, forge: str | None, present: list[str], place: str, capsys: Capture
) -> None:
    for path in present:
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text("")

    assert owners(root, "--format", "json", *(["--forge", forge] if forge else [])) == 0
    assert json.loads(capsys.readouterr().out)["path"] == place


def test_the_forge_of_the_job_decides(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "https://git.example.net/api/v1")

    assert owners(root) == 0
    assert capsys.readouterr().out.splitlines()[0] == "endpoints/prod/db\\\\.yaml @acme/data @ann"


def test_an_owner_that_the_table_lacks_is_found_and_nothing_is_written(root: Path, capsys: Capture) -> None:
    own(root, "db", "data-platfrom")

    assert owners(root, "--write") == 1
    printed = capsys.readouterr().err
    assert "endpoints/prod/db.yaml:" in printed
    assert "owner-unknown: 'data-platfrom' is not in policy.owners" in printed
    assert "did you mean data-platform?" in printed
    assert not (root / GITHUB).exists()


def test_an_owner_that_no_contract_names_is_warned_about(root: Path, capsys: Capture) -> None:
    _set_table(root, 'owners: {data-platform: ["@acme/data"], network: ["@acme/net"]}')

    assert owners(root, "--write") == 0
    assert "owner-unused: no contract has the owner 'network' (warning)" in capsys.readouterr().err


@pytest.mark.parametrize(("forge", "names"), [("gitea", "data@acme.example"), ("github", "@acme/data/db")])
def test_a_form_that_the_forge_does_not_take_is_found(root: Path, forge: str, names: str, capsys: Capture) -> None:
    _set_table(root, f'owners: {{data-platform: ["{names}"]}}')

    assert owners(root, "--forge", forge) == 1
    assert f"owner-form: {names!r}" in capsys.readouterr().err
    assert owners(root, "--forge", "gitlab") == 0


def test_findings_are_annotations_of_a_job(root: Path, capsys: Capture) -> None:
    own(root, "db", "other")

    assert owners(root, "--check", "--format", "github") == 1
    assert "::error file=endpoints/prod/db.yaml,line=" in capsys.readouterr().out


def test_a_repository_below_the_top_of_its_checkout_has_its_paths_there(root: Path) -> None:
    below = root.parent / "mono" / "dns zone"
    run("git", "init", "-q", below.parent)
    shutil.copytree(root, below, ignore=shutil.ignore_patterns(".git"))

    assert (owners(below, "--write"), owners(below, "--check")) == (0, 0)
    assert "/dns\\ zone/endpoints/prod/db.yaml @acme/data" in (below.parent / GITHUB).read_text()


def test_without_a_table_a_check_has_nothing_to_say(root: Path, capsys: Capture) -> None:
    shutil.copy(BASE / AUTHORITY, root / AUTHORITY)

    assert owners(root, "--check") == 0
    assert "nothing to check" in capsys.readouterr().err
    assert owners(root, "--write") == 2


def test_a_link_is_neither_read_nor_written_through(root: Path, tmp_path: Path, capsys: Capture) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "CODEOWNERS").write_text("* @acme/all\n")
    (root / ".github").symlink_to(outside)

    assert owners(root, "--write") == 4
    assert "a link is on the way to it" in capsys.readouterr().err
    assert (outside / "CODEOWNERS").read_text() == "* @acme/all\n"


def test_a_contract_with_an_error_is_reported_first(root: Path, capsys: Capture) -> None:
    own(root, "db", "'' # nothing")

    assert owners(root) == 1
    assert "schema-range: endpoint_owner" in capsys.readouterr().err


def test_a_file_too_large_for_github_is_found(root: Path, capsys: Capture) -> None:
    (root / "CODEOWNERS").write_text("# many\n" * 430_000)

    assert owners(root, "--check") == 1
    assert "owners-size: 3,01" in capsys.readouterr().err
