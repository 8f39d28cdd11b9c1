"""Separation of duties: whether somebody other than its makers approved a change, as it was merged."""

from collections.abc import Collection

from hyops_gitops.core.people import Approval, MergedCommit, Person

_BOT = "[bot]"


def missing_approval(merged: MergedCommit, pushers: Collection[Person] = ()) -> str | None:
    """Why a commit has no independent approval, or None when it has one.

    Args:
        merged: The commit and its approvals.
        pushers: Who made the last commit of what was merged, where that is known.
    """
    if not merged.approvals:
        return "nobody approved it"
    reasons = [_why_not(approval, merged, pushers) for approval in merged.approvals]
    return None if None in reasons else "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def same_person(one: Person, other: Person) -> bool:
    """Whether two names mean one person: by the forge's id where both have one, else by name."""
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.name.casefold() == other.name.casefold()


def _why_not(approval: Approval, merged: MergedCommit, pushers: Collection[Person]) -> str | None:
    by = approval.by
    if by.name.endswith(_BOT):
        return f"{by.name} is not a human"
    if same_person(by, merged.author):
        return f"{by.name} approved their own change"
    if any(same_person(by, pusher) for pusher in pushers):
        return f"{by.name} approved and pushed last"
    if approval.commit is not None and merged.head is not None and approval.commit != merged.head:
        return f"{by.name} approved {approval.commit[:12]}, not the last head {merged.head[:12]}"
    return None
