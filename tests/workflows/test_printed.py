"""The jobs that docs/ci.md prints for GitLab and Gitea, run as printed: real repositories, a real zone, spoiled keys.

Played here are a runner's variables and files, the user to whom its clone does not belong, and ssh with the server
behind it: as ssh does, it takes a key only in a form and mode that `ssh-keygen -y` takes, and only from a pinned host.
"""

import base64
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from hyops_gitops.lab.model import Lab
from tests.support.clone import GIT_CONFIG, run
from tests.support.repository import ROOT
from tests.support.world import World
from tests.workflows.hook import taking
from tests.workflows.reading import PATH, Runner, Yaml, with_programs

HOST, REPOSITORY = "forge.example", "dns/contracts"
SPOILED: dict[str, Callable[[str], str]] = {
    "as it is": lambda key: key,
    "carriage returns": lambda key: key.replace("\n", "\r\n"),
    "no line end at the end": lambda key: key.rstrip("\n"),
    "escaped line ends": lambda key: key.replace("\n", "\\n"),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "leading spaces": lambda key: key.replace("\n", "\n  "),
    "text after it": lambda key: key + "# the end\n",
}
_SSH = """#!/bin/bash
PATH={path} key='' hosts=/dev/null; unset GIT_TEST_ASSUME_DIFFERENT_OWNER
while [ $# -gt 2 ]; do
  case $1 in -i) key=$2 && shift ;; -F | -o | -p) shift ;; -oUserKnownHostsFile=*) hosts=$(eval "echo ${{1#*=}}") ;; esac
  shift
done
if [ -n "$key" ] || [[ $2 == *receive-pack* ]]; then
  grep -q '^{host} ' "$hosts" || {{ echo 'Host key verification failed.' >&2; exit 255; }}
  [ "$(ssh-keygen -y -P '' -f "$key" | cut -d ' ' -f 1,2)" = '{public}' ] || {{ echo 'Permission denied (publickey).' >&2; exit 255; }}
fi
cd {folder} && exec sh -c "$(sed "s,'/,'," <<<"$2")"
"""  # noqa: E501 - the script's own lines
_GIT = '#!/bin/sh\nexport GIT_TEST_ASSUME_DIFFERENT_OWNER=1 # git\'s own way to test this\nexec {git} "$@"\n'


def printed(section: str) -> Yaml:
    """The job file below a heading of the page."""
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8").split(f"## {section}\n", 1)[1]
    block = re.search(r"```yaml\n(.*?)```", page.split("\n## ", 1)[0], re.DOTALL)
    assert block is not None
    loaded = YAML(typ="safe", pure=True).load(block[1])
    assert isinstance(loaded, dict)
    return loaded


@dataclass
class Server:
    """A forge that one deploy key may push to, and its runner."""

    world: World
    folder: Path
    deploy: Path

    @classmethod
    def make(cls, world: World, folder: Path) -> "Server":
        assert world.remote is not None
        place = folder / "git" / f"{REPOSITORY}.git"
        place.parent.mkdir(parents=True)
        place.symlink_to(world.remote)
        deploy = folder / "deploy"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", deploy)
        public = " ".join(deploy.with_suffix(".pub").read_text().split()[:2])
        programs = folder / "bin"
        programs.mkdir()
        ssh = _SSH.format(path=PATH, host=HOST, public=public, folder=folder / "git")
        for name, text in {"ssh": ssh, "git": _GIT.format(git=shutil.which("git", path=PATH))}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return cls(world, folder, deploy)

    def merged(self, target: str) -> str:
        """A commit on main that moves the endpoint."""
        self.world.contract("first", target)
        self.world.git("commit", "-q", "-a", "-m", f"Move to {target}")
        self.world.git("push", "-q", "origin", "main")
        return self.world.git("rev-parse", "HEAD")

    def clone(self, name: str, revision: str = "origin/main") -> Path:
        """What a runner checks out; it fetches by ssh, with a credential of its own."""
        clone = self.folder / name
        run("git", "clone", "-q", self.world.remote or "", clone)
        run("git", "-C", clone, "checkout", "-q", "--detach", revision)
        run("git", "-C", clone, "remote", "set-url", "origin", f"git@{HOST}:{REPOSITORY}.git")
        return clone

    def environ(self) -> dict[str, str]:
        """What a job has everywhere."""
        return {
            **GIT_CONFIG,
            "PATH": f"{self.folder / 'bin'}:{with_programs()}",
            "HOME": str(self.folder),
            "CI": "true",
        }


@pytest.fixture
def server(lab: Lab, zone_name: str, tmp_path: Path) -> Server:
    """A forge with a started log, and the first apply done by hand."""
    # The printed jobs know no API of a secondary: its turn to look at a NOTIFY once came after ten seconds.
    world = World.make(
        tmp_path / "world", zone_name, lab, convergence={"timeout_s": 60, "require": ["primary", "secondaries"]}
    )
    world.apply()
    world.git("push", "-q", "origin", "main")
    return Server.make(world, tmp_path / "forge")


lab_only = pytest.mark.parametrize("lab", ["gsqlite3"], indirect=True)
pytestmark = pytest.mark.authority


