"""Starts a program to its end, and tells that it could not run from what it says.

A program that is not there, may not be run, is ended by a signal, lacks a library, or finds no user to run as has come
to no verdict: its exit status means nothing. That is one kind of failure here, with the program's own words; whatever
else a program's status says is for the caller, who knows its verdicts.
"""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.core.errors import OutsideFailure

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # what a shell, `env` or the loader ends with
_NO_USER = re.compile(r"No user exists for uid \d+")  # OpenSSH's programs, whatever they were started for
_NO_USER_HINT = (
    "this user has no line in /etc/passwd, which OpenSSH needs: run as a user that has one, add "
    "`NAME:x:UID:GID::/tmp:/bin/sh` to the image's /etc/passwd, or preload nss_wrapper"
)
_WORDS_LIMIT = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

Done = subprocess.CompletedProcess[bytes]


@dataclass(frozen=True, slots=True)
class Program:
    """One program of this machine, and what to say where it cannot run."""

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
            env: Its environment; ours unless given.
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
                env=None if env is None else dict(env),
                cwd=cwd,
                timeout=self.timeout_s,
                check=False,
                start_new_session=detached,
            )
        except OSError as error:
            raise not_run(self.name, error, code=self.code, hint=self.hint) from None
        except subprocess.TimeoutExpired:
            slow = f"it took longer than {self.timeout_s:.0f} s and was ended"
            raise OutsideFailure(f"cannot run {self.name}: {slow}", code=self.code, hint=self.slow_hint) from None
        why = why_no_verdict(done.returncode, done.stderr)
        if why is not None:
            raise self.no_verdict(why)
        return done

    def no_verdict(self, why: str) -> OutsideFailure:
        """The failure to raise where it started, and did not come to a verdict."""
        return OutsideFailure(f"cannot run {self.name}: {why}", code=self.code, hint=no_user_hint(why))


def why_no_verdict(status: int, stderr: bytes) -> str | None:
    """Why a finished program came to no verdict, None where its exit status is one."""
    said = words(stderr)
    if (found := _NO_USER.search(said)) is not None:
        return found[0]
    if status < 0:
        return f"it was ended by signal {-status}"
    if status in (NOT_EXECUTABLE, NOT_FOUND):
        return said or f"exit status {status}"
    return None


def no_user_hint(text: str) -> str:
    """The remedy where a program's words say that its user has no passwd entry."""
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
