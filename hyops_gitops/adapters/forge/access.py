"""Rights on the log's remote and protection of its branches. Pushes nothing."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from hyops_gitops.adapters.git.process import Git, printable, summary
from hyops_gitops.adapters.git.remote import RemoteBranch
from hyops_gitops.adapters.host.machine import Program, without_secrets
from hyops_gitops.core.errors import OutsideFailure
from hyops_gitops.core.exchange import BranchRules

_GH = Program(
    "gh", code="no-gh", hint="`--github print` prints the rulesets; Settings, Rules, Import a ruleset takes each"
)


def gh_api(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ) -> bytes:
    """The answer of one call.

    Raises:
        OutsideFailure: codes `no-gh`, `gh-failed`.
    """
    done = _GH.run("api", *arguments, stdin=stdin, env=without_secrets(environ))
    if done.returncode != 0:
        reason = summary(printable(done.stderr)) or f"status {done.returncode}"
        raise OutsideFailure(f"gh failed: {reason}", code="gh-failed", hint="check the login: `gh auth status`")
    return done.stdout


class GithubRulesets:
    """The rulesets of one repository, `owner/name`. Never changes one that exists."""

    def __init__(self, repository: str, environ: Mapping[str, str] = os.environ) -> None:
        self._path = f"repos/{repository}"
        self._environ = environ

    def __call__(self, wanted: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
        """Create missing rulesets; a line for each.

        Raises:
            OutsideFailure: codes `no-gh`, `gh-failed`.
        """
        known = self._listed(f"{self._path}/rulesets", "name")
        outcomes: list[str] = []
        for rule in wanted:
            if rule["name"] in known:
                outcomes.append(f"{rule['name']}: is there already, left as it is")
                continue
            body = json.dumps(rule).encode()
            path = f"{self._path}/rulesets"
            gh_api("--method", "POST", path, "--input", "-", stdin=body, environ=self._environ)
            outcomes.append(f"{rule['name']}: created")
        return tuple(outcomes)

    def rules_of(self, branch: str) -> frozenset[str]:
        """The types of the rules that hold for a branch.

        Raises:
            OutsideFailure: codes `no-gh`, `gh-failed`.
        """
        return self._listed(f"{self._path}/rules/branches/{quote(branch, safe='')}", "type")

    def _listed(self, path: str, field: str) -> frozenset[str]:
        listed = gh_api(path, "--paginate", environ=self._environ)
        try:
            return frozenset(str(row[field]) for row in json.loads(listed))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise OutsideFailure("expected a list of rules from gh", code="gh-failed") from None


_GITHUB = re.compile(r"(?:https://|ssh://git@|git@)github\.com[/:](?P<name>[\w.-]+/[\w.-]+?)(?:\.git)?/?")
_SETTINGS = {"denyNonFastForwards": "non_fast_forward", "denyDeletes": "deletion"}
_HOOKS = ("update", "pre-receive")


class GitAccess:
    """One remote of one clone."""

    def __init__(self, root: Path, remote: str, branch: str) -> None:
        self._root = root
        self._git = Git(root)
        self._remote = remote
        self._branch = RemoteBranch(self._git, remote, branch)

    def head(self) -> str | None:
        """The commit of the evidence branch there."""
        return self._branch.head()

    def refusal(self, commit: str) -> str | None:
        """The remote's reason to refuse this head, from a dry run."""
        return self._branch.forward(commit, dry_run=True)

    def rules(self, branch: str) -> BranchRules | None:
        """A branch's protection: GitHub's rulesets or a bare repository's settings.

        Raises:
            OutsideFailure: GitHub could not be asked; git could not read that repository.
        """
        url = os.fsdecode(self._git.output("remote", "get-url", "--", self._remote)).strip()
        github = _GITHUB.fullmatch(url)
        if github is not None:
            return BranchRules(True, GithubRulesets(github["name"]).rules_of(branch))
        place = (self._root / url.removeprefix("file://")).resolve()
        return _bare_rules(Git(place), branch, place) if place.is_dir() else None


def _bare_rules(git: Git, branch: str, place: Path) -> BranchRules | None:
    git.output("rev-parse", "--git-dir")  # what git does not use has no settings either, it seems
    rules = frozenset(rule for setting, rule in _SETTINGS.items() if _is_set(git, setting))
    hooks = [place / folder / name for folder in ("hooks", ".git/hooks") for name in _HOOKS]
    # What a hook refuses only its author knows.
    decided = any(os.access(hook, os.X_OK) for hook in hooks)
    return None if decided and branch == "main" else BranchRules(False, rules)


def _is_set(git: Git, setting: str) -> bool:
    return git.ask("config", "--type=bool", "--get", f"receive.{setting}").stdout.strip() == b"true"
