"""`report`: the folder of pages, of logs that verify and of others; the commands on the pages."""

import subprocess
from pathlib import Path

import pytest

from tests.support.book import Book, build, commit_trees
from tests.support.html_page import parsed
from tests.support.world import World


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """A clone whose log has most types of entries, signed by OpenSSH's keys."""
    made = build(tmp_path_factory.mktemp("log"))
    commit_trees(made.world.root, made.store.trees)
    return made


def listed(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_report_names_its_page_and_the_head(book: Book, tmp_path: Path) -> None:
    ran = book.world.cli("report", "--out", tmp_path / "report")
    assert ran.exit == 0, ran.err
    head = book.head.head
    assert ran.out == f"15 entries of {book.head.zone}: {tmp_path}/report/index.html\nlog head 15:{head.sha256}\n"


def test_the_same_head_gives_the_same_bytes_and_an_own_report_is_replaced(book: Book, tmp_path: Path) -> None:
    ran = book.world.cli("report", "--out", tmp_path / "report", "--format", "json")
    before = contents(tmp_path / "report")
    again = book.world.cli("report", "--out", tmp_path / "report", "--format", "json", TZ="Asia/Tokyo")
    assert (ran.exit, again.exit, ran.document()["format"]) == (0, 0, "hyops-report/1")
    assert contents(tmp_path / "report") == before
    assert listed(tmp_path) == ["report"]


def test_the_commands_on_a_page_verify_its_entries(book: Book, tmp_path: Path) -> None:
    assert book.world.cli("report", "--out", tmp_path / "report").exit == 0
    page = parsed((tmp_path / "report" / "entries-0000.html").read_text())
    blocks = ["".join(map(str, block.one("code").children)) for block in page.all("pre")]
    assert len(blocks) == 15
    done = in_clone(book, tmp_path, "\n".join(blocks))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Good ") == 15


def in_clone(book: Book, tmp_path: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Commands by bash, which stops where one fails; files that they write lie in a clone of the clone."""
    clone = tmp_path / "clone"
    if not clone.exists():
        subprocess.run(["git", "clone", "-q", "--mirror", book.world.root, clone / ".git"], check=True)
        (clone / "authority").mkdir()
        (clone / "authority" / "allowed_signers").write_text(book.world.read("authority/allowed_signers"))
    script = f"set -euo pipefail\nexport GIT_DIR=.git\n{script}"
    return subprocess.run(["bash", "-c", script], cwd=clone, capture_output=True, text=True, check=False)


def test_the_commands_fail_for_another_entry(book: Book, tmp_path: Path) -> None:
    assert book.world.cli("report", "--out", tmp_path / "report").exit == 0
    page = parsed((tmp_path / "report" / "entries-0000.html").read_text())
    lines = "".join(map(str, page.all("pre")[3].one("code").children)).splitlines()
    assert in_clone(book, tmp_path, "\n".join(lines)).returncode == 0
    altered = [*lines[:2], "sed -i s/applier/another/ entry-*.json", *lines[2:]]
    assert in_clone(book, tmp_path, "\n".join(altered)).returncode != 0
    for number in range(2, len(lines)):  # each check alone notices, or is about the entry before
        if "cat-file" not in lines[number] and "plan.digest" not in "".join(lines[number - 1 : number + 1]):
            words = [*lines[:2], "printf ' ' >> entry-*.json", lines[number]]
            assert in_clone(book, tmp_path, "\n".join(words)).returncode != 0, lines[number]


def test_a_period_lists_its_own(book: Book, tmp_path: Path) -> None:
    ran = book.world.cli("report", "--out", tmp_path / "report", "--since", "2026-03-02", "--until", "2026-03-03")
    assert ran.exit == 0, ran.err
    page = parsed((tmp_path / "report" / "index.html").read_text())
    assert "Listed from 2026-03-02T00:00:00Z until before 2026-03-03T00:00:00Z; everything was verified" in page.text


def test_a_date_that_is_none(book: Book, tmp_path: Path) -> None:
    ran = book.world.cli("report", "--out", tmp_path / "report", "--since", "yesterday", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (2, "usage")


def test_what_is_no_report_is_not_written_over(book: Book, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    ran = book.world.cli("report", "--out", tmp_path / "mine", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (2, "not-empty")
    assert contents(tmp_path / "mine") == {"notes.txt": b"keep"}
    assert book.world.cli("report", "--out", tmp_path / "mine", "--replace").exit == 0
    assert "index.html" in contents(tmp_path / "mine")


def test_a_report_with_notes_in_it_is_not_written_over(book: Book, tmp_path: Path) -> None:
    assert book.world.cli("report", "--out", tmp_path / "report").exit == 0
    (tmp_path / "report" / "notes.txt").write_text("keep")
    assert book.world.cli("report", "--out", tmp_path / "report").exit == 2
    assert (tmp_path / "report" / "notes.txt").read_text() == "keep"


@pytest.mark.parametrize("place", [".", "..", ".git/report"])
def test_the_repository_is_never_replaced(book: Book, place: str) -> None:
    before = listed(book.world.root)
    ran = book.world.cli("report", "--out", place, "--replace", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (2, "not-empty")
    assert listed(book.world.root) == before


def test_a_log_that_does_not_verify_is_reported_as_that(offline: World, tmp_path: Path) -> None:
    path = f"log/{offline.zone}/0000/000001.json"
    offline.rewrite_evidence({path: offline.evidence(path).replace(b"genesis", b"genesiz")})
    offline.git("fetch", "-q", "origin", "evidence:refs/remotes/origin/evidence")
    ran = offline.cli("report", "--out", tmp_path / "report")
    assert (ran.exit, ran.out.splitlines()[-1]) == (1, "the log does NOT verify; the report says so")
    assert set(contents(tmp_path / "report")) == {"index.html", "SHA256SUMS"}
    assert "The log does not verify." in parsed((tmp_path / "report" / "index.html").read_text()).text


def test_no_log(tmp_path: Path) -> None:
    world = World.make(tmp_path / "world", "off.internal", init=False)
    ran = world.cli("report", "--out", tmp_path / "report", "--format", "json")
    assert (ran.exit, ran.document()["code"]) == (3, "evidence-missing")
    assert not (tmp_path / "report").exists()
