"""The programs of this machine."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hyops_gitops import __version__
from hyops_gitops.core.authority import bound_url
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure, Refused
from hyops_gitops.core.text import masked

if TYPE_CHECKING:
    from hyops_gitops.core.authority import ApiEndpoint


_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts while the machine sleeps, where it can


class SystemClock:
    """Meets `core.ports.Clock`; the wall clock is read once.

    Set meanwhile, it would date an entry after the check that it agrees with the log and the API; one that is dated far
    ahead keeps every other applier from writing until then.
    """

    _BOOTED = time.time() - time.clock_gettime(_SINCE_BOOT)

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.fromtimestamp(self._BOOTED + time.clock_gettime(_SINCE_BOOT), UTC)

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


PRIMARY_URL = "HYOPS_PRIMARY_URL"
SECONDARY_URLS = "HYOPS_SECONDARY_URLS"


def primary_key(api: "ApiEndpoint", environ: Mapping[str, str], zone: str = "") -> str:
    """The primary's API key.

    Raises:
        Refused: guard `primary-url`: the binding disagrees, or is missing where CI is set.
        OutsideFailure: code `powerdns-no-key`: neither the variable nor its file is set, or the file cannot be taken.
    """
    bound = bound_url(environ.get(PRIMARY_URL, ""), zone)
    if not bound and environ.get(PRIMARY_URL):
        raise Refused(
            f"{PRIMARY_URL} names no server for {zone}: its API key is not sent to {api.url}",
            guard="primary-url",
            hint=f"add {zone}={api.url} to {PRIMARY_URL}, where the key is kept",
        )
    if not bound and environ.get("CI"):
        raise Refused(
            f"{PRIMARY_URL} is not set: in CI the API key must be bound to its server",
            guard="primary-url",
            hint=f"keep {PRIMARY_URL}={api.url} beside {api.key_env}, where pull requests cannot change it",
        )
    if bound and bound.rstrip("/") != api.url:
        raise Refused(
            f"primary.api_url is {api.url}, but {PRIMARY_URL} says {_shown(bound)}: the API key is not sent there",
            guard="primary-url",
            hint=f"if the primary really moved, change {PRIMARY_URL} where the key is kept",
        )
    key = api_key(api, environ)
    if not key:
        raise OutsideFailure(
            f"no API key: {api.key_env} is not set",
            code="powerdns-no-key",
            hint=f"put the key of {api.url} into {api.key_env}, or into the file that {api.key_env}_FILE names",
        )
    return key


def secondary_key(api: "ApiEndpoint", environ: Mapping[str, str]) -> str | None:
    """A secondary's API key, None where unset or of another URL.

    NOTIFY does its work then.
    """
    allowed = {url.strip().rstrip("/") for url in environ.get(SECONDARY_URLS, "").split(",")}
    return api_key(api, environ) or None if api.url in allowed else None


def api_key(api: "ApiEndpoint", environ: Mapping[str, str]) -> str:
    """The key in its variable, or in the file that `POWERDNS_API_KEY_FILE` names.

    Empty where neither is set. The authority file names the variable; a file of several words, such as a private key,
    is never sent.

    Raises:
        OutsideFailure: code `powerdns-no-key`: the file cannot be read or holds something else.
    """
    file = environ.get(f"{api.key_env}_FILE", "")
    if not file or environ.get(api.key_env):
        return environ.get(api.key_env, "")
    try:
        words = Path(file).expanduser().read_text(encoding="ascii").split()
        why = "" if len(words) == 1 else f"expected one word, got {len(words)}"
    except (OSError, ValueError) as error:
        words, why = [], (error.strerror or "" if isinstance(error, OSError) else "it is not text")
    if why:
        hint = f"write the key of {api.url} into it, and nothing else"
        raise OutsideFailure(f"cannot take {api.key_env}_FILE={file}: {why}", code="powerdns-no-key", hint=hint)
    return words[0]


def _shown(url: str) -> str:
    """A URL without credentials."""
    return re.sub(r"//[^/]*@", "//***@", url)


_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NAMESPACE = Path("/proc/self/ns/pid")


def boot_identity() -> str | None:
    """The boot and the process namespace in which process ids count."""
    try:
        return f"{_BOOT_ID.read_text().strip()} {_NAMESPACE.readlink()}"
    except OSError:
        return None


def process_is_gone(pid: int) -> bool:
    """Whether there is no such process, or nothing but its exit status."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"


NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what a shell, `env` or the loader ends with
_NO_USER = re.compile(r"No user exists for uid \d+")  # OpenSSH's programs, whatever they were started for
_NO_USER_HINT = (
    "this user has no line in /etc/passwd, which OpenSSH needs: run as a user that has one, add "
    "`NAME:x:UID:GID::/tmp:/bin/sh` to the image's /etc/passwd, or preload nss_wrapper"
)
_WORDS_LIMIT = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

Done = subprocess.CompletedProcess[bytes]

# API keys, and what is ours alone: a token, a URL with its user, a key in place of its file's name.
_SECRET = re.compile(r"\w*API_KEY(?:_FILE)?|HYOPS_\w*", re.IGNORECASE)


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for another program: nothing that only this one needs."""
    return {name: value for name, value in environ.items() if not _SECRET.fullmatch(name)}


@dataclass(frozen=True, slots=True)
class Program:
    """One program of this machine, and the hint of its absence."""

    name: str
    code: str  # of the failure
    hint: str = ""  # what to do where it is not installed
    slow_hint: str = ""  # what to do where it takes too long
    timeout_s: float = 60.0

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        detached: bool = False,
    ) -> Done:
        """One finished call, whose exit status is the program's own verdict.

        Args:
            arguments: What follows its name.
            stdin: What it reads.
            env: Its environment; ours without secrets unless given.
            cwd: Where it runs.
            detached: In a session of its own, without a terminal to ask on.

        Raises:
            OutsideFailure: it could not run, or took too long.
        """
        try:
            done = subprocess.run(
                [self.name, *arguments],
                input=stdin,
                capture_output=True,
                env=without_secrets(os.environ) if env is None else dict(env),
                cwd=cwd,
                timeout=self.timeout_s,
                check=False,
                start_new_session=detached,
            )
        except OSError as error:
            raise not_run(self.name, error, code=self.code, hint=self.hint) from None
        except subprocess.TimeoutExpired:
            slow = f"it took longer than {self.timeout_s:g} s and was ended"
            raise OutsideFailure(f"cannot run {self.name}: {slow}", code=self.code, hint=self.slow_hint) from None
        why = why_no_verdict(done.returncode, done.stderr)
        if why is not None:
            raise self.no_verdict(why)
        return done

    def no_verdict(self, why: str) -> OutsideFailure:
        """The failure of a program that started without a verdict."""
        return OutsideFailure(f"cannot run {self.name}: {why}", code=self.code, hint=no_user_hint(why))


def why_no_verdict(status: int, stderr: bytes) -> str | None:
    """The reason why a program gave no verdict, by its exit status."""
    printed = words(stderr)
    if (found := _NO_USER.search(printed)) is not None:
        return found[0]
    if status < 0:
        return f"it was ended by signal {-status}"
    if status in (NOT_EXECUTABLE, NOT_FOUND):
        return printed or f"exit status {status}"
    return None


def no_user_hint(text: str) -> str:
    """The remedy for a user without passwd entry."""
    return _NO_USER_HINT if _NO_USER.search(text) else ""


def words(output: bytes) -> str:
    """A program's words on one line, bounded, without control characters."""
    lines = output.decode("utf-8", "replace").splitlines()
    return "; ".join(filter(None, (_CONTROL.sub(" ", line).strip() for line in lines)))[:_WORDS_LIMIT]


def not_run(program: str, error: OSError, *, code: str, hint: str) -> OutsideFailure:
    """The failure to raise where a program cannot be started."""
    missing = isinstance(error, FileNotFoundError) and error.filename in (None, program)
    why = "it is not installed" if missing else str(error.strerror)
    return OutsideFailure(f"cannot run {program}: {why}", code=code, hint=hint)


