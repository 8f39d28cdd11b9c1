"""Runs git, and translates how it can fail.

Git is configured by its environment, by four layers of configuration files and by the repository itself. What we read
and write must not depend on any of it, so every call is an argument list with an environment of its own:

- of all `GIT_*` variables only those that say how to reach a remote or what the user's configuration is come through;
  most of `git rev-parse --local-env-vars`, which a hook inherits, would point us at another repository or index. Those
  of them that are configuration (`git -c`, GIT_CONFIG_COUNT) do come through: a container says `safe.directory` by
  them, and they can say no more than ~/.gitconfig can; our own `-c` win over them;
- none of our own secrets comes through: git starts ssh, helpers of credentials, and what else its configuration names;
- replace objects are off: they make history look different from what is stored;
- nothing may prompt: no terminal, no askpass window for ssh;
- nothing that only the local repository asks for is run (hooks, a file-system monitor, background maintenance).
"""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from hyops_gitops.adapters.host.machine import NOT_EXECUTABLE, NOT_FOUND, not_run, without_secrets
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, OutsideFailure, UsageError

LOCAL_TIMEOUT_S = 60.0
NETWORK_TIMEOUT_S = 120.0

_KEPT_VARIABLES = frozenset(
    {
        "GIT_ALLOW_PROTOCOL",
        "GIT_ASKPASS",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
    }
)
_OWN_FOLDER = "hyops-gitops"
_KEPT_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GIT_HTTP_", "GIT_PROXY_", "GIT_SSL_")
# Who commits, where a commit is made in the user's name.
_IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
_NO_IDENTITY = ("tell me who you are", "empty ident", "no email was given", "unable to look up current user")
_SETTINGS = (
    "core.quotePath=false",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.splitIndex=false",
    "core.commitGraph=false",  # a cache that may disagree with the commits themselves
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "trailer.separators=:",
)
# A fetch of exactly what is named after it: checked, without tags, prunes or any reference that configuration adds.
PLAIN_FETCH = (
    "-c",
    "fetch.fsckObjects=true",
    "fetch",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-prune",
    "--refmap=",  # the configured refspec forces
)
# How git says no, where its exit status is that of every failure too.
_NO = ("Not a valid commit name", "Not a valid object name", "does not exist in", "exists on disk, but not in")
_FOREIGN_OWNER = re.compile(r"detected dubious ownership in repository at '([^\n]*)'")
_LOCKED = re.compile(r"Unable to create '([^\n']+\.lock)': File exists")
_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_MESSAGE_LIMIT = 500  # characters of git's own words that we repeat


@dataclass(frozen=True, slots=True)
class GitResult:
    """One finished call."""

    status: int
    stdout: bytes
    stderr: str  # masked and free of control characters other than LF

    @property
    def ok(self) -> bool:
        """Whether git succeeded."""
        return self.status == 0


class Place(NamedTuple):
    """A folder of a clone."""

    own: Path  # in the git common directory: caches of ours
    prefix: bytes  # of the folder in the repository; ends in "/", or is empty
    is_cut_off: bool  # whether history is shallow, grafted or replaced


def own_file(git: "Git", name: str, zone: str | None) -> Path:
    """A cache of ours; of one zone, where a repository has several."""
    return git.place.own / (name if zone is None else f"{zone}.{name}")


def _nothing(_text: str) -> None:
    """For calls without a reader."""


