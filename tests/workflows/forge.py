"""A forge in a bare repository: protected branches by its `update` hook, and apply.yml run by its `post-receive` hook.

Who pushes is told by PUSHER, which stands for the credential a real forge would look at. Jobs queue as GitHub queues
them: one runs, one waits, and one that comes while another waits takes its place.

Usage (by the hook): python -m tests.workflows.forge SETUP.json COMMIT
"""

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.clone import GIT_CONFIG, run
from tests.support.repository import ROOT
from tests.support.world import World
from tests.workflows.reading import Runner, with_programs

_UPDATE = """#!/bin/sh
# main moves by a merge of the forge, evidence by the deploy key and only forward; nothing else of them is allowed.
case "$1 $PUSHER" in
  "refs/heads/main forge") ;;
  "refs/heads/evidence deploy-key") git merge-base --is-ancestor "$2" "$3" ;;
  "refs/heads/main "* | "refs/heads/evidence "*) echo "$1 is protected" >&2; exit 1 ;;
esac
"""
_POST_RECEIVE = """#!/bin/sh
unset $(git rev-parse --local-env-vars)
while read -r _ commit branch; do
  [ "$branch" = refs/heads/main ] || continue
  printf %s "$commit" >{waiting} # takes the place of one that waits
  PYTHONPATH={root} setsid {python} -m tests.workflows.forge {setup} "$commit" >>{log} 2>&1 </dev/null &
done
"""
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Job:
    """One finished run of apply.yml."""

    commit: str
    failed: str | None
    summary: str
    said: str
    receipt: str  # as the job hands it on; empty: none


@dataclass(frozen=True)
class Forge:
    """The bare repository of a world, with its hooks."""

    world: World
    folder: Path

    @classmethod
    def install(cls, world: World, folder: Path) -> "Forge":
        """Protect the world's remote, and let it run apply.yml for every merge."""
        assert world.remote is not None
        folder.mkdir()
        setup = folder / "setup.json"
        given = {
            "vars.HYOPS_EVIDENCE_REMOTE": str(world.remote),
            "vars.HYOPS_PRIMARY_URL": world.environ["HYOPS_PRIMARY_URL"],
            "vars.HYOPS_SECONDARY_URLS": world.environ["HYOPS_SECONDARY_URLS"],
            "vars.HYOPS_KNOWN_HOSTS": "forge.example ssh-ed25519 AAAA",
            "secrets.POWERDNS_API_KEY": world.environ["POWERDNS_API_KEY"],
            "secrets.HYOPS_API_KEYS": "",
            "secrets.HYOPS_SIGNING_KEY": world.key.read_text().removesuffix("\n"),
            "secrets.HYOPS_DEPLOY_KEY": world.key.read_text().replace("\n", "\r\n"),  # as pasted on Windows
            "github.token": "",
            "inputs.reason": "",
            "inputs.override": "",
        }
        told = {"folder": str(folder), "remote": str(world.remote), "given": given, "path": with_programs()}
        setup.write_text(json.dumps(told))
        texts = {
            "update": _UPDATE,
            "post-receive": _POST_RECEIVE.format(
                root=ROOT, python=sys.executable, setup=setup, log=folder / "hook.log", waiting=folder / "waiting"
            ),
        }
        for name, text in texts.items():
            hook = world.remote / "hooks" / name
            hook.write_text(text)
            hook.chmod(0o755)
        return cls(world, folder)

    def push(self, pusher: str, *refspecs: str) -> tuple[int, str]:
        """Push from the author's clone as somebody."""
        done = subprocess.run(
            ["git", "-C", self.world.root, "push", "-q", "origin", *refspecs],
            env={**self.world.environ, "PUSHER": pusher},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    def merge(self, branch: str, message: str = "Merge a pull request") -> str:
        """What the button does: a merge commit on main; its id."""
        self.world.git("switch", "-q", "main")
        self.world.git("merge", "-q", "--no-ff", "-m", message, branch)
        status, said = self.push("forge", "main")
        assert status == 0, said
        return self.world.git("rev-parse", "HEAD")

    def hold(self, *, on: bool) -> None:
        """Whether a job that has carried out its steps keeps its place."""
        gate = self.folder / "hold"
        if on:
            gate.touch()
        else:
            gate.unlink()

    def wait_for(self, name: str) -> None:
        """Until a file is there that a job writes.

        Raises:
            AssertionError: not in time.
        """
        end = time.monotonic() + DEADLINE_S
        while not (self.folder / name).exists():
            log = self.folder / "hook.log"
            assert time.monotonic() < end, log.read_text() if log.exists() else name
            time.sleep(0.05)

    def job(self, commit: str) -> Job | None:
        """The run for one merge once it is over; None where a newer one took its place."""
        self.wait_for(f"{commit}.over")
        told: dict[str, Any] = json.loads((self.folder / f"{commit}.over").read_text())
        return Job(**told) if told else None


def run_job(setup: Mapping[str, Any], commit: str) -> dict[str, object]:
    """The steps of apply.yml on a fresh clone; what became of them, nothing where a newer run took over."""
    folder = Path(setup["folder"])
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "waiting").read_text() != commit:
            return {}
        job = folder / f"job-{commit}"
        run("git", "clone", "-q", setup["remote"], job / "contracts")
        run("git", "-C", job / "contracts", "checkout", "-q", "--detach", commit)
        environ = {
            **GIT_CONFIG,
            "HOME": str(folder),
            "PUSHER": "deploy-key",
            "GITHUB_SHA": commit,
            "GITHUB_RUN_ID": "4711",
            "GITHUB_SERVER_URL": "https://forge.example",
            "GITHUB_REPOSITORY": "acme/dns",
        }
        runner = Runner(job, job / "temp", setup["given"], environ, path=setup["path"]).run("apply", "apply")
        (folder / f"{commit}.ran").touch()
        while (folder / "hold").exists():
            time.sleep(0.02)
    said = "".join(runner.said.values())
    receipt = runner.outputs.get("steps.receipt.outputs.receipt", "")
    return {"commit": commit, "failed": runner.failed, "summary": runner.summary, "said": said, "receipt": receipt}


def main() -> None:
    """One job, as the hook starts it."""
    setup, commit = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    told = run_job(setup, commit)
    over = Path(setup["folder"]) / f"{commit}.over"
    over.with_suffix(".new").write_text(json.dumps(told))
    over.with_suffix(".new").rename(over)


if __name__ == "__main__":
    main()
