"""The work tree as a source of files: what is never opened, and names that no terminal should see."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.cli.main import execute
from tests.support.repository import ROOT

BASE = ROOT / "tests" / "cases" / "base"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for file in BASE.rglob("*"):
        if file.is_file():
            target = tmp_path / file.relative_to(BASE)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return tmp_path


def problem_of(root: Path, path: str) -> str | None:
    return next(source.problem for source in WorkTree(root).files() if source.path == path)


def findings(root: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    execute(["validate", "--repo", str(root), "--format", "json"])
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["findings"]
    return found


def test_files_come_sorted_with_their_content(root: Path) -> None:
    sources = WorkTree(root).files()

    assert [source.path for source in sources] == sorted(source.path for source in sources)
    assert {source.path.split("/")[0] for source in sources} == {"authority", "endpoints"}
    assert all((source.content is None) != (source.problem is None) for source in sources)


def test_a_link_is_not_followed(root: Path) -> None:
    (root / "endpoints/prod/link.yaml").symlink_to("postgres.yaml")

    assert problem_of(root, "endpoints/prod/link.yaml") == "is a symbolic link"


def test_a_linked_folder_is_not_entered(root: Path) -> None:
    (root / "endpoints/staging").symlink_to(root / "endpoints/prod")

    assert problem_of(root, "endpoints/staging") == "is a symbolic link"


def test_a_fifo_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "endpoints/prod/pipe.yaml")

    assert problem_of(root, "endpoints/prod/pipe.yaml") == "is a FIFO"


def test_a_socket_is_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root / "endpoints")  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.yaml")

        assert problem_of(root, "endpoints/s.yaml") == "is a socket"


def test_a_linked_root_is_not_entered(root: Path) -> None:
    (root / "endpoints").rename(root / "old")
    (root / "endpoints").symlink_to(root / "old")

    assert problem_of(root, "endpoints") == "is a symbolic link"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_a_problem(root: Path) -> None:
    (root / "endpoints/prod/postgres.yaml").chmod(0)

    assert problem_of(root, "endpoints/prod/postgres.yaml") == "cannot be read: Permission denied"


def test_dot_files_are_allowed_anywhere(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "endpoints/.gitkeep").touch()
    (root / "endpoints/prod/.postgres.yaml.swp").write_bytes(b"\xff")
    (root / "authority/.editorconfig").touch()

    assert findings(root, capsys) == []


@pytest.mark.parametrize("name", [b"a\nb.yaml", b"\x1b[31mred.yaml", b"latin-\xe9.yaml", b"\xe2\x80\xae.yaml"])
def test_odd_names_neither_crash_nor_reach_the_terminal(
    root: Path, name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(os.fsdecode(os.fsencode(root / "endpoints/prod/") + b"/" + name)).write_text("a: 1\n", encoding="utf-8")

    exit_code = execute(["validate", "--repo", str(root)])

    printed = capsys.readouterr().out
    assert exit_code == 1
    assert printed.replace("\n", "").isprintable()
    assert all(line.startswith(("endpoints/prod/", "  hint: ")) for line in printed.splitlines())


def test_odd_names_leave_valid_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / os.fsdecode(b"endpoints/prod/latin-\xe9.yml")).touch()

    assert [one["path"] for one in findings(root, capsys)] == ["endpoints/prod/latin-\\xe9.yml"]


def test_validate_imports_nothing_slow_that_it_does_not_need() -> None:
    code = (
        "import sys; from hyops_gitops.cli.main import execute; execute(['validate', '--repo', sys.argv[1]]); "
        "print(sorted({'requests', 'dns', 'cryptography', 'rich', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(BASE)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
