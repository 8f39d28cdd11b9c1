"""`cutover`, `failback` and `failover` as edits and commits: what changes, what stays, and what the commit says."""

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import cast

import pytest

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.git.clone import GitRepository
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.declaration import Declaration, DeclaredHold, read_trailers
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.guards import Override
from hyops_gitops.log.log import Log
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.recover.breakglass import Cutover, Failback, select_moves
from hyops_gitops.validate.validation import validate_tree
from tests.move.conftest import CONTRACTS, Clone

PG, WEB = "endpoints/prod/pg.yaml", "endpoints/prod/web.yaml"


def contracts(clone: Clone) -> dict[str, Contract]:
    validation = validate_tree(WorkTree(clone.root), read_document, check_document)
    assert [one for one in validation.findings if one.severity == "error"] == []
    return {one.path: one for one in validation.contracts}


# --- one endpoint


def test_a_cutover_changes_the_target_and_not_a_byte_more(clone: Clone) -> None:
    ran = clone.run("cutover", "pg.prod", "--to", "gcp")

    assert (ran.exit, ran.document["written"]) == (0, [PG])
    assert clone.read(PG) == CONTRACTS[PG].replace("endpoint_target: 10.0.0.1", "endpoint_target: 10.1.0.1")
    assert clone.git("status", "--porcelain") == f"M {PG}"


def test_type_and_port_are_the_sites_and_every_site_means_what_it_meant(clone: Clone) -> None:
    before = contracts(clone)[WEB].sites
    clone.run("cutover", "web.prod", "--to", "gcp")
    there = contracts(clone)[WEB]

    assert (there.target, there.sites) == (before["gcp"], before)
    assert there.active_site == "gcp"
    clone.run("cutover", "web.prod", "--to", "onprem")
    back = contracts(clone)[WEB]
    assert (back.target, back.sites) == (before["onprem"], before)
    assert "# their load balancer" in clone.read(WEB)


def test_a_target_that_is_no_site(clone: Clone) -> None:
    assert clone.run("cutover", "alone.prod", "--target", "10.9.0.1", "--target", "fd00::9").exit == 0
    assert contracts(clone)["endpoints/prod/alone.yaml"].target.values == ("10.9.0.1", "fd00::9")
    assert clone.run("cutover", "alone.prod", "--target", "Lb.example.com.").exit == 0
    assert contracts(clone)["endpoints/prod/alone.yaml"].target.type == "dns"
    refused = clone.run("cutover", "pg.prod", "--target", "10.9.0.1")
    assert (refused.exit, refused.document["findings"][0]["rule"]) == (1, "site-active")  # type: ignore[index]
    assert clone.read(PG) == CONTRACTS[PG]


def test_a_site_gets_another_target_and_is_the_active_one(clone: Clone) -> None:
    assert clone.run("cutover", "pg.prod", "--to", "gcp", "--target", "10.1.0.99").exit == 0
    there = contracts(clone)[PG]

    assert (there.active_site, there.target.values, there.sites["gcp"].values) == (
        "gcp",
        ("10.1.0.99",),
        ("10.1.0.99",),
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["pg.prod"], "usage"),
        (["pg.prod", "--to", "gpc"], "no-site"),
        (["alone.prod", "--to", "gcp"], "no-site"),
        (["gp.prod", "--to", "gcp"], "unknown-name"),
        (["pg.prod", "--target", "10.0.0.1", "--target", "a.example.com"], "bad-target"),
        (["pg.prod", "--prepare", "--to", "gcp"], "usage"),
        (["pg.prod", "--to", "gcp", "--ttl", "5"], "usage"),
        (["pg.prod", "--to", "gcp", "--site-lost", "On Prem"], "bad-trailer"),
        (["pg.prod", "--to", "gcp", "--site-lost", "onprm"], "no-site"),
        (["pg.prod", "--to", "gcp", "--commit", "--branch", "main"], "bad-branch"),
        (["pg.prod", "--to", "gcp", "--override", "history=me"], "bad-trailer"),
        (["pg.prod", "--to", "gcp", "--override", "drift=x"], "bad-override"),
        (["pg.prod", "--to", "gcp", "--commit", "--branch", "a..b"], "bad-branch"),
    ],
)
def test_what_is_no_cutover_changes_nothing(clone: Clone, arguments: list[str], code: str) -> None:
    ran = clone.run("cutover", *arguments)

    assert (ran.exit, ran.document["code"]) == (2, code)
    assert clone.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("name", "code"), [("pg", "ambiguous-name"), ("p", "unknown-name"), ("pg.pro", "unknown-name")]
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["cutover"], ["--to", "gcp"]),
        (["cutover"], ["--prepare"]),
        (["failback"], []),
        (["failover", "--from", "onprem", "--to", "gcp", "--include"], []),
        (["status"], []),
    ],
)
def test_every_command_treats_a_short_name_alike(
    clone: Clone, before: list[str], after: list[str], name: str, code: str
) -> None:
    ran = clone.run(*before, name, *after)

    assert (ran.exit, ran.document["code"]) == (2, code)
    assert "pg.dev.x.internal, pg.prod.x.internal" in str(ran.document["hint"]) or code == "unknown-name"