_SUPPORTED = ((3, 11), (3, 14))  # first and last
# How a program is asked for its version, how it tells, and the oldest that will do. ssh comes with ssh-keygen, which
# prints no version of its own; 8.2 is the first whose ssh-keygen signs and verifies with every type of key.
_ASKED = {
    "git": (("git", "--version"), r"git version ([0-9]+)\.([0-9]+)", (2, 34), "git"),
    "ssh-keygen": (("ssh", "-V"), r"OpenSSH_(?:for_Windows_)?([0-9]+)\.([0-9]+)", (8, 2), "openssh-client"),
}
# The octets 0 to 31 as a public key, and its fingerprint.
_TRIAL_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
_TRIAL_FINGERPRINT = b"SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


def python_version() -> str:
    """This Python and this program.

    Raises:
        OutsideFailure: code `python`: it is none that this program was tried with.
    """
    running = sys.version_info[:2]
    seen = f"Python {platform.python_version()}, hyops-gitops {__version__}"
    if not _SUPPORTED[0] <= running <= _SUPPORTED[1]:
        raise OutsideFailure(seen, code="python", hint="use Python 3.11 to 3.14")
    return seen


def program_version(name: str) -> str:
    """A program's version, in its own words.

    Raises:
        OutsideFailure: code `no-program`: it is not there, cannot run, says something else, or is too old.
    """
    (program, option), pattern, oldest, package = _ASKED[name]
    asked = Program(program, code="no-program", hint=f"install {package}")
    done = asked.run(option)
    printed = words(done.stdout or done.stderr)
    found = re.match(pattern, printed)
    if done.returncode != 0 or found is None:
        raise OutsideFailure(
            f"cannot run {program}: no version in its output: {printed or 'nothing'}",
            code="no-program",
            hint=f"`{program} {option}` shows what is wrong with it",
        )
    if (int(found[1]), int(found[2])) < oldest:
        wanted = ".".join(map(str, oldest))
        raise OutsideFailure(f"{printed} is too old", code="no-program", hint=f"install {package} {wanted} or newer")
    if name == "ssh-keygen":
        _try(Program(name, code="no-program", hint=f"install {package}"))
    return printed


def _try(ssh_keygen: Program) -> None:
    """Whether it works on a key of known fingerprint."""
    done = ssh_keygen.run("-l", "-f", "-", stdin=_TRIAL_KEY)
    if done.returncode != 0 or _TRIAL_FINGERPRINT not in done.stdout.split():
        raise ssh_keygen.no_verdict(words(done.stderr or done.stdout) or "it does not know a key's fingerprint")


RUN_REASON = "HYOPS_RUN_REASON"  # the reason of a run started by hand


def run_from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The CI run by forge-independent names; empty outside of CI."""
    if environ.get("GITHUB_RUN_ID"):
        server, repository, run = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
        known = {
            "url": f"{server}/{repository}/actions/runs/{run}" if server and repository else "",
            "id": run,
            "attempt": environ.get("GITHUB_RUN_ATTEMPT", ""),
            "workflow": environ.get("GITHUB_WORKFLOW_REF", ""),
            "event": environ.get("GITHUB_EVENT_NAME", ""),
            "actor": environ.get("GITHUB_ACTOR", ""),
            "actor_id": environ.get("GITHUB_ACTOR_ID", ""),
        }
    else:
        known = {
            "url": environ.get("CI_JOB_URL", ""),
            "id": environ.get("CI_JOB_ID", ""),
            "event": environ.get("CI_PIPELINE_SOURCE", ""),
            "actor": environ.get("GITLAB_USER_LOGIN", ""),
            "actor_id": environ.get("GITLAB_USER_ID", ""),
        }
    known["reason"] = environ.get(RUN_REASON, "")
    return {name: masked(value) for name, value in known.items() if value}
