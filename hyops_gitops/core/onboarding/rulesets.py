"""What a forge has to enforce, as GitHub's rulesets ("Rules" in its REST API).

The log is created and updated by whoever holds the deploy key, rewritten by nobody, administrators included. What
reaches `main` was approved, after its last push, by a code owner, and passed the check.
"""

from collections.abc import Sequence

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
