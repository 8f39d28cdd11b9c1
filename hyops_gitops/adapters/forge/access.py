"""What this machine may do with the log's remote, and what protects its branches. Pushes nothing."""

import os
import re
from pathlib import Path

from hyops_gitops.adapters.forge.github_rulesets import GithubRulesets
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.adapters.git.remote import RemoteBranch
from hyops_gitops.core.exchange import BranchRules

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
        """Why the remote would not take this commit as the branch's head, as far as a dry run tells."""
        return self._branch.forward(commit, dry_run=True)

    def rules(self, branch: str) -> BranchRules | None:
        """What protects a branch: GitHub's rulesets, or the settings of a bare repository on this machine.

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
