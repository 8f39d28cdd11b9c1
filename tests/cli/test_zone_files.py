"""Commands in a clone with three zones: validate, fmt, owners, scan; options about one of them."""

import json
from pathlib import Path

import pytest

from hyops_gitops.cli.main import execute
from tests.support.clone import run
from tests.support.zoned import CHILD, FIRST, SECOND, authority, authority_path, contract, path_of, repository

WIKI, ASK, DB = f"wiki.prod.{SECOND}", f"ask.prod.{FIRST}", f"db.prod.{CHILD}"
Capture = pytest.CaptureFixture[str]


class ZonedClone:
    """A clone of three zones, of which one points into another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for path, content in repository({WIKI: "10.0.0.1", ASK: WIKI, DB: "10.0.0.3"}).items():
            self.write(path, content)
        run("git", "init", "-q", "-b", "main", root)
        self.commit("All")

    def write(self, path: str, content: bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.net")
        return run("git", "-C", self.root, *identity, *arguments).decode()

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def cli(self, command: str, *arguments: str) -> int:
        return execute([command, "--repo", str(self.root), *arguments])


@pytest.fixture
def clone(tmp_path: Path) -> ZonedClone:
    return ZonedClone(tmp_path / "clone")


def test_validate_counts_every_zone(clone: ZonedClone, capsys: Capture) -> None:
    assert clone.cli("validate", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["checked"] == 3


def test_the_hook_finds_what_a_deletion_leaves_in_another_zone(clone: ZonedClone, capsys: Capture) -> None:
    clone.git("rm", "-q", path_of(WIKI))

    assert clone.cli("validate", "--staged") == 1
    assert f"{path_of(ASK)}:2:18: target-dangling: {WIKI} is in the zone {SECOND}" in capsys.readouterr().out


def test_a_pull_request_that_deletes_what_another_zone_points_at(clone: ZonedClone, capsys: Capture) -> None:
    clone.git("switch", "-q", "-c", "topic")
    clone.git("rm", "-q", path_of(WIKI))
    clone.commit("Delete wiki")

    assert clone.cli("validate", "--changed-since", "main", "--format", "json") == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["rule"], found["path"]) == ("target-deleted", path_of(ASK))


def test_the_hook_looks_at_the_zone_that_is_touched(clone: ZonedClone, capsys: Capture) -> None:
    clone.write(path_of(DB), b"endpoint_port: x\n")
    clone.write(path_of(WIKI), contract(WIKI, "10.0.0.2"))
    clone.git("add", path_of(WIKI))

    assert clone.cli("validate", "--staged", str(clone.root / path_of(WIKI))) == 0
    assert capsys.readouterr().err == "1 contract checked, 0 errors, 0 warnings\n"


def test_fmt_orders_the_contracts_of_every_zone(clone: ZonedClone, capsys: Capture) -> None:
    for name in (DB, WIKI):
        lines = contract(name).splitlines(keepends=True)
        clone.write(path_of(name), b"".join([*lines[1:], lines[0]]))

    assert clone.cli("fmt", "--check") == 1
    assert capsys.readouterr().out.splitlines() == sorted([path_of(DB), path_of(WIKI)])
    assert clone.cli("fmt", "--zone", SECOND) == 0
    assert capsys.readouterr().out.splitlines() == [path_of(WIKI)]
    assert clone.cli("fmt", str(clone.root / path_of(DB))) == 0
    assert clone.cli("fmt", "--check") == 0
    assert (clone.root / path_of(DB)).read_bytes() == contract(DB)


def test_owners_takes_each_zone_s_own_table(clone: ZonedClone, capsys: Capture) -> None:
    for zone, team in ((FIRST, "@acme/dns"), (SECOND, "@acme/web")):
        table = f'policy: {{owners: {{web: ["{team}"]}}}}\n'.encode()
        clone.write(authority_path(zone), authority(zone) + table)
    for name in (ASK, WIKI, DB):
        clone.write(path_of(name), contract(name) + b"endpoint_owner: web\n")

    assert clone.cli("owners", "--forge", "github") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"/{path_of(WIKI)} @acme/web",
        f"/{path_of(ASK)} @acme/dns",
    ]


def test_owners_without_a_table_names_the_authority_files(clone: ZonedClone, capsys: Capture) -> None:
    assert clone.cli("owners") == 2
    assert all(authority_path(zone) in capsys.readouterr().err for zone in (FIRST,))


def test_scan_knows_the_addresses_of_every_zone(clone: ZonedClone, tmp_path: Path, capsys: Capture) -> None:
    clone.write(path_of(DB), contract(DB, "10.0.0.4"))
    clone.commit("Move db")
    file = tmp_path / "app.conf"
    file.write_text("wiki = 10.0.0.1\ndb = 10.0.0.3\n")

    assert clone.cli("scan", str(file), "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [(each["found"], each["names"], each["rule"]) for each in found] == [
        ("10.0.0.1", [WIKI], "raw-target"),
        ("10.0.0.3", [DB], "former-target"),
    ]


def test_scan_is_refused_where_one_zone_is_not_readable(clone: ZonedClone, tmp_path: Path, capsys: Capture) -> None:
    clone.write(authority_path(SECOND), b"zone: [\n")
    clone.commit("Break a zone")
    file = tmp_path / "app.conf"
    file.write_text("wiki = 10.0.0.1\n")

    assert clone.cli("scan", str(file)) == 1
    assert authority_path(SECOND) in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", ["keys compromised SHA256:x --last-good-seq 3 --reason stolen", "apply --recover 3", "audit --seen 3:x"]
)
def test_the_number_of_an_entry_is_of_one_log(words: str, clone: ZonedClone, capsys: Capture) -> None:
    command = words.split()
    option = next(word for word in command if word.startswith("--"))

    assert execute([*command, "--repo", str(clone.root)]) == 2
    assert f"{option} is of one zone" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["apply", "plan"])
def test_an_override_without_a_name_is_of_one_zone(command: str, clone: ZonedClone, capsys: Capture) -> None:
    assert clone.cli(command, "--override", "max-deletes=seen: all of them") == 2
    assert "--override max-deletes is of one zone" in capsys.readouterr().err
