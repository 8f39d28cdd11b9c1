"""Rulesets of a GitHub repository: set those that are not there, and see which rules hold for a branch."""

import json
import os
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from hyops_gitops.adapters.forge.github_cli import gh_api
from hyops_gitops.core.errors import OutsideFailure


class GithubRulesets:
    """The rulesets of one repository, `owner/name`. Never changes one that exists."""

    def __init__(self, repository: str, environ: Mapping[str, str] = os.environ) -> None:
        self._path = f"repos/{repository}"
        self._environ = environ

    def __call__(self, wanted: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
        """Create those whose name is not there; what became of each.

        Raises:
            OutsideFailure: codes `no-gh`, `gh-failed`.
        """
        known = self._listed(f"{self._path}/rulesets", "name")
        said: list[str] = []
        for one in wanted:
            if one["name"] in known:
                said.append(f"{one['name']}: is there already, left as it is")
                continue
            body = json.dumps(one).encode()
            path = f"{self._path}/rulesets"
            gh_api("--method", "POST", path, "--input", "-", stdin=body, environ=self._environ)
            said.append(f"{one['name']}: created")
        return tuple(said)

    def rules_of(self, branch: str) -> frozenset[str]:
        """The types of the rules that hold for a branch.

        Raises:
            OutsideFailure: codes `no-gh`, `gh-failed`.
        """
        return self._listed(f"{self._path}/rules/branches/{quote(branch, safe='')}", "type")

    def _listed(self, path: str, field: str) -> frozenset[str]:
        listed = gh_api(path, "--paginate", environ=self._environ)
        try:
            return frozenset(str(one[field]) for one in json.loads(listed))
        except (ValueError, TypeError, KeyError):
            raise OutsideFailure("gh answered something else than a list of rules", code="gh-failed") from None
