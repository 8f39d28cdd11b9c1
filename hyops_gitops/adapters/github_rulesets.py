"""Sets rulesets of a GitHub repository by the GitHub CLI, which has the credentials. Never changes one that exists."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence

from hyops_gitops.adapters.git_process import printable, summary
from hyops_gitops.core.errors import OutsideFailure

_TIMEOUT_S = 60.0


class GithubRulesets:
    """The rulesets of one repository, `owner/name`."""

    def __init__(self, repository: str, environ: Mapping[str, str] = os.environ) -> None:
        self._path = f"repos/{repository}/rulesets"
        self._environ = environ

    def __call__(self, wanted: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
        """Create those whose name is not there; what became of each.

        Raises:
            OutsideFailure: codes `no-gh`, `gh-failed`.
        """
        listed = self._gh(self._path, "--paginate")
        try:
            known = {str(one["name"]) for one in json.loads(listed)}
        except (ValueError, TypeError, KeyError):
            raise OutsideFailure("gh answered something else than a list of rulesets", code="gh-failed") from None
        said: list[str] = []
        for one in wanted:
            if one["name"] in known:
                said.append(f"{one['name']}: is there already, left as it is")
                continue
            self._gh("--method", "POST", self._path, "--input", "-", stdin=json.dumps(one).encode())
            said.append(f"{one['name']}: created")
        return tuple(said)

    def _gh(self, *arguments: str, stdin: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                ["gh", "api", *arguments],
                input=stdin,
                capture_output=True,
                timeout=_TIMEOUT_S,
                env=dict(self._environ),
                check=False,
            )
        except FileNotFoundError:
            raise OutsideFailure(
                "gh, the GitHub CLI, is not installed",
                code="no-gh",
                hint="`--github print` prints the rulesets; Settings, Rules, Import a ruleset takes each",
            ) from None
        except subprocess.TimeoutExpired:
            raise OutsideFailure(f"gh took longer than {_TIMEOUT_S:.0f} s", code="gh-failed") from None
        if done.returncode != 0:
            words = summary(printable(done.stderr)) or f"status {done.returncode}"
            raise OutsideFailure(f"gh failed: {words}", code="gh-failed", hint="`gh auth status` says who you are")
        return done.stdout
