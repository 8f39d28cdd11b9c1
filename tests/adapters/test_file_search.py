"""Which files are searched, which are not and why; nothing outside of the given paths is read."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyops_gitops.adapters import file_search
from hyops_gitops.adapters.file_search import SearchResult, search_files
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.scan.addressbook import ContractFacts, make_book
from hyops_gitops.scan.search import Search
from tests.support.clone import run

SEARCH = Search(make_book(["hyops.internal"], [ContractFacts("a.prod.hyops.internal", ("10.0.0.1",), ())], []))
BAD = "host = 10.0.0.1\n"


def write(path: Path, content: str | bytes = BAD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in no repository; it is searched, what is beside it is not."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def repository(top: Path) -> Path:
    """The same as a repository."""
    run("git", "init", "-q", top)
    return top


def search(*paths: str | Path, contracts: Path = Path("/nowhere")) -> SearchResult:
    return search_files([Path(path) for path in paths or (".",)], SEARCH, contracts)


def places(result: SearchResult) -> list[str]:
    return [f"{hit.path}:{hit.line}:{hit.column}" for hit in result.hits]


def test_files_are_named_from_here(top: Path) -> None:
    write(top / "a.py")
    write(top / "src/deep/b.py")
    write(top.parent / "beside.py")

    assert places(search()) == ["a.py:1:8", "src/deep/b.py:1:8"]
    assert places(search("src")) == places(search(top / "src")) == ["src/deep/b.py:1:8"]
    assert places(search("../beside.py")) == [f"{top.parent}/beside.py:1:8"]


def test_a_path_given_twice_is_searched_once(top: Path) -> None:
    write(top / "src/b.py")

    assert places(search("src/b.py", "src", "./src/../src/b.py")) == ["src/b.py:1:8"]


def test_a_path_that_is_not_there_is_a_wrong_call(top: Path) -> None:
    with pytest.raises(UsageError, match=f"cannot read {top}/gone: No such file"):
        search("gone")


# --- what is not followed, and not read


def test_links_are_counted_and_not_followed(top: Path) -> None:
    outside = write(top.parent / "outside/x.py")
    (top / "file").symlink_to(outside)
    (top / "folder").symlink_to(outside.parent)
    (top / "loop").symlink_to(".")
    (top / "dangling").symlink_to("nothing")
    write(top / "good.py")

    result = search()

    assert (places(result), result.files, result.skipped) == (["good.py:1:8"], 1, {"link": 4})


def test_a_link_that_is_given_is_counted_too(top: Path) -> None:
    write(top.parent / "outside/x.py")
    (top / "folder").symlink_to(top.parent / "outside")

    assert search("folder").skipped == {"link": 1}


def test_special_files_are_counted_and_not_opened(top: Path) -> None:
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")

        assert search().skipped == {"special": 2}
        assert search("fifo").skipped == {"special": 1}


@pytest.mark.usefixtures("top")
def test_a_file_without_a_size_is_not_waited_for() -> None:
    result = search("/proc/self/status", "/proc/self/maps")

    assert (result.files, result.hits, result.unread) == (2, [], [])


@pytest.mark.parametrize(
    ("replace", "counted"),
    [
        (lambda file: file.unlink(), "vanished"),
        (lambda file: (file.unlink(), file.symlink_to("/etc/hostname")), "link"),
        (lambda file: (file.unlink(), run("mkfifo", file)), "special"),
        (lambda file: (file.unlink(), file.parent.rmdir()), "vanished"),
        (lambda file: (file.unlink(), file.parent.rmdir(), file.parent.symlink_to("..")), "vanished"),
    ],
)
def test_what_takes_a_file_s_place_meanwhile_is_not_read(
    top: Path, replace: Callable[[Path], object], counted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(top / "folder/x.py")
    write(top.parent / "x.py")
    read = file_search._search_batch

    def replaced(search: Search, batch: list[file_search.Files]) -> SearchResult:
        replace(file)
        return read(search, batch)

    monkeypatch.setattr(file_search, "_search_batch", replaced)
    result = search()

    assert (result.hits, result.files, result.skipped) == ([], 0, {counted: 1})


def test_files_that_cannot_be_read_are_said(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(top / "good.py")
    bad = write(top / "bad.py")

    def refuse(descriptor: int, size: int, read: Callable[[int, int], bytes] = os.read) -> bytes:
        if os.fstat(descriptor).st_ino == bad.stat().st_ino:
            raise PermissionError(13, "Permission denied")
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", refuse)
    result = search()

    assert (places(result), result.unread) == (["good.py:1:8"], ["bad.py: Permission denied"])


# --- contents


def test_binary_files_are_left_out_and_utf_16_is_text(top: Path) -> None:
    write(top / "binary", b"\0" + BAD.encode())
    write(top / "late", b"x" * 8000 + b"\0" + BAD.encode())
    write(top / "le.txt", "\ufeffa\r\n  é 10.0.0.1".encode("utf-16-le"))
    write(top / "be.txt", "\ufeffa\r\n  é 10.0.0.1".encode("utf-16-be"))
    write(top / "utf-32.txt", "\ufeff10.0.0.1".encode("utf-32-le"))
    write(top / "empty", b"")

    result = search()

    assert places(result) == ["be.txt:2:5", "late:1:8009", "le.txt:2:5"]
    assert (result.files, result.skipped) == (4, {"binary": 2})


def test_a_file_is_read_in_pieces(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_search, "_PIECE", 7)
    write(top / "a.txt", "x\n" * 20 + BAD)
    write(top / "b.txt", ("x\n" * 20 + BAD).encode("utf-16"))

    assert places(search()) == ["a.txt:21:8", "b.txt:21:8"]


def test_a_file_that_shrinks_meanwhile_is_read_to_its_end(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_search, "_PIECE", 16)
    file = write(top / "a.txt", BAD * 100)

    def shrink(descriptor: int, size: int, read: Callable[[int, int], bytes] = os.read) -> bytes:
        file.write_text(BAD)
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", shrink)

    assert places(search()) == ["a.txt:1:8"]


# --- what is ignored


def test_what_git_ignores_is_left_out(repository: Path) -> None:
    write(repository / ".gitignore", "build/\n*.log\n")
    write(repository / "src/.gitignore", "gen.py\n")
    for path in ("build/a.py", "x.log", "src/gen.py", "src/kept.py", ".git/a.py"):
        write(repository / path)
    write(repository / "tracked.log")
    run("git", "-C", repository, "add", "-f", "tracked.log")

    assert places(search()) == ["src/kept.py:1:8", "tracked.log:1:8"]
    assert places(search("src")) == ["src/kept.py:1:8"]


def test_outside_of_a_repository_gitignore_counts_too(top: Path) -> None:
    write(top / ".gitignore", "build/\n")
    write(top / "build/a.py")
    write(top / "a.py")

    assert places(search()) == ["a.py:1:8"]
    assert sorted(path.name for path in top.iterdir()) == [".gitignore", "a.py", "build"]


def test_a_repository_within_has_its_own_gitignore(repository: Path) -> None:
    run("git", "init", "-q", repository / "inner")
    write(repository / "inner/.gitignore", "gen/\n")
    write(repository / "inner/gen/a.py")
    write(repository / "inner/a.py")

    assert places(search()) == ["inner/a.py:1:8"]


def test_a_folder_that_only_looks_like_a_repository_is_searched(repository: Path) -> None:
    write(repository / "tests/data/.git/config", "[broken")
    write(repository / "tests/data/.gitignore", "gen/\n")
    write(repository / "tests/data/gen/a.py")
    write(repository / "tests/data/a.py")

    assert places(search()) == ["tests/data/a.py:1:8"]


def test_a_folder_that_git_ignores_is_searched_when_it_is_given(repository: Path) -> None:
    write(repository / ".gitignore", "build/\n*.log\n")
    write(repository / "build/a.py")
    write(repository / "build/b.log")

    assert places(search()) == []
    assert places(search("build")) == ["build/a.py:1:8", "build/b.log:1:8"]


def test_a_file_that_is_given_is_searched_though_git_ignores_it(repository: Path) -> None:
    write(repository / ".gitignore", "*.log\n")
    write(repository / "x.log")

    assert places(search("x.log")) == ["x.log:1:8"]


def test_our_ignores_count_from_the_top_of_the_repository(repository: Path) -> None:
    write(repository / ".hyops-scan-ignore", "/src/vendor/  # of others\nbad\n")
    write(repository / "src/vendor/a.py")
    write(repository / "src/a.py")

    for paths in ((".",), ("src",), ("src/vendor/a.py", "src/a.py")):
        result = search(*paths)
        assert places(result) == [".hyops-scan-ignore:2:1", "src/a.py:1:8"]
        assert result.skipped == {"ignored": 1}


def test_an_ignore_file_that_is_a_link_is_refused(repository: Path) -> None:
    (repository / ".hyops-scan-ignore").symlink_to("/etc/hostname")

    with pytest.raises(OutsideFailure, match="is a symbolic link"):
        search()


def test_the_contracts_themselves_are_left_out(top: Path) -> None:
    write(top / "dns/endpoints/prod/a.yaml")
    write(top / "dns/authority/x.yaml")
    write(top / "dns/README.md")
    write(top / "endpoints/a.py")

    result = search(contracts=top / "dns")

    assert (places(result), result.skipped) == (["dns/README.md:1:8", "endpoints/a.py:1:8"], {"contracts": 2})
    for given in ("dns/endpoints", "dns/endpoints/prod/a.yaml"):
        assert search(given, contracts=top / "dns").skipped == {"contracts": 1}


# --- in processes


def test_many_files_are_searched_in_processes(top: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from hyops_gitops.adapters import file_search as f\n"
        "from tests.adapters.test_file_search import SEARCH, places\n"
        "f._BATCH, f._FEW, f._processors = 10, 2, lambda: 3\n"
        "found = f.search_files([Path('.')], SEARCH, Path('/nowhere')); print(found.files, *places(found))"
    )
    for number in range(300):
        write(top / f"{number % 7}/{number}.txt", BAD if number % 50 == 0 else "x\n")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        ["python", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )

    assert done.stdout.split() == [
        "300", "0/0.txt:1:8", "1/50.txt:1:8", "2/100.txt:1:8", "3/150.txt:1:8", "4/200.txt:1:8", "5/250.txt:1:8",
    ], done.stderr  # fmt: skip
