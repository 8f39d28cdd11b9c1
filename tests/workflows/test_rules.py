"""What our workflows may and may not do, read from their YAML."""

import json
import os
import re
from pathlib import Path

import pytest

from hyops_gitops.cli.main import cli
from tests.docs.commands_page import leaves
from tests.support.clone import run
from tests.support.repository import ROOT
from tests.support.world import World
from tests.workflows.reading import (
    NAMES,
    REF,
    REF_OF_VALIDATE,
    TOOL,
    WORKFLOWS,
    Runner,
    Yaml,
    steps_of,
    workflow,
)

COMMANDS = leaves(cli)

TRIGGERS = {
    "validate": {"pull_request", "merge_group", "workflow_call"},
    "apply": {"push", "workflow_dispatch", "workflow_call"},
    "drift": {"schedule", "workflow_dispatch", "workflow_call"},
    "ci": {"push", "pull_request", "merge_group"},
    "release": {"push", "workflow_call"},
}
# Whatever a job may do beyond reading the repository, and why it is harmless there: it runs nothing that it was given.
WRITES = {
    ("validate", "comment"): {"pull-requests": "write"},
    ("apply", "notify"): {},
    ("drift", "issue"): {"issues": "write"},
    ("release", "attest"): {"id-token": "write", "attestations": "write"},
    ("release", "publish"): {"contents": "write"},
}
FROM = "Say where the tool comes from"
PINNED = re.compile(
    r"uses: actions/(?:checkout|setup-python|upload-artifact|download-artifact|attest-build-provenance)"
    r"@[0-9a-f]{40} # v\d+\.\d+\.\d+"
)
each = pytest.mark.parametrize("name", NAMES)
JOBS = [(name, job) for name in NAMES for job in workflow(name)["jobs"]]
each_job = pytest.mark.parametrize(("name", "job"), JOBS)