def test_a_name_without_its_environment_is_enough_where_it_is_the_only_one(clone: Clone) -> None:
    assert clone.run("cutover", "away", "--to", "onprem").exit == 0

    assert clone.git("status", "--porcelain").endswith("endpoints/prod/away.yaml")


@pytest.mark.parametrize("command", [Cutover("pg", "gcp"), Failback("pg")])
def test_break_glass_treats_a_short_name_as_the_other_commands_do(clone: Clone, command: Cutover | Failback) -> None:
    validation = validate_tree(WorkTree(clone.root), read_document, check_document)

    with pytest.raises(UsageError) as caught:
        select_moves(command, validation, cast(Log, None), cast(Workspace, None))

    assert caught.value.code == "ambiguous-name"


def test_a_move_to_where_it_is_does_nothing(clone: Clone) -> None:
    ran = clone.run("cutover", "pg.prod", "--to", "onprem", "--commit")

    assert (ran.exit, ran.document["moves"], ran.document["commit"]) == (0, [], None)
    assert "points there already" in ran.err


def test_an_invalid_contract_is_not_edited(clone: Clone) -> None:
    clone.write(PG, "5432", "0")
    ran = clone.run("cutover", "pg.prod", "--to", "gcp")

    assert (ran.exit, ran.document["code"]) == (1, "findings")


def test_preparing_lowers_the_ttl_to_the_policys_and_never_raises_it(clone: Clone) -> None:
    clone.write(PG, "endpoint_ttl: 30", "endpoint_ttl: 3600  # long")
    ran = clone.run("cutover", "pg.prod", "--prepare")

    assert "endpoint_ttl: 60  # long\n" in clone.read(PG)
    assert "cut over 3600 s after this is applied" in ran.err
    assert clone.run("cutover", "pg.prod", "--prepare").document["moves"] == []
    assert clone.run("cutover", "pg.prod", "--prepare", "--ttl", "20").exit == 0
    assert "endpoint_ttl: 20  # long\n" in clone.read(PG)
    assert clone.run("cutover", "pg.prod", "--prepare", "--ttl", "1").document["code"] == "findings"


def test_a_long_ttl_is_warned_of(clone: Clone) -> None:
    clone.write(PG, "endpoint_ttl: 30", "endpoint_ttl: 3600")

    assert "its TTL is 3600 s, policy.cutover_ttl_max is 60 s" in clone.run("cutover", "pg.prod", "--to", "gcp").err
    assert clone.run("validate").document["findings"][0]["rule"] == "ttl-cutover"  # type: ignore[index]


def test_failback_goes_home_and_without_home_needs_a_log(clone: Clone) -> None:
    clone.run("cutover", "pg.prod", "--to", "gcp")

    assert clone.run("failback", "pg.prod").document["moves"][0]["after"]["site"] == "onprem"  # type: ignore[index]
    assert clone.read(PG) == CONTRACTS[PG]
    assert clone.run("failback", "pg.prod").document["moves"] == []
    assert clone.run("failback", "web.prod").document["code"] == "no-previous-target"


# --- a site


