"""`audit` as a command: forms, exit codes, what is listed."""

import csv
import json
from pathlib import Path

import pytest

from tests.support.book import Book, build, commit_trees

OFFLINE = ("audit", "--offline")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    made = build(tmp_path_factory.mktemp("log"))
    commit_trees(made.world.root, made.store.trees)
    return made


def test_json_says_everything(book: Book) -> None:
    ran = book.world.cli(*OFFLINE, "--format", "json")
    document = ran.document()
    assert ran.exit == 0
    assert document["format"] == "hyops-audit/1"
    assert (document["ok"], document["conclusive"], document["entries"]) == (True, True, 15)
    assert document["head"] == {"seq": 15, "sha256": book.head.head.sha256}
    assert {"problems", "inconclusive", "exceptions", "population", "changes"} <= document.keys()


def test_csv_has_a_line_for_each_change(book: Book) -> None:
    ran = book.world.cli(*OFFLINE, "--format", "csv")
    rows = list(csv.DictReader(ran.out.splitlines()))
    assert [row["seq"] for row in rows] == ["2", "2", "7", "14"]
    assert (rows[-1]["before"], rows[-1]["after"]) == ("10.0.0.2", "10.0.0.1")
    assert ran.err.startswith("OK")


def test_text_ends_with_the_verdict(book: Book) -> None:
    ran = book.world.cli(*OFFLINE)
    assert ran.exit == 0
    assert ran.out.splitlines()[-1].startswith("OK: 15 entries")


def test_period_limits_what_is_listed_and_not_what_is_verified(book: Book) -> None:
    document = book.world.cli(*OFFLINE, "--since", "2026-03-02", "--format", "json").document()
    assert (document["changes"], document["entries"]) == ([], 15)
    assert book.world.cli(*OFFLINE, "--until", "2026-03-01", "--format", "json").document()["changes"] == []


def test_head_seen_elsewhere(book: Book) -> None:
    assert book.world.cli(*OFFLINE, "--seen", f"15:{book.head.head.sha256}").exit == 0
    ran = book.world.cli(*OFFLINE, "--seen", f"16:{'ab' * 32}")
    assert ran.exit == 1
    assert "FAILED" in ran.out
    assert book.world.cli(*OFFLINE, "--seen", "16").exit == 2


def test_pinned_signers_replace_the_repositorys(book: Book, tmp_path: Path) -> None:
    pinned = tmp_path / "signers"
    pinned.write_text(book.world.read("authority/allowed_signers"))
    assert book.world.cli(*OFFLINE, "--allowed-signers", pinned).exit == 0
    pinned.write_text(pinned.read_text().splitlines(keepends=True)[1])
    ran = book.world.cli(*OFFLINE, "--allowed-signers", pinned)
    assert ran.exit == 1
    assert "signer" in ran.out


def test_closed_servers_cannot_conclude(book: Book) -> None:
    ran = book.world.cli("audit", "--format", "json")
    assert ran.exit == 4
    document = ran.document()
    assert (document["ok"], document["conclusive"]) == (True, False)


def test_missing_git_cannot_conclude(book: Book, tmp_path: Path) -> None:
    ran = book.world.cli(*OFFLINE, "--format", "json", PATH=str(tmp_path))
    assert ran.exit == 4
    assert json.loads(ran.out)["conclusive"] is False


def test_usage(book: Book) -> None:
    assert book.world.cli("audit", "--offline", "--live").exit == 2
    assert book.world.cli(*OFFLINE, "--since", "yesterday").exit == 2