@dataclass(frozen=True)
class Git:
    """Git in one directory of one repository."""

    root: Path
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    added: Mapping[str, str] = field(default_factory=dict)  # to the scrubbed environment of every call
    say: Callable[[str], None] = field(default=_nothing, compare=False)  # names what takes long

    @classmethod
    def of(cls, place: "Path | Git") -> "Git":
        """Git in a folder; one given is kept, with its answers."""
        return place if isinstance(place, Git) else cls(place)

    @cached_property
    def settings(self) -> Mapping[str, Sequence[str]]:
        """Every setting's values; sections and variables in lower case."""
        settings: dict[str, list[str]] = {}
        for record in self.output("config", "-z", "--list").split(b"\0")[:-1]:
            name, _, value = record.decode("utf-8", "surrogateescape").partition("\n")
            settings.setdefault(name, []).append(value)
        return settings

    @cached_property
    def promisor(self) -> str | None:
        """The remote of a partial clone; None: it is whole."""
        if not _may_lack_objects(self.root):
            return None
        remotes = [name[len("remote.") : -len(".promisor")] for name in self.settings if name.endswith(".promisor")]
        return next((name for name in (*self.settings.get("extensions.partialclone", ()), *remotes) if name), None)

    @cached_property
    def stored(self) -> set[str]:
        """The ids of objects known to be in a partial clone."""
        return set()

    @cached_property
    def place(self) -> "Place":
        """The folder for our caches, and this folder's place."""
        asked = ("--is-shallow-repository", "--git-common-dir", "--git-path", "info/grafts", "--show-prefix")
        answers = self.output("rev-parse", *asked, "--glob=refs/replace/*").split(b"\n")
        shallow, common, grafts, prefix, *replaced = answers[:-1]
        is_cut_off = shallow == b"true" or bool(replaced) or _has_content(self.root / os.fsdecode(grafts))
        return Place(self.root / os.fsdecode(common) / _OWN_FOLDER, prefix, is_cut_off)

    def output(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout_s: float = LOCAL_TIMEOUT_S,
    ) -> bytes:
        """The standard output of a call that has to succeed.

        Raises:
            UsageError: code `no-repository`.
            OutsideFailure: codes `no-git`, `git-timeout`, `git-ended`, `git-failed`, `foreign-owner`.
        """
        result = self.attempt(*arguments, stdin=stdin, env=env, timeout_s=timeout_s)
        if not result.ok:
            raise self.failure(verb_of(arguments), result)
        return result.stdout

    def ask(self, *arguments: str) -> GitResult:
        """A question that git may answer with no.

        It does so by exit status 1, or by words for what is missing.

        Raises:
            UsageError: code `no-repository`.
            OutsideFailure: as `attempt` does; code `git-failed`: git came to no answer.
        """
        result = self.attempt(*arguments)
        if result.status in (0, 1) or any(no in result.stderr for no in _NO):
            return result
        raise self.failure(verb_of(arguments), result)

    def attempt(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout_s: float = LOCAL_TIMEOUT_S,
    ) -> GitResult:
        """Run git, whose failure is an answer; `env` adds to the environment.

        Raises:
            UsageError: code `no-repository`.
            OutsideFailure: codes `no-git`, `git-timeout`, `git-ended`, `foreign-owner`.
        """
        process = self.start(*arguments, env=env)
        stdout, stderr = _finish(process, stdin, verb_of(arguments), timeout_s)
        result = GitResult(process.returncode, stdout, printable(stderr))
        if not result.ok and (_says_no_repository(result.stderr) or _FOREIGN_OWNER.search(result.stderr)):
            raise self.failure(verb_of(arguments), result)
        if _ended(result):
            raise self.failure(verb_of(arguments), result)
        return result

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start git with pipes to it; the caller ends it.

        Raises:
            OutsideFailure: code `no-git`.
        """
        command = ["git", "-C", str(self.root)]
        for setting in _SETTINGS:
            command += ["-c", setting]
        try:
            # A session of its own: no controlling terminal to prompt on, and one group to end with all helpers.
            return subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self.environment(), **(env or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise not_run("git", error, code="no-git", hint="install git 2.34 or newer") from None

    def environment(self) -> dict[str, str]:
        """The environment of every call."""
        return {**clean_environment(self.environ), **self.added}

    @cached_property
    def surroundings(self) -> frozenset[tuple[str, str]]:
        """The environment when it was first asked for, to compare with others'."""
        return frozenset(self.environment().items())

    def failure(self, verb: str, result: GitResult) -> HyopsError:
        """What a failed call means."""
        words = summary(result.stderr) or f"exit status {result.status}"
        foreign = _FOREIGN_OWNER.search(result.stderr)
        if foreign is not None:
            place = shlex.quote(foreign[1])
            return OutsideFailure(
                f"git does not use the repository at {foreign[1]}: it belongs to another user",
                code="foreign-owner",
                hint=f"git config --global --add safe.directory {place}; where that cannot be written: "
                f"GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0={place}",
            )
        if _says_no_repository(result.stderr):
            return UsageError(
                f"no git repository that can be used: {words}",
                code="no-repository",
                hint="run this in a clone, or name one with --repo DIR",
            )
        if standing := locked(result.stderr):
            return standing
        if _ended(result):
            why = f"it was ended by signal {-result.status}" if result.status < 0 else summary(result.stderr)
            return OutsideFailure(f"cannot run git {verb}: {why}", code="git-ended")
        return OutsideFailure(f"git {verb} failed: {words}", code="git-failed")