# --- GitLab


def gitlab(server: Server, job: str, clone: Path, **variables: str) -> tuple[int, str]:
    """A job's script as printed, with its variables expanded as GitLab expands them."""
    page = printed("GitLab CI")
    known = {
        **server.environ(),
        "CI_PROJECT_DIR": str(clone),
        "CI_SERVER_HOST": HOST,
        "CI_PROJECT_PATH": REPOSITORY,
        "CI_COMMIT_SHA": run("git", "-C", clone, "rev-parse", "HEAD").decode().strip(),
        "CI_COMMIT_BRANCH": "main",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        **variables,
    }
    for name, value in {**page["variables"], **page[job].get("variables", {})}.items():
        known[name] = re.sub(r"\$(\w+)", lambda found: known.get(found[1], found[0]), str(value))
    script = "\n".join(page[job]["script"])
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=clone, env=known, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def files(server: Server, clone: Path, keys: Mapping[str, str]) -> dict[str, str]:
    """Variables of type File: beside the clone, for everyone to read and write."""
    folder = clone.with_suffix(".tmp")
    folder.mkdir()
    folder.chmod(0o777)
    named = {}
    for name, content in {**keys, "HYOPS_KNOWN_HOSTS_FILE": f"{HOST} ssh-ed25519 AAAA\r\n"}.items():
        (folder / name).write_text(content, newline="")
        (folder / name).chmod(0o666)
        named[name] = str(folder / name)
    primary = ("POWERDNS_API_KEY", "HYOPS_PRIMARY_URL")
    return {**named, **{name: server.world.environ[name] for name in primary}}


def in_pairs() -> Iterator[tuple[int, str, str]]:
    """How the two keys are spoiled, so that each way is met by each."""
    ways = list(SPOILED)
    return ((number, way, ways[number - 1]) for number, way in enumerate(ways))


@lab_only
def test_the_gitlab_jobs_run_as_printed_with_keys_as_gitlab_hands_them_over(server: Server) -> None:
    world = server.world
    signing, deploy = world.key.read_text(), server.deploy.read_text()
    applied = []
    for number, of_signing, of_deploy in in_pairs():
        commit = server.merged(target := f"10.0.1.{number}")
        clone = server.clone(f"apply{number}")
        keys = {
            "HYOPS_SIGNING_KEY_FILE": SPOILED[of_signing](signing),
            "HYOPS_DEPLOY_KEY_FILE": SPOILED[of_deploy](deploy),
        }
        status, said = gitlab(server, "apply", clone, **files(server, clone, keys))
        assert status == 0, f"{of_signing}, {of_deploy}: {said}"
        assert f"### Applied: `{commit[:12]}`" in said
        assert world.at("first")["A"][1] == (target,)
        assert not any(key.split("\n")[1] in said for key in (signing, deploy))
        applied.append((clone, commit))
    status, said = gitlab(server, "drift", server.clone("drift"))
    assert status == 0, said
    with taking(server.folder) as hook:
        told = {"HYOPS_NOTIFY_URL": hook.url, "CURL_CA_BUNDLE": hook.ca_file, "CI_PIPELINE_URL": "https://forge/1"}
        clone, commit = applied[-1]
        status, said = gitlab(server, "notify", clone, **told)
        assert status == 0, said
        assert hook.body == {"text": f"applied: {world.zone} {commit[:12]}, 1 changes; https://forge/1"}


@lab_only
def test_the_gitlab_merge_request_job_runs_as_printed(server: Server) -> None:
    server.world.git("switch", "-q", "-c", "topic")
    server.world.contract("first", "10.0.0.9")
    server.world.git("commit", "-q", "-a", "-m", "Move")
    server.world.git("push", "-q", "origin", "topic")
    status, said = gitlab(server, "validate", server.clone("review", "origin/topic"))
    assert status == 0, said
    assert "-> 10.0.0.9" in said


@lab_only
@pytest.mark.parametrize(
    ("keys", "status", "said"),
    [
        ({"HYOPS_SIGNING_KEY_FILE": ""}, 3, "it is empty"),
        ({"HYOPS_SIGNING_KEY_FILE": "[MASKED]"}, 3, "the mask that a CI system shows"),
        ({"HYOPS_DEPLOY_KEY_FILE": "PuTTY-User-Key-File-3: ssh-ed25519\n"}, 4, "it is a key of PuTTY"),
    ],
)
def test_a_key_that_cannot_be_taken_ends_the_printed_job_with_its_reason(
    keys: dict[str, str], status: int, said: str, server: Server
) -> None:
    server.merged("10.0.0.5")
    clone = server.clone("apply")
    given = {"HYOPS_SIGNING_KEY_FILE": server.world.key.read_text(), "HYOPS_DEPLOY_KEY_FILE": server.deploy.read_text()}
    ended, words = gitlab(server, "apply", clone, **files(server, clone, {**given, **keys}))
    assert (ended, said in words) == (status, True), words
    assert server.world.at("first")["A"][1] == ("10.0.0.1",)


