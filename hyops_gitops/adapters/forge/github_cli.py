"""Runs `gh api`: GitHub's CLI has the credentials, so that this program needs none of its own."""

import os
from collections.abc import Mapping

from hyops_gitops.adapters.git.process import printable, summary
from hyops_gitops.adapters.host.programs import Program
from hyops_gitops.core.errors import OutsideFailure

_GH = Program(
    "gh", code="no-gh", hint="`--github print` prints the rulesets; Settings, Rules, Import a ruleset takes each"
)


def gh_api(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ) -> bytes:
    """The answer of one call.

    Raises:
        OutsideFailure: codes `no-gh`, `gh-failed`.
    """
    done = _GH.run("api", *arguments, stdin=stdin, env=environ)
    if done.returncode != 0:
        said = summary(printable(done.stderr)) or f"status {done.returncode}"
        raise OutsideFailure(f"gh failed: {said}", code="gh-failed", hint="`gh auth status` says who you are")
    return done.stdout
