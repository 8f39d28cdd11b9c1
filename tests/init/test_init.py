"""What `init` writes, and what it leaves alone."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hyops_gitops.adapters.yaml.schema import schema_directory
from hyops_gitops.cli.main import execute
from hyops_gitops.core.errors import Exit
from hyops_gitops.init.repository import CHECK
from tests.init.conftest import REQUIRED, ZONE, Init
from tests.support.clone import run
from tests.support.repository import ROOT

FILES = {
    ".github/CODEOWNERS",
    ".github/workflows/apply.yml",
    ".github/workflows/drift.yml",
    ".github/workflows/validate.yml",
    ".git_archival.txt",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    "README.md",
    "authority/allowed_signers",
    f"authority/{ZONE}.yaml",
    "endpoints/README.md",
    *(f"schemas/{name}.schema.json" for name in ("apply", "authority", "endpoint", "evidence", "plan", "readiness")),
}
HASH = "0123456789abcdef0123456789abcdef01234567"


def everything(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(directory).parts
    }


def test_a_new_repository_is_valid_and_complete(init: Init, directory: Path) -> None:
    began = init("--secondary", "onprem=10.1.0.53:53", "--resolver", "clients@onprem=[fd00::53]:53")
    assert (began.exit, began.document["zone"]) == (Exit.OK, ZONE)
    assert everything(directory).keys() == FILES
    assert execute(["validate", "--repo", str(directory)]) == Exit.OK
    assert run("git", "-C", directory, "rev-parse", "--git-dir") == b".git\n"
    for path in (directory / "schemas").iterdir():
        assert path.read_bytes() == (schema_directory() / path.name).read_bytes()
    assert b"@@" not in b"".join(everything(directory).values())


def test_what_is_there_is_never_overwritten_and_what_lacks_is_added(init: Init, directory: Path) -> None:
    init()
    (directory / "README.md").write_text("mine\n")
    (directory / "schemas" / "plan.schema.json").unlink()
    before = everything(directory)
    began = init(bare=True)  # the authority file that is there says the zone
    assert began.document["written"] == ["schemas/plan.schema.json"]
    assert "README.md" in str(began.document["kept"])
    after = everything(directory)
    assert {path: after[path] for path in before} == before


def test_options_that_would_make_an_invalid_authority_write_nothing(init: Init, directory: Path) -> None:
    began = init("--failure-domain", "hetzner", "--generate-key", directory.parent / "key")
    assert (began.exit, began.document["code"]) == (Exit.NO, "findings")
    assert "authority-failure-domain" in json.dumps(began.document["findings"])
    assert not directory.exists()
    assert not (directory.parent / "key").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--secondary", "10.0.0.53:53"], "bad-server"),
        (["--principal", "two words"], "bad-principal"),
        (["--tool-ref", "v1.0"], "bad-tool"),
        (["--tool-repo", "git@example.net:x/y"], "bad-tool"),
        (["--evidence"], "key-missing"),
        (["--from-zone", "api"], "port-missing"),
        (["--github", "set"], "usage"),
        (["--generate-key", "new/key"], "key-inside"),
    ],
)
def test_wrong_calls(
    init: Init, directory: Path, options: list[str], code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory.parent)
    began = init(*options)
    assert (began.exit, began.document["code"]) == (Exit.USAGE, code)
    assert not directory.exists()


def test_a_directory_inside_of_another_repository_is_no_place(init: Init, directory: Path) -> None:
    run("git", "init", "-q", directory.parent)
    began = init("--commit")
    assert (began.exit, began.document["code"]) == (Exit.USAGE, "inside-repository")
    assert not directory.exists()


def test_what_is_missing_is_named_where_nobody_can_be_asked(init: Init) -> None:
    began = init("--zone", ZONE, bare=True)
    assert (began.exit, began.document["code"]) == (Exit.USAGE, "answers-missing")
    assert "--primary-url, --primary-site" in str(began.document["message"])


def test_on_a_terminal_it_asks(directory: Path, tmp_path: Path) -> None:
    answers = f"{ZONE}\nqa,live\nhttps://dns.begin.internal:8443\nhetzner\n10.0.0.53:53\nonprem=10.1.0.53:53\n"
    words = ["python", "-m", "hyops_gitops", "init", str(directory)]
    # `script` gives it a terminal; the answers come through it.
    done = subprocess.run(
        ["script", "-qec", " ".join(words), "/dev/null"],
        input=answers.encode(),
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout.decode()
    authority = (directory / "authority" / f"{ZONE}.yaml").read_text()
    assert "environments: [qa, live]" in authority
    assert '  - {name: onprem, site: onprem, dns: "10.1.0.53:53"}' in authority
    assert '  dns: "10.0.0.53:53"' in authority


def test_a_prepared_authority_file_is_taken_as_it_is(init: Init, directory: Path, tmp_path: Path) -> None:
    init()
    text = (directory / "authority" / f"{ZONE}.yaml").read_text().replace(ZONE, "other.internal") + "# mine\n"
    (tmp_path / "prepared.yaml").write_text(text)
    other = tmp_path / "other"
    assert execute(["init", str(other), "--authority", str(tmp_path / "prepared.yaml")]) == Exit.OK
    assert (other / "authority" / "other.internal.yaml").read_text() == text


# --- key, commit, log


def test_a_generated_key_is_listed_and_only_its_owner_may_read_it(init: Init, directory: Path) -> None:
    key = directory.parent / "key"
    began = init("--generate-key", key, "--principal", "robot@begin")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = " ".join(key.with_name("key.pub").read_text().split()[:2])
    assert (began.document["key"], began.document["principal"]) == (public, "robot@begin")
    signers = (directory / "authority" / "allowed_signers").read_text().splitlines()
    assert signers[-1] == f'robot@begin namespaces="hyops-gitops" {public}'
    assert not any(key.read_bytes() in content for content in everything(directory).values())


def test_a_key_that_exists_is_not_replaced(init: Init, directory: Path) -> None:
    key = directory.parent / "key"
    key.write_text("precious")
    began = init("--generate-key", key)
    assert (began.exit, began.document["code"], key.read_text()) == (Exit.USAGE, "key-exists", "precious")
    assert not directory.exists()


def test_evidence_starts_the_log_and_pins_it(init: Init, directory: Path) -> None:
    began = init("--generate-key", directory.parent / "key", "--evidence")
    assert run("git", "-C", directory, "status", "--porcelain") == b""
    subjects = run("git", "-C", directory, "log", "--format=%s").decode().splitlines()
    assert subjects == ["Pin the evidence log", f"Begin the endpoint contracts of {ZONE}"]
    assert execute(["evidence", "verify", "--repo", str(directory)]) == Exit.OK
    assert str(began.document["genesis"]) in (directory / "authority" / f"{ZONE}.yaml").read_text()


def test_a_remote_takes_the_log_first(init: Init, directory: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    run("git", "init", "-q", "--bare", "-b", "main", remote)
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    init("--remote-url", str(remote), "--signing-key", tmp_path / "key", "--evidence")
    assert run("git", "-C", remote, "branch", "--format=%(refname:short)") == b"evidence\n"
    assert 'remote: "origin"' in (directory / "authority" / f"{ZONE}.yaml").read_text()


def test_a_remote_that_cannot_be_reached_leaves_the_rest_done_and_says_how_to_go_on(
    init: Init, directory: Path, tmp_path: Path
) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    tool = (
        "--tool-repo",
        "https://git.example.net/dns/hyops-gitops.git",
        "--tool-ref",
        HASH,
        "--admins",
        "@dns/admins",
    )
    began = init("--remote-url", str(tmp_path / "none.git"), "--signing-key", tmp_path / "key", "--evidence", *tool)
    assert (began.exit, began.document["code"]) == (Exit.OUTSIDE, "remote-unreachable")
    assert "run `hyops-gitops evidence init` there to continue" in str(began.document["hint"])
    assert run("git", "-C", directory, "status", "--porcelain") == b""
    again = init("--remote-url", str(tmp_path / "none.git")).document["next"]
    assert isinstance(again, list)
    assert not [step for step in again if "CHANGE-ME" in step]  # what the first call filled in is there


def test_whose_commit_it_is_must_be_known(init: Init, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("EMAIL", "")
    (directory.parent / "config").write_text("[user]\n\tuseConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(directory.parent / "config"))
    began = init("--commit")
    assert (began.exit, began.document["message"]) == (Exit.USAGE, "git does not know who commits")


# --- workflows, owners, rulesets


def test_hooks_and_workflows_call_the_tool_at_one_commit(init: Init, directory: Path) -> None:
    init("--tool-repo", "https://git.example.net/dns/hyops-gitops.git", "--tool-ref", HASH, "--runner", "dns")
    workflows = (directory / ".github" / "workflows").glob("*.yml")
    used = sorted(line.split()[1] for file in workflows for line in file.read_text().splitlines() if " uses: " in line)
    names = ("apply", "drift", "validate")
    assert used == [f"dns/hyops-gitops/.github/workflows/{name}.yml@{HASH}" for name in names]
    hooks = (directory / ".pre-commit-config.yaml").read_text()
    assert "repo: https://git.example.net/dns/hyops-gitops.git" in hooks
    assert f"rev: {HASH}" in hooks
    assert 'runner: "dns"' in (directory / ".github" / "workflows" / "apply.yml").read_text()


@pytest.mark.parametrize(
    "check",
    [
        ["actionlint", "-color"],
        ["zizmor", "--offline", "--pedantic", "--no-progress", "."],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"],
    ],
    ids=lambda check: check[0],
)
def test_the_workflows_pass_the_linters(init: Init, directory: Path, check: list[str]) -> None:
    init("--tool-ref", HASH)
    files = sorted(map(str, (directory / ".github" / "workflows").iterdir())) if "schema" in check[0] else []
    program = Path(sys.executable).with_name(check[0])
    done = subprocess.run([program, *check[1:], *files], cwd=directory, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_hooks_and_inputs_are_those_that_the_tool_has(init: Init, directory: Path) -> None:
    init()
    yaml = YAML(typ="safe")
    hooks = {hook["id"] for hook in yaml.load(ROOT / ".pre-commit-hooks.yaml")}
    (used,) = yaml.load(directory / ".pre-commit-config.yaml")["repos"]
    assert {hook["id"] for hook in used["hooks"]} <= hooks
    for file in (directory / ".github" / "workflows").iterdir():
        ours, theirs = yaml.load(ROOT / ".github" / "workflows" / file.name), yaml.load(file)
        ((name, caller),) = theirs["jobs"].items()
        inputs = (ours["on"]["workflow_call"] or {}).get("inputs", {})
        assert caller.get("with", {}).keys() <= inputs.keys()
        granted = {(scope, right) for job in ours["jobs"].values() for scope, right in job["permissions"].items()}
        assert set(caller["permissions"].items()) == granted
        if file.name == "validate.yml":  # the check that the ruleset on main requires
            job = caller["name"], ours["jobs"]["contracts"]["name"]
            assert (name, " / ".join(job)) == ("validate", CHECK)


def test_owners_approve_their_endpoints_and_admins_what_is_protected(init: Init, directory: Path) -> None:
    zone = directory.parent / "zone"
    zone.write_text(f"$ORIGIN {ZONE}.\n$TTL 60\n@ SOA a. b. 1 2 3 4 5\npg.prod A 10.0.0.1\n")
    init("--from-zone", zone, "--default-port", "5432", "--default-owner", "data platform", "--owner-org", "acme",
         "--admins", "@acme/dns")  # fmt: skip
    lines = (directory / ".github" / "CODEOWNERS").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "* @acme/dns",
        "/endpoints/prod/pg.yaml @acme/data-platform",
        "/authority/ @acme/dns",
        "/.github/ @acme/dns",
        "/schemas/ @acme/dns",
        "/.pre-commit-config.yaml @acme/dns",
    ]


def test_the_rulesets_that_a_forge_has_to_enforce(init: Init) -> None:
    began = init("--github", "print")
    listed = began.document["rulesets"]
    assert isinstance(listed, list)
    main, written, never = listed
    rules = {rule["type"]: rule.get("parameters", {}) for rule in main["rules"]}
    assert main["conditions"]["ref_name"]["include"] == ["refs/heads/main"]
    assert main["bypass_actors"] == []
    assert rules["pull_request"] == {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": True,
        "require_last_push_approval": True,
        "required_review_thread_resolution": True,
    }
    assert rules["required_status_checks"]["required_status_checks"] == [{"context": "validate / contracts"}]
    assert [rule["type"] for rule in written["rules"]] == ["creation", "update"]
    assert written["bypass_actors"] == [{"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"}]
    assert {rule["type"] for rule in never["rules"]} >= {"deletion", "non_fast_forward"}
    assert never["bypass_actors"] == []


def test_rulesets_are_set_by_the_github_cli_and_none_is_changed(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "gh"
    fake.parent.mkdir()
    fake.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n'
        f'case "$*" in *POST*) cat >>{tmp_path}/posted ;; *) echo \'[{{"name": "hyops: main is reviewed"}}]\' ;; esac\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    began = init("--github", "set", "--github-repo", "acme/dns")
    said = began.document["rulesets_said"]
    assert isinstance(said, list)
    assert said[0].endswith("left as it is")
    assert [one.endswith(": created") for one in said[1:]] == [True, True]
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        "api repos/acme/dns/rulesets --paginate",
        *["api --method POST repos/acme/dns/rulesets --input -"] * 2,
    ]
    assert "DeployKey" in (tmp_path / "posted").read_text()


def test_a_text_result_says_where_the_private_half_is(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = directory.parent / "key"
    assert execute(["init", str(directory), *REQUIRED, "--generate-key", str(key), "--github", "print"]) == Exit.OK
    printed = capsys.readouterr().out
    assert f"its private half is only in {key}" in printed
    assert key.read_text() not in printed