def test_a_failover_that_a_full_disk_stops_half_way_leaves_every_contract_as_it_was(
    clone: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def full(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    ran = clone.run("failover", "--from", "onprem", "--to", "gcp")
    assert (ran.exit, ran.document["code"], clone.git("status", "--porcelain")) == (4, "cannot-write", "")


def test_a_failover_moves_what_has_to_and_says_why_the_rest_stays(clone: Clone) -> None:
    ran = clone.run("failover", "--from", "onprem", "--to", "gcp")

    assert [one["name"] for one in ran.document["moves"]] == [  # type: ignore[attr-defined]
        "pg.dev.x.internal",
        "pg.prod.x.internal",
        "web.prod.x.internal",
    ]
    reasons = {one["name"].split(".")[0]: one["reason"] for one in ran.document["skipped"]}  # type: ignore[attr-defined]
    assert reasons == {
        "alone": "has no site onprem",
        "away": "is active at gcp",
        "stable": "need not move (endpoint_cutover_required: false, by platform/thing); "
        "--include stable.prod.x.internal takes it along",
        "edge": "has no site gcp",
    }
    assert {one.active_site for path, one in contracts(clone).items() if path in ran.document["written"]} == {"gcp"}  # type: ignore[operator]


def test_one_environment_one_taken_along_one_held(clone: Clone) -> None:
    ran = clone.run(
        "failover",
        "--from",
        "onprem",
        "--to",
        "gcp",
        "--env",
        "prod",
        "--include",
        "stable.prod",
        "--hold",
        "web.prod=slow",
    )

    assert [one["name"][:6] for one in ran.document["moves"]] == ["pg.pro", "stable"]  # type: ignore[attr-defined]
    assert {"name": "web.prod.x.internal", "reason": "is held: slow"} in ran.document["skipped"]  # type: ignore[operator]


def test_a_contract_with_findings_is_named(clone: Clone) -> None:
    clone.write("endpoints/dev/pg.yaml", "5432", "0")
    ran = clone.run("failover", "--from", "onprem", "--to", "gcp")

    assert {
        "name": "endpoints/dev/pg.yaml",
        "reason": "has findings: `hyops-gitops validate` shows them",
    } in ran.document["skipped"]  # type: ignore[operator]
    assert len(ran.document["moves"]) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--from", "onprm", "--to", "gcp"], "no-site"),
        (["--from", "onprem", "--to", "onprem"], "usage"),
        (["--from", "onprem", "--to", "gcp", "--env", "prd"], "no-environment"),
        (["--from", "onprem", "--to", "gcp", "--include", "nobody.prod"], "unknown-name"),
        (["--from", "onprem", "--to", "gcp", "--include", "away.prod"], "cannot-include"),
        (["--from", "onprem", "--to", "gcp", "--hold", "web.prod"], "usage"),
        (["--from", "onprem", "--to", "gcp", "--live"], "usage"),
    ],
)
def test_what_is_no_failover_changes_nothing(clone: Clone, arguments: list[str], code: str) -> None:
    ran = clone.run("failover", *arguments)

    assert (ran.exit, ran.document["code"]) == (2, code)
    assert clone.git("status", "--porcelain") == ""


# --- commits


def test_a_failover_is_one_commit_on_a_new_branch_that_says_why(clone: Clone) -> None:
    head = clone.git("rev-parse", "HEAD")
    arguments = [
        "failover",
        "--from",
        "onprem",
        "--to",
        "gcp",
        "--env",
        "prod",
        "--site-lost",
        "--hold",
        "web.prod=later",
    ]
    declared = ["--kind", "incident", "--reason", "power\nis out", "--reference", "INC-1"]
    ran = clone.run(*arguments, *declared, "--override", "drift:pg.prod.x.internal=by hand", "--push")
    branch, commit = str(ran.document["branch"]), str(ran.document["commit"])

    assert (ran.exit, branch, ran.document["pushed"]) == (0, "failover/onprem-to-gcp-prod", True)
    assert clone.git("--git-dir", str(clone.remote), "rev-parse", branch) == commit
    assert clone.git("diff", "--name-only", "HEAD", branch) == PG
    assert clone.git("rev-parse", f"{branch}^") == head == clone.git("rev-parse", "HEAD")
    assert (clone.git("status", "--porcelain"), clone.git("rev-parse", "--abbrev-ref", "HEAD")) == ("", "main")
    assert clone.git("log", "-1", "--format=%an <%ae>", branch) == "Ann Engineer <ann@example.invalid>"
    (info,) = GitRepository(clone.root).first_parent_commits(head, branch)
    reading = read_trailers(info.trailers)
    holds = (DeclaredHold("web.prod.x.internal", "later"),)
    assert reading.declaration == Declaration("incident", "power is out", "INC-1", ("onprem",), holds)
    assert reading.overrides == (Override("drift", "pg.prod.x.internal", "by hand", "trailer"),)
    assert reading.problems == ()
    again = clone.run(*arguments, "--commit")
    assert again.document["branch"] == "failover/onprem-to-gcp-prod-2"