def text(name: str) -> str:
    return (WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8")


def everything(value: object) -> str:
    """The data without the comments."""
    return json.dumps(value)


def jobs(name: str) -> dict[str, Yaml]:
    found: dict[str, Yaml] = workflow(name)["jobs"]
    return found


def test_no_other_workflow_is_there() -> None:
    assert sorted(path.stem for path in WORKFLOWS.iterdir()) == sorted(NAMES)


@each
def test_triggers(name: str) -> None:
    assert set(workflow(name)["on"]) == TRIGGERS[name]


@each
def test_nothing_is_allowed_but_what_a_job_asks_for(name: str) -> None:
    assert workflow(name)["permissions"] == {}
    for job, told in jobs(name).items():
        allowed = {"contents": "read", "pull-requests": "read"} | WRITES.get((name, job), {})
        assert told["permissions"].items() <= allowed.items()
        assert (told["permissions"].get("contents") == "read") == ((name, job) not in WRITES)


@each
def test_actions_are_pinned_to_a_commit_with_its_version_beside_it(name: str) -> None:
    lines = [line.strip().removeprefix("- ") for line in text(name).splitlines() if "uses:" in line]
    assert [line for line in lines if not PINNED.fullmatch(line)] == []


@each_job
def test_no_expression_becomes_part_of_a_script(name: str, job: str) -> None:
    assert [step["name"] for step in steps_of(name, job) if "${{" in step.get("run", "")] == []


@each_job
def test_no_token_stays_in_a_checkout(name: str, job: str) -> None:
    checkouts = [step for step in steps_of(name, job) if step.get("uses", "").startswith("actions/checkout")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_job
def test_a_job_that_may_write_checks_nothing_out_and_installs_nothing(name: str, job: str) -> None:
    steps = steps_of(name, job)
    if (name, job) in WRITES:
        assert not any(step.get("uses", "").startswith(("actions/checkout", "actions/setup")) for step in steps)
        assert not any("pip" in step.get("run", "") or "hyops-gitops " in step.get("run", "") for step in steps)


@each
def test_nothing_is_carried_from_one_run_to_another(name: str) -> None:
    assert "cache" not in everything(workflow(name))
    # What a release hands from one of its jobs to the next is of that run: signed, and gone after a day.
    assert ("artifact" in everything(workflow(name))) == (name == "release")


@each
def test_the_tool_is_not_the_pull_requests_own(name: str) -> None:
    for job in jobs(name):
        for step in steps_of(name, job):
            if step["name"] == "Check out the tool":
                assert step["with"]["repository"] == f"${{{{ {TOOL} }}}}"
                assert step["with"]["ref"] == f"${{{{ {REF_OF_VALIDATE if name == 'validate' else REF} }}}}"


@pytest.mark.parametrize(("name", "job"), [one for one in JOBS if steps_of(*one)[0].get("name") == FROM])
@pytest.mark.parametrize("unsaid", [(TOOL,), (REF, REF_OF_VALIDATE), (TOOL, REF, REF_OF_VALIDATE)])
def test_a_server_that_does_not_say_the_workflows_commit_is_told_in_one_line(
    name: str, job: str, unsaid: tuple[str, ...], tmp_path: Path
) -> None:
    steps = steps_of(name, job)[:1]
    silent = Runner(tmp_path, tmp_path / "silent", given=dict.fromkeys(unsaid, "")).execute(steps)
    assert silent.failed == FROM
    (line,) = silent.said[FROM].splitlines()
    assert line.startswith("::error::this server does not say of which commit this workflow is")
    assert "give the inputs tool_repository and tool_ref, as docs/ci.md shows" in line
    # What a caller gives stands in for it: the expressions begin with the inputs.
    told = Runner(tmp_path, tmp_path / "told").execute(steps)
    assert (told.failed, told.said) == (None, {FROM: ""})


def test_every_job_that_checks_the_tool_out_looks_where_it_comes_from_first() -> None:
    for name, job in JOBS:
        names = [step.get("name") for step in steps_of(name, job)]
        assert names.index(FROM) < names.index("Check out the tool") if "Check out the tool" in names else True
        assert (FROM in names) == ("Check out the tool" in names), (name, job)
    for name in ("validate", "apply", "drift", "release"):
        inputs = workflow(name)["on"]["workflow_call"]["inputs"]
        assert all(inputs[one]["default"] == "" for one in ("tool_repository", "tool_ref"))


@each
def test_what_is_installed_is_fixed_by_hashes(name: str) -> None:
    pips = [step["run"] for job in jobs(name) for step in steps_of(name, job) if "pip" in step.get("run", "")]
    assert all("--require-hashes" in one or "--no-index --no-deps" in one for one in pips)


# --- validate


def test_validate_knows_no_secret_and_runs_on_no_machine_of_ours() -> None:
    told = everything(workflow("validate"))
    assert "secrets" not in told
    assert "id-token" not in told
    assert "environment" not in told
    assert {job["runs-on"] for job in jobs("validate").values()} == {"ubuntu-24.04"}
    assert jobs("validate")["contracts"]["permissions"] == {"contents": "read"}
    assert "github.token" not in everything(jobs("validate")["contracts"])


# --- apply


def test_only_one_step_has_the_secrets() -> None:
    holders = [step["name"] for step in steps_of("apply", "apply") if "secrets." in everything(step)]
    assert holders == ["Apply"]
    assert [name for name in NAMES if "secrets." in everything(workflow(name))] == ["apply", "release"]
    assert [step["name"] for step in steps_of("release", "bundle") if "secrets." in everything(step)] == ["Bundle"]
    assert "secrets" not in everything({key: value for key, value in jobs("apply")["apply"].items() if key != "steps"})


def test_keys_of_further_primaries_reach_the_program_alone(tmp_path: Path) -> None:
    program = tmp_path / "hyops-gitops"
    program.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\n")
    program.chmod(0o755)
    (step,) = (step for step in steps_of("apply", "apply") if step["name"] == "Apply")
    given = dict.fromkeys(re.findall(r"\$\{\{ (.*?) \}\}", everything(step)), "x")
    given["secrets.HYOPS_API_KEYS"] = "KEY_EU=abc+/==\r\n\nKEY_US=$(touch pwned)"
    runner = Runner(tmp_path, tmp_path / "temp", given, path=f"{tmp_path}:{os.environ['PATH']}").execute([step])

    assert runner.failed is None, runner.said
    environ = (tmp_path / "env").read_text().splitlines()
    assert {"KEY_EU=abc+/==", "KEY_US=$(touch pwned)"} <= set(environ)
    assert not [line for line in environ if line.startswith(("API_KEYS=", "SIGNING_KEY=", "DEPLOY_KEY="))]
    assert not (tmp_path / "pwned").exists()


def test_who_is_notified_is_a_secret_of_one_step_that_has_no_other() -> None:
    notify = jobs("apply")["notify"]
    (step,) = notify["steps"]
    assert re.findall(r"secrets\.(\w+)", everything(workflow("apply")["jobs"])).count("HYOPS_NOTIFY_URL") == 1
    assert re.findall(r"secrets\.(\w+)", everything(notify)) == ["HYOPS_NOTIFY_URL"]
    assert "github.token" not in everything(notify)
    assert (notify["environment"], notify["continue-on-error"], notify["permissions"]) == ("dns-notify", True, {})
    assert notify["if"] == "${{ !cancelled() && vars.HYOPS_NOTIFY && github.ref == 'refs/heads/main' }}"
    assert "$HOOK" not in re.sub(r"printf 'url = \"%s\"\\n' \"\$HOOK\"|\[\[ .* \]\]", "", step["run"])
    hand_on = next(each for each in steps_of("apply", "apply") if each.get("id") == "receipt")
    assert (hand_on["continue-on-error"], "env" in hand_on) == (True, False)


def test_an_apply_is_never_cancelled_and_serves_main_only() -> None:
    job = jobs("apply")["apply"]
    assert job["concurrency"]["cancel-in-progress"] is False
    assert job["if"] == "${{ github.ref == 'refs/heads/main' }}"
    assert job["environment"] == "${{ inputs.environment || 'dns-apply' }}"


def test_the_jobs_token_is_only_read_with() -> None:
    apply = next(step for step in steps_of("apply", "apply") if step["name"] == "Apply")
    assert [name for name, value in apply["env"].items() if "github.token" in value] == ["HYOPS_FORGE_TOKEN"]
    assert jobs("apply")["apply"]["permissions"] == {"contents": "read", "pull-requests": "read"}


# --- the evidence branch


@each
def test_no_trigger_is_about_the_evidence(name: str) -> None:
    for trigger in ("push", "pull_request"):
        if trigger in workflow(name)["on"]:
            expected = {"tags": ["v*"]} if name == "release" else {"branches": ["main"]}
            assert workflow(name)["on"][trigger].items() >= expected.items()
            assert set(workflow(name)["on"][trigger]) <= {*expected, "paths"}


def test_the_evidence_holds_no_workflow(tmp_path: Path) -> None:
    world = World.make(tmp_path, "off.internal")
    paths = run("git", "-C", world.root, "ls-tree", "-r", "--name-only", "origin/evidence").decode().split()
    assert paths
    assert not any(path.startswith(".git") for path in paths)


# --- the command line


@each
def test_every_command_in_a_step_is_one_with_its_options(name: str) -> None:
    for job in jobs(name):
        for step in steps_of(name, job):
            calls = re.findall(r"^ *hyops-gitops (.+?)(?: >|$)", step.get("run", ""), re.MULTILINE)
            assert len(calls) <= 1, f"{step['name']}: one call a step"
            for call in calls:
                words = call.split()
                known = {option for parameter in COMMANDS[words[0]].params for option in parameter.opts}
                assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("section", ["## GitLab CI", "## Gitea Actions"])
def test_other_systems_are_shown_the_same_lines(section: str) -> None:
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").split(section, 1)[1].split("\n## ", 1)[0]
    for name in ("validate", "apply", "drift"):
        for job in jobs(name):
            for step in steps_of(name, job):
                for call in re.findall(r"^ *hyops-gitops (.+?)(?: >|$)", step.get("run", ""), re.MULTILINE):
                    line = re.sub(r" --repo contracts| --format github", "", call).split(' "')[0]
                    assert f"hyops-gitops {line}" in page, line