@lab_only
def test_a_key_in_a_variable_that_is_no_file_is_refused_and_not_shown(server: Server) -> None:
    server.merged("10.0.0.5")
    clone = server.clone("apply")
    key = server.world.key.read_text()
    given = files(server, clone, {"HYOPS_DEPLOY_KEY_FILE": server.deploy.read_text()})
    status, said = gitlab(server, "apply", clone, **given, HYOPS_SIGNING_KEY_FILE=key)
    assert (status, "a variable of type File" in said) == (3, True), said
    assert key.split("\n")[1] not in said


# --- Gitea


def gitea(server: Server, job: str, clone: Path, **secrets: str) -> Runner:
    """A job's steps as printed, but for the checkout, whose result is there."""
    steps = [step for step in printed("Gitea Actions")["jobs"][job]["steps"] if "run" in step]
    given = {f"secrets.{name}": value for name, value in secrets.items()} | {
        "secrets.POWERDNS_API_KEY": server.world.environ["POWERDNS_API_KEY"],
        "vars.HYOPS_PRIMARY_URL": server.world.environ["HYOPS_PRIMARY_URL"],
        "vars.HYOPS_KNOWN_HOSTS": f"{HOST} ssh-ed25519 AAAA",
        "github.token": "",
    }
    environ = {
        **server.environ(),
        "PATH": f"{server.folder / 'own'}:{server.environ()['PATH']}",  # actions/checkout makes its own clone
        "GITHUB_BASE_REF": "main",
        "GITHUB_SERVER_URL": f"https://{HOST}",
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_SHA": run("git", "-C", clone, "rev-parse", "HEAD").decode().strip(),
    }
    (server.folder / "own").mkdir(exist_ok=True)
    if not (server.folder / "own" / "git").exists():
        (server.folder / "own" / "git").symlink_to(shutil.which("git", path=PATH) or "")
    return Runner(clone, clone.with_suffix(".temp"), given, environ).execute(steps)


@lab_only
def test_the_gitea_jobs_run_as_printed_with_secrets_as_they_are_pasted(server: Server) -> None:
    world = server.world
    signing, deploy = world.key.read_text(), server.deploy.read_text()
    jobs = []
    for number, of_signing, of_deploy in in_pairs():
        server.merged(target := f"10.0.1.{number}")
        keys = {"HYOPS_SIGNING_KEY": SPOILED[of_signing](signing), "HYOPS_DEPLOY_KEY": SPOILED[of_deploy](deploy)}
        job = gitea(server, "apply", server.clone(f"apply{number}"), **keys)
        assert job.failed is None, (of_signing, of_deploy, job.said)
        assert world.at("first")["A"][1] == (target,)
        assert not any(key.split("\n")[1] in str(job.said) for key in (signing, deploy))
        jobs.append(job)
    world.git("fetch", "-q", "origin", "evidence")
    with taking(server.folder) as hook:
        given = {
            "secrets.HYOPS_NOTIFY_URL": hook.url,
            "needs.apply.outputs.receipt": jobs[-1].outputs["steps.receipt.outputs.receipt"],
            "github.server_url": f"https://{HOST}",
            "github.repository": REPOSITORY,
            "github.run_number": "5",
        }
        folder, environ = server.folder / "notify", {**server.environ(), "CURL_CA_BUNDLE": hook.ca_file}
        folder.mkdir()
        sent = Runner(folder, folder, given, environ).execute(printed("Gitea Actions")["jobs"]["notify"]["steps"])
        assert sent.failed is None, sent.said
        commit, run_url = world.git("rev-parse", "HEAD")[:12], f"https://{HOST}/{REPOSITORY}/actions/runs/5"
        assert hook.body == {"text": f"applied: {world.zone} {commit}, 1 changes; {run_url}"}
    looked = gitea(server, "drift", server.clone("drift"))
    assert looked.failed is None, looked.said


@lab_only
def test_the_gitea_pull_request_job_runs_as_printed(server: Server) -> None:
    server.world.git("switch", "-q", "-c", "topic")
    server.world.contract("first", "10.0.0.9")
    server.world.git("commit", "-q", "-a", "-m", "Move")
    server.world.git("push", "-q", "origin", "topic")
    job = gitea(server, "validate", server.clone("review", "origin/topic"))
    assert job.failed is None, job.said
    assert "-> 10.0.0.9" in str(job.said)


@lab_only
def test_a_secret_that_a_gitea_job_does_not_have_is_named(server: Server) -> None:
    server.merged("10.0.0.5")
    job = gitea(server, "apply", server.clone("apply"), HYOPS_SIGNING_KEY="", HYOPS_DEPLOY_KEY="")
    assert job.failed is not None
    assert "it is empty" in str(job.said)
    assert "has no value in this job" in str(job.said)


def test_the_enterprise_servers_caller_names_inputs_that_the_workflow_has() -> None:
    caller = printed("GitHub Enterprise Server")["jobs"]["validate"]
    ours = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "validate.yml")
    assert caller["with"].keys() <= ours["on"]["workflow_call"]["inputs"].keys()
    slug, _, commit = caller["uses"].partition("/.github/workflows/validate.yml@")
    assert caller["with"] == {"tool_repository": slug, "tool_ref": commit}
