"""Drift of a server that reads the primary's database: its caches, or the database's own replication, are behind."""

from hyops_gitops.core.apply.shared_database import NEW_ZONE_S, NO_ANSWER_S, OLD_ANSWER_S
from hyops_gitops.core.contracts.authority import Secondary
from hyops_gitops.core.inspection.drift import DriftCase, DriftKind, ServerView
from hyops_gitops.core.zone import Zone


def shared_case(
    secondary: Secondary, view: ServerView, expected: Zone, reference: ServerView | None
) -> DriftCase | None:
    """Whether it answers otherwise than the primary. Nobody edits it apart: it has no records of its own.

    Args:
        secondary: Which.
        view: What it holds, or answers.
        expected: What the primary holds, without what the view cannot show.
        reference: The primary, where it could be looked at.
    """
    repair = (
        f"hyops-gitops drift --retransfer {view.name}"
        if secondary.api is not None
        else f"on {view.name}: pdns_control purge '{expected.apex}$'"
    )
    if not view.serves:
        message = f"{view.where} does not answer for {expected.apex} with authority"
        hint = (
            f"does it read the primary's database? It reads the list of its zones every {NEW_ZONE_S} s "
            f"(zone-cache-refresh-interval); a flush by its API makes a new zone known: {repair}"
        )
        return DriftCase(DriftKind.SECONDARY_BEHIND, view.where, None, message, (), hint)
    # Where the primary's own rows contradict each other the primary's case says so.
    contradicted = {row.name for row in reference.damage} if reference is not None else set()
    differences = tuple(found for found in view.differences(expected) if found.name not in contradicted)
    if not differences:
        return None
    many = f"{len(differences)} RRsets differ"
    if view.source == "dns":
        message = f"{view.where} answers otherwise than the primary, whose database it reads: {many}"
        hint = (
            f"its caches keep an answer for up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s: "
            f"look again then, or flush them: {repair}; afterwards look at the replication of the database"
        )
    else:
        message = f"{view.where} reads another state of the database than the primary: {many}"
        hint = "look at the replication of the database, and at which database that server reads"
    return DriftCase(DriftKind.SECONDARY_BEHIND, view.where, None, message, differences, hint)
