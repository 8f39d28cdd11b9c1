"""What validation says about break-glass, as far as this clone's log tells: segments that nobody else has looked at."""

from collections.abc import Callable
from datetime import datetime

from hyops_gitops.core.breakglass.segment_review import pending_reviews
from hyops_gitops.core.contracts.authority import EvidenceSettings
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.evidence.segment import SEGMENTS
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding
from hyops_gitops.core.rules.tree import START
from hyops_gitops.usecases.evidence.log import read_signers, require_log
from hyops_gitops.usecases.ports import EvidenceStore, VerifiedMark, Verifier
from hyops_gitops.usecases.validation.validate import Validation


def segment_findings(
    validation: Validation,
    open_store: Callable[[EvidenceSettings], EvidenceStore],
    verifier: Verifier,
    mark: VerifiedMark | None,
    now: datetime,
) -> tuple[Finding, ...]:
    """A warning for each segment that waits for a review, an error for one that has waited too long.

    Nothing where this clone has no log, or one without segments, or one that does not verify: that is others' to say.
    """
    authority = validation.authority
    if authority is None or authority.evidence.genesis is None:
        return ()
    try:
        snapshot = open_store(authority.evidence).recorded()
        if snapshot is None or not any(path.startswith(SEGMENTS) for path in snapshot.paths()):
            return ()
        log = require_log(snapshot, authority, read_signers(validation.files), verifier, mark=mark)
    except HyopsError:
        return ()
    pending = pending_reviews(log, authority.policy.breakglass.review_h)
    return tuple(
        finding(
            "breakglass-overdue" if one.overdue(now) else "breakglass-review",
            authority.path,
            START,
            one.message,
            one.hint,
        )
        for one in pending
    )
