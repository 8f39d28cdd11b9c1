"""What a forge has to enforce, as GitHub's rulesets ("Rules" in its REST API).

The log is created and updated by whoever holds the deploy key, rewritten by nobody, administrators included. What
reaches `main` was approved, after its last push, by a code owner, and passed the check.
"""

import re
from collections.abc import Iterable, Sequence

from hyops_gitops.core.contract import Contract

CHECK = "validate / contracts"  # the job of the caller, then the job that it calls
_DEPLOY_KEY = {"actor_id": None, "actor_type": "DeployKey", "bypass_mode": "always"}

Ruleset = dict[str, object]


def rulesets(evidence_branch: str, main: str = "main", check: str = CHECK) -> tuple[Ruleset, ...]:
    """The three rulesets of one repository."""
    reviewed = {
        "required_approving_review_count": 1,
        "dismiss_stale_reviews_on_push": True,
        "require_code_owner_review": True,
        "require_last_push_approval": True,
        "required_review_thread_resolution": True,
    }
    checked = {"strict_required_status_checks_policy": True, "required_status_checks": [{"context": check}]}
    return (
        _ruleset(
            f"hyops: {main} is reviewed",
            main,
            [
                {"type": "deletion"},
                {"type": "non_fast_forward"},
                {"type": "pull_request", "parameters": reviewed},
                {"type": "required_status_checks", "parameters": checked},
            ],
        ),
        _ruleset(
            f"hyops: {evidence_branch} is written by the applier's deploy key",
            evidence_branch,
            [{"type": "creation"}, {"type": "update"}],
            [_DEPLOY_KEY],
        ),
        _ruleset(
            f"hyops: {evidence_branch} is never rewritten",
            evidence_branch,
            [{"type": "deletion"}, {"type": "non_fast_forward"}, {"type": "required_linear_history"}],
        ),
    )


def _ruleset(name: str, branch: str, rules: Sequence[object], bypass: Sequence[object] = ()) -> Ruleset:
    return {
        "name": name,
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": [f"refs/heads/{branch}"], "exclude": []}},
        "bypass_actors": list(bypass),
        "rules": list(rules),
    }


PATH = ".github/CODEOWNERS"
PLACEHOLDER = "@CHANGE-ME"
# What decides who is written to, what is run and who may sign: never left to the owner of an endpoint.
PROTECTED = ("/authority/", "/.github/", "/schemas/", "/.pre-commit-config.yaml")
_HANDLE = re.compile(r"@[A-Za-z0-9-]+(?:/[A-Za-z0-9._-]+)?|[^@\s]+@[^@\s]+")
_SLUG = re.compile(r"[A-Za-z0-9._-]+")


def codeowners(contracts: Iterable[Contract], admins: str | None, organisation: str | None) -> str:
    """The file.

    Args:
        contracts: Those with an `endpoint_owner` get a line of their own.
        admins: Who approves everything else, and alone what is protected; handles separated by blanks.
        organisation: Whose teams the owners are: `data-platform` is `@organisation/data-platform`.
    """
    everybody = admins or PLACEHOLDER
    lines = [
        "# Who has to approve what. The last line that fits a file counts.",
        "# Made by `hyops-gitops init`; lines of endpoints come from their endpoint_owner.",
        f"* {everybody}",
        "",
    ]
    owned = [_line(contract, organisation) for contract in contracts if contract.owner is not None]
    lines += [*owned, ""] if owned else []
    lines += [f"{path} {everybody}" for path in PROTECTED]
    return "".join(f"{line}\n" for line in lines)


def _line(contract: Contract, organisation: str | None) -> str:
    owner = contract.owner or ""
    if _HANDLE.fullmatch(owner):
        return f"/{contract.path} {owner}"
    slug = owner.strip().replace(" ", "-")
    if organisation is not None and _SLUG.fullmatch(slug):
        return f"/{contract.path} @{organisation}/{slug}"
    return (
        f"# /{contract.path}: which team is {owner!r}? init --owner-org ORGANISATION, or an @handle as endpoint_owner"
    )