def test_the_printed_commands_make_the_same_commit(clone: Clone) -> None:
    ran = clone.run("cutover", "pg.prod", "--to", "gcp", "--reason", 'it\'s "hot"; $HOME', "--kind", "drill")
    commands = [command for command in ran.document["next"] if command.startswith("git ")]  # type: ignore[attr-defined]
    for command in commands:
        clone.shell(command)
    (info,) = GitRepository(clone.root).first_parent_commits("main", "HEAD")

    assert (info.subject, info.changed) == ("Move pg.prod to gcp", (PG,))
    assert read_trailers(info.trailers).declaration == Declaration("drill", 'it\'s "hot"; $HOME')


def test_nothing_is_committed_beside_uncommitted_contracts(clone: Clone) -> None:
    clone.write(WEB, "443", "444")
    ran = clone.run("cutover", "pg.prod", "--to", "gcp", "--commit")

    assert (ran.exit, ran.document["code"]) == (3, "dirty")
    assert clone.git("branch", "--list") == "* main"
    (clone.root / "notes.txt").write_text("not ours")
    clone.git("checkout", "-q", WEB)
    assert clone.run("cutover", "pg.prod", "--to", "gcp", "--commit").exit == 0


def test_nobody_commits_without_a_name(clone: Clone, tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    ran = clone.run("cutover", "pg.prod", "--to", "gcp", "--commit")

    assert (ran.exit, ran.document["code"]) == (2, "no-identity")


def test_a_commit_is_signed_where_git_is_told_to(clone: Clone, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    for name, value in {"commit.gpgSign": "yes", "gpg.format": "ssh", "user.signingKey": str(tmp_path / "key")}.items():
        clone.git("config", name, value)
    ran = clone.run("cutover", "pg.prod", "--to", "gcp", "--commit")

    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in clone.git("cat-file", "commit", str(ran.document["commit"]))


def test_a_repository_below_the_top_of_its_checkout(clone: Clone, tmp_path: Path) -> None:
    top = tmp_path / "top"
    shutil.copytree(clone.root, top / "dns", ignore=shutil.ignore_patterns(".git"))
    outer = Clone(top / "dns", clone.remote, clone.capsys)
    subprocess.run(["git", "init", "-q", "-b", "main", top], check=True)
    outer.git("add", ".")
    outer.git("commit", "-q", "-m", "Begin")
    ran = outer.run("cutover", "pg.prod", "--to", "gcp", "--commit")

    assert outer.git("diff", "--name-only", "main", str(ran.document["branch"])) == f"dns/{PG}"


def test_a_remote_that_takes_nothing(clone: Clone) -> None:
    hook = clone.remote / "hooks/update"
    hook.write_text("#!/bin/sh\necho 'branches are closed' >&2\nexit 1\n")
    hook.chmod(0o755)
    ran = clone.run("cutover", "pg.prod", "--to", "gcp", "--push")

    assert (ran.exit, ran.document["code"]) == (4, "push-failed")
    assert "branches are closed" in str(ran.document["message"])


def test_a_pull_request_is_opened_where_gh_is(clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "")
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))
    missing = clone.run("cutover", "pg.prod", "--to", "gcp", "--reason", "why", "--pr")
    assert (missing.exit, missing.document["pushed"], missing.document["pull_request"]) == (0, True, None)
    command = missing.document["next"][-1]  # type: ignore[index]
    assert command.startswith("gh pr create --head cutover/pg.prod-to-gcp --title 'Move pg.prod to gcp' --body ")
    gh = programs / "gh"
    gh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\necho Creating\necho https://forge.invalid/pull/7\n'
    )
    gh.chmod(0o755)
    opened = clone.run("cutover", "pg.prod", "--to", "gcp", "--reason", "why", "--pr")
    assert opened.document["pull_request"] == "https://forge.invalid/pull/7"
    said = (tmp_path / "said").read_text()
    assert "cutover/pg.prod-to-gcp-2\n--title\nMove pg.prod to gcp\n" in said
    assert said.endswith("Hyops-Reason: why\n")
    gh.write_text("#!/bin/sh\necho 'not logged in' >&2\nexit 4\n")
    failed = clone.run("cutover", "pg.prod", "--to", "gcp", "--pr")
    assert (failed.exit, failed.document["code"]) == (4, "pull-request-failed")
