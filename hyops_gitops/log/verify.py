"""Verifying the log in a clone, with nothing but the clone."""

from dataclasses import replace

from hyops_gitops.core.errors import InvalidData
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.pinned_heads import SeenHead, check_seen
from hyops_gitops.log.verify_log import Reading
from hyops_gitops.log.workspace import Workspace


def verify_log(workspace: Workspace, seen: tuple[SeenHead, ...] = ()) -> Reading:
    """Check the whole branch, and that heads remembered elsewhere are entries of it.

    Raises:
        FindingsError: the authority file is invalid.
        Refused: guard `evidence-missing`: there is no branch to verify, or nothing pins its genesis.
    """
    zone = workspace.here().zone()  # the signers and the pinned genesis as they lie here
    snapshot = zone.recorded()
    try:
        reading = zone.reading(snapshot)
    except InvalidData as error:
        return Reading(None, 0, (Problem("path", zone.authority.evidence.branch, error.message),))
    if reading.log is None:
        return reading  # what does not verify contradicts every memory anyway
    forgotten = tuple(check_seen(zone.authority.zone, reading.log.entries, seen))
    return replace(reading, problems=(*reading.problems, *forgotten))
