"""The hooks as another repository uses them: the real pre-commit, by URL and revision."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hyops_gitops.cli.main import cli
from tests.docs.commands_page import leaves
from tests.support.clone import GIT_CONFIG, run
from tests.support.repository import ROOT, tracked_files

BASE = ROOT / "tests" / "cases" / "base"
POSTGRES = "endpoints/prod/postgres.yaml"
DB = "endpoints/prod/db.yaml"
REDIS = "endpoints/dev/redis.yaml"
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
CONFIG = """\
repos:
  - repo: {url}
    rev: v1
    hooks:
      - id: hyops-fmt
      - id: hyops-validate
"""
NO_INDEX = re.compile(r"Could not find a version|No matching distribution|ConnectionError|Name or service|timed out")


@dataclass(frozen=True)
class Repository:
    """Somebody's repository that uses our hooks."""

    root: Path
    environ: dict[str, str]

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def call(self, *command: str) -> tuple[int, str]:
        done = subprocess.run(command, cwd=self.root, env=self.environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def commit(self, *paths: str) -> tuple[int, str]:
        """Stage these paths, or everything that is tracked, and commit: what the hooks say comes along."""
        self.call("git", "add", *(paths or ("-u",)))
        return self.call("git", *IDENTITY, "commit", "-m", "Change")


def test_every_hook_is_a_command_with_its_options() -> None:
    known = leaves(cli)
    for hook in YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml"):
        program, name, *options = hook["entry"].split()
        assert program == "hyops-gitops"
        assert set(options) <= {option for parameter in known[name].params for option in parameter.opts}


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with our hooks installed from a URL; one environment for all hooks and tests."""
    top = tmp_path_factory.mktemp("hooks")
    root, ours = top / "contracts", top / "hyops-gitops"
    _snapshot(ours)
    shutil.copytree(BASE, root)
    (root / ".pre-commit-config.yaml").write_text(CONFIG.format(url=ours.as_uri()))
    run("git", "init", "-q", "-b", "main", cwd=root)
    run("git", "add", "-A", cwd=root)
    run("git", *IDENTITY, "commit", "-q", "-m", "Begin", cwd=root)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    path = f"{Path(sys.executable).parent}:{environ['PATH']}"
    repository = Repository(root, {**environ, **GIT_CONFIG, "PATH": path, "PRE_COMMIT_HOME": str(top / "home")})
    status, said = repository.call("pre-commit", "install", "--install-hooks")
    if status != 0 and NO_INDEX.search(said) and "CI" not in os.environ:
        pytest.skip("pip could not install the hooks' environment: this test needs a package index")
    assert status == 0, f"pre-commit could not install the hooks:\n{said}"
    return repository


@pytest.fixture
def repository(adopted: Repository) -> Repository:
    """As it was committed."""
    adopted.call("git", "reset", "-q", "--hard", "main")
    adopted.call("git", "clean", "-q", "-fdx")
    adopted.call("git", "switch", "-q", "--detach", "main")
    return adopted


def _snapshot(target: Path) -> None:
    """This repository as it is on disk, committed and tagged as a release."""
    for file in tracked_files() or [file for file in ROOT.rglob("*") if file.is_file() and ".venv" not in file.parts]:
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    run("git", "init", "-q", "-b", "main", cwd=target)
    run("git", "add", "-A", cwd=target)
    run("git", *IDENTITY, "commit", "-q", "-m", "Release", cwd=target)
    run("git", "tag", "v1", cwd=target)


def test_a_good_commit_goes_through(repository: Repository) -> None:
    repository.edit(POSTGRES, "endpoint_target: 10.12.0.31", "endpoint_target: 10.72.16.24")

    status, said = repository.commit()

    assert (status, "1 file changed" in said) == (0, True)


def test_a_bad_commit_is_stopped_with_line_rule_and_remedy(repository: Repository) -> None:
    repository.edit(POSTGRES, "postgres.prod.hyops", "Postgres.prd.hyops")

    status, said = repository.commit()

    assert status == 1
    assert f"{POSTGRES}:1:20: name-environment: " in said
    assert "did you mean prod? environments: dev, prod, shared" in said


def test_deleting_what_another_contract_points_at_is_stopped(repository: Repository) -> None:
    (repository.root / POSTGRES).unlink()

    alone = repository.commit()
    repository.edit(REDIS, "6379", "6380")
    with_another = repository.commit()

    for status, said in (alone, with_another):
        assert status == 1
        assert f"{DB}:2:18: target-dangling: " in said


def test_keys_out_of_order_are_put_in_order_and_the_next_commit_goes_through(repository: Repository) -> None:
    file = repository.root / REDIS
    ordered = file.read_text()
    file.write_text("".join(reversed(ordered.splitlines(keepends=True))))

    stopped, said = repository.commit()

    assert (stopped, "files were modified by this hook" in said) == (1, True)
    assert file.read_text() == ordered
    repository.edit(REDIS, "6379", "6380")
    assert repository.commit()[0] == 0


def test_a_mistake_in_a_file_that_is_not_committed_stops_nothing(repository: Repository) -> None:
    (repository.root / "endpoints/dev/draft.yaml").write_text("endpoint_dns_name: draft\n")
    repository.edit(REDIS, "6379", "6380")

    assert repository.commit()[0] == 0


def test_a_change_of_the_authority_checks_every_contract(repository: Repository) -> None:
    repository.edit("authority/hyops.internal.yaml", "[dev, prod]", "[prod]")

    status, said = repository.commit()

    assert (status, f"{REDIS}:1:20: name-environment: " in said) == (1, True)


def test_all_files_are_all_contracts(repository: Repository) -> None:
    repository.edit(REDIS, "6379", "0")
    repository.edit(POSTGRES, "5432", "0")
    repository.call("git", *IDENTITY, "commit", "-q", "-a", "--no-verify", "-m", "Mistakes")

    status, said = repository.call("pre-commit", "run", "--all-files")

    assert status == 1
    assert f"{REDIS}:4:16: schema-range: " in said
    assert f"{POSTGRES}:4:16: schema-range: " in said


def test_a_target_that_git_does_not_know_or_that_stays_out_of_the_commit_is_found(repository: Repository) -> None:
    repository.edit(DB, "postgres.prod", "new.prod")
    new = (repository.root / POSTGRES).read_text().replace("postgres.prod", "new.prod")
    (repository.root / "endpoints/prod/new.yaml").write_text(new)

    unknown, said = repository.commit(DB)
    repository.call("git", "add", "endpoints/prod/new.yaml")
    partial = repository.call("git", *IDENTITY, "commit", "-m", "Change", DB)
    both = repository.call("git", *IDENTITY, "commit", "-m", "Change")

    assert (unknown, f"{DB}:2:18: target-dangling: " in said) == (1, True)
    assert (partial[0], f"{DB}:2:18: target-dangling: " in partial[1]) == (1, True)
    assert both[0] == 0, both[1]


def test_an_application_s_repository_is_searched_for_targets_of_the_contracts(
    repository: Repository, tmp_path: Path
) -> None:
    ours = repository.root.parent / "hyops-gitops"
    application = Repository(tmp_path, {**repository.environ, "HYOPS_CONTRACTS": str(repository.root)})
    hook = {"repo": ours.as_uri(), "rev": "v1", "hooks": [{"id": "hyops-no-raw-targets"}]}
    (tmp_path / ".pre-commit-config.yaml").write_text(json.dumps({"repos": [hook]}))
    (tmp_path / "app.py").write_text('HOST = "10.12.0.31"\n')
    application.call("git", "init", "-q", "-b", "main")
    application.call("git", "add", "-A")
    found, words = application.call("pre-commit", "run", "hyops-no-raw-targets")
    (tmp_path / "app.py").write_text('HOST = "postgres.prod.hyops.internal"\n')
    application.call("git", "add", "-A")

    assert found == 1
    assert "app.py:1:9: raw-target: 10.12.0.31 is a target of postgres.prod.hyops.internal" in words
    assert "hint: write postgres.prod.hyops.internal" in words
    assert application.call("pre-commit", "run", "--all-files")[0] == 0


def test_what_an_editor_leaves_behind_and_git_ignores_stops_nothing(repository: Repository) -> None:
    (repository.root / ".git/info/exclude").write_text("*~\n")
    (repository.root / "endpoints/dev/redis.yaml~").write_text("left over")
    repository.edit(REDIS, "6379", "6380")

    assert repository.commit()[0] == 0
