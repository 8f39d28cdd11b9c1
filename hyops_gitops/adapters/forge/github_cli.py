"""Runs `gh api`: GitHub's CLI has the credentials, so that this program needs none of its own."""

import os
import subprocess
from collections.abc import Mapping

from hyops_gitops.adapters.git.process import printable, summary
from hyops_gitops.adapters.host.programs import not_run
from hyops_gitops.core.errors import OutsideFailure

_TIMEOUT_S = 60.0


def gh_api(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ) -> bytes:
    """The answer of one call.

    Raises:
        OutsideFailure: codes `no-gh`, `gh-failed`.
    """
    try:
        done = subprocess.run(
            ["gh", "api", *arguments],
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT_S,
            env=dict(environ),
            check=False,
        )
    except OSError as error:
        raise not_run(
            "gh, the GitHub CLI,",
            error,
            code="no-gh",
            hint="`--github print` prints the rulesets; Settings, Rules, Import a ruleset takes each",
        ) from None
    except subprocess.TimeoutExpired:
        raise OutsideFailure(f"gh took longer than {_TIMEOUT_S:.0f} s", code="gh-failed") from None
    if done.returncode != 0:
        words = summary(printable(done.stderr)) or f"status {done.returncode}"
        raise OutsideFailure(f"gh failed: {words}", code="gh-failed", hint="`gh auth status` says who you are")
    return done.stdout
