"""Opening a pull request with GitHub's own program; meets the port `PullRequests`."""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.adapters.git.process import printable, summary
from hyops_gitops.adapters.host.programs import Program
from hyops_gitops.core.errors import OutsideFailure

_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class ForgeProgram:
    """Runs in one clone, with the user's own credentials."""

    root: Path
    path: str | None = None  # where programs are looked for; None: as PATH says

    def open(self, command: Sequence[str]) -> str | None:
        """Run the command; what it printed last, or None where the program is missing.

        Raises:
            OutsideFailure: code `pull-request-failed`.
        """
        program = shutil.which(command[0], path=self.path)
        if program is None:
            return None
        try:
            done = Program(program, code="no-program", timeout_s=_TIMEOUT_S).run(*command[1:], cwd=self.root)
        except OutsideFailure as failure:
            raise self._failed(command, failure.message) from None
        if done.returncode != 0:
            raise self._failed(command, summary(printable(done.stderr)) or f"exit status {done.returncode}")
        lines = printable(done.stdout).splitlines()
        return lines[-1].strip() if lines else ""

    def _failed(self, command: Sequence[str], words: str) -> OutsideFailure:
        return OutsideFailure(
            f"{command[0]} opened no pull request: {words}",
            code="pull-request-failed",
            hint=f"the branch is pushed: {shlex.join(command)}",
        )
