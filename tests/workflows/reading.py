"""Our workflows as data, and their `run:` steps as a runner on this machine executes them.

A runner's part that is played here: files for outputs and summary, `bash --noprofile --norc -eo pipefail`, later steps
left out after a failure except those with `!cancelled()`. Expressions are looked up, not evaluated: a test gives each
one's value. Not played: actions (`uses:`) and the installation, whose result the tests run with already.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.support.commands import programs
from tests.support.repository import ROOT

WORKFLOWS = ROOT / ".github" / "workflows"
NAMES = ("validate", "apply", "drift", "ci", "release")
Yaml = dict[str, Any]
TOOL = "inputs.tool_repository || job.workflow_repository"
QUEUED_ON = "github.event.merge_group.base_sha"
OWN = f"job.workflow_repository == github.repository && (github.event.pull_request.base.sha || {QUEUED_ON}) || "
REF, REF_OF_VALIDATE = "inputs.tool_ref || job.workflow_sha", f"inputs.tool_ref || {OWN}job.workflow_sha"
# What GitHub says of the commit that a workflow is of; GitHub Enterprise Server and Gitea say nothing.
SAID = {TOOL: "acme/hyops-gitops", REF: "c" * 40, REF_OF_VALIDATE: "c" * 40, QUEUED_ON: ""}
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_OUTPUT = re.compile(r"(\w+)(?:<<(.+)\n((?:.*\n)*?)\2|=(.*))\n")
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin"


def workflow(name: str) -> Yaml:
    """One workflow file."""
    loaded = YAML(typ="safe", pure=True).load((WORKFLOWS / f"{name}.yml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def steps_of(name: str, job: str) -> list[Yaml]:
    """The steps of one job."""
    return list(workflow(name)["jobs"][job]["steps"])


def runs_of(name: str, job: str) -> list[Yaml]:
    """The `run:` steps of one job, without the installation."""
    return [step for step in steps_of(name, job) if "run" in step and not step["name"].startswith("Install")]


def with_programs() -> str:
    """The PATH of a step in our own namespaces."""
    return f"{programs()}:{PATH}"


@dataclass
class Runner:
    """One job on this machine."""

    workspace: Path
    temp: Path
    given: Mapping[str, str] = field(default_factory=dict)  # the value of each expression
    environ: Mapping[str, str] = field(default_factory=dict)  # what a runner sets besides
    prefix: tuple[str, ...] = ()  # how to start a step's shell, such as without a network
    path: str = field(default_factory=with_programs)
    said: dict[str, str] = field(default_factory=dict)  # what each step printed, by its name
    failed: str | None = None  # the first step that did
    outputs: dict[str, str] = field(default_factory=dict)  # `steps.ID.outputs.NAME`

    @property
    def summary(self) -> str:
        """The job's summary."""
        file = self.temp / "summary"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def run(self, name: str, job: str) -> "Runner":
        """Every step that a runner would execute."""
        return self.execute(runs_of(name, job))

    def execute(self, steps: Iterable[Yaml]) -> "Runner":
        """These steps, as a runner executes them."""
        self.temp.mkdir(parents=True, exist_ok=True)
        for step in steps:
            if self.failed is None or "!cancelled()" in str(step.get("if", "")):
                self._step(step)
        return self

    def _step(self, step: Yaml) -> None:
        (output := self.temp / "output").write_text("")
        (script := self.temp / "step.sh").write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            [*self.prefix, "bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={
                "PATH": PATH if self.prefix else self.path,
                "CI": "true",
                "RUNNER_TEMP": str(self.temp),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
                **self.environ,
                **{name: self._value(str(text)) for name, text in step.get("env", {}).items()},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        name = step.get("name", step["run"].split("\n")[0])
        self.said[name] = done.stdout + done.stderr
        if done.returncode != 0 and self.failed is None:
            self.failed = name
        for output_name, _, block, line in _OUTPUT.findall(output.read_text(encoding="utf-8")):
            self.outputs[f"steps.{step.get('id')}.outputs.{output_name}"] = block.removesuffix("\n") or line

    def _value(self, text: str) -> str:
        known = {**SAID, **self.given, **self.outputs}
        return _EXPRESSION.sub(lambda found: known[found[1]], text)


def without_network() -> tuple[str, ...]:
    """Starts a program in a network namespace of its own, which has nothing but a loopback that is down."""
    return ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-r", "-n")