def verb_of(arguments: Sequence[str]) -> str:
    """The command among git's arguments; settings stand before it."""
    place = 0
    while arguments[place] == "-c":
        place += 2
    return arguments[place]


def locked(words: str) -> OutsideFailure | None:
    """The failure where a lock file stands in git's way."""
    found = _LOCKED.search(words)
    if found is None:
        return None
    return OutsideFailure(
        f"{found[1]} exists: git is at work in this repository, or was killed while it was",
        code="git-locked",
        hint=f"once no git process works there: rm {shlex.quote(found[1])}",
    )


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment git runs in, made from the caller's."""
    kept = {
        name: value
        for name, value in without_secrets(environ).items()
        if not name.startswith("GIT_") or name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return {
        **kept,
        "LC_ALL": "C",
        "TZ": "UTC",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "SSH_ASKPASS_REQUIRE": "never",
    }


def own_identity(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment's committer, which git takes before any setting."""
    return {name: environ[name] for name in _IDENTITY if name in environ}


def no_identity(stderr: str) -> UsageError | None:
    """The failure of a commit without a known committer."""
    if not any(words in stderr for words in _NO_IDENTITY):
        return None
    return UsageError(
        "git does not know who commits",
        code="no-identity",
        hint="git config --global user.name NAME; git config --global user.email ADDRESS; or set GIT_AUTHOR_NAME, "
        "GIT_AUTHOR_EMAIL, GIT_COMMITTER_NAME and GIT_COMMITTER_EMAIL",
    )


def printable(output: bytes) -> str:
    """Git's words without control characters and credentials."""
    return _CREDENTIALS.sub(r"\1***@", _CONTROL.sub("", output.decode("utf-8", "replace")))


def summary(stderr: str) -> str:
    """The words of a failure on one line, hints left out."""
    lines = [line.strip() for line in stderr.splitlines()]
    return "; ".join(line for line in lines if line and not line.startswith("hint:"))[:_MESSAGE_LIMIT]


def _finish(process: subprocess.Popen[bytes], stdin: bytes, verb: str, timeout_s: float) -> tuple[bytes, bytes]:
    with process:
        try:
            return process.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            raise OutsideFailure(
                f"git {verb} took longer than {timeout_s:g} s and was ended", code="git-timeout"
            ) from None
        except BaseException:
            _end(process)  # interrupted: nothing of ours may continue in the background
            raise


def _may_lack_objects(root: Path) -> bool:
    """Whether a clone may be partial, by its configuration file alone."""
    found = next((place for folder in (root, *root.parents) if (place := folder / ".git").exists()), root)
    try:
        return b"promisor" in (found / "config").read_bytes().lower()
    except OSError:  # a worktree's or a submodule's, or none
        return True


def _has_content(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def _ended(result: GitResult) -> bool:
    """Whether git did not run to its end, or not at all."""
    return result.status < 0 or result.status in (NOT_EXECUTABLE, NOT_FOUND)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _says_no_repository(stderr: str) -> bool:
    return "not a git repository" in stderr.lower() or "cannot change to" in stderr
