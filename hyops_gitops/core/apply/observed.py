"""What the answers in a server's report show of a change."""

from collections.abc import Collection, Mapping

from hyops_gitops.core.evidence.entry_parts import ServerReport
from hyops_gitops.core.exchange import is_conclusive
from hyops_gitops.core.plan.plan import Change
from hyops_gitops.core.zone import Key

Observed = tuple[str, int | None, tuple[str, ...]]  # rcode, TTL, rdata


def observed(server: ServerReport) -> Mapping[Key, Observed]:
    """What a server answered, by name and type."""
    return {(name, rrtype): (rcode, ttl, rdata) for name, rrtype, rcode, ttl, rdata in server.answers}


def meets(change: Change, answer: Observed | None, *, authoritative: bool) -> bool:
    """Whether an answer shows the change; a cache may count the TTL down, an authority may not."""
    if answer is None or not is_conclusive(answer[0]):
        return False
    _, ttl, rdata = answer
    if change.after is None:
        return change.before is None or rdata != change.before.rdata
    return rdata == change.after.rdata and (ttl == change.after.ttl or not authoritative)


def holds_old(resolver: ServerReport, changes: Collection[Change]) -> bool:
    """Whether a resolver was seen to give something else than these changes, all of one name, have left there."""
    if resolver.verdict != "stale":
        return False
    given = observed(resolver)
    seen = [(change, given[change.key]) for change in changes if change.key in given]
    if not seen:
        return True  # it is stale, and what it gave for this name is not on record
    return any(is_conclusive(one[0]) and not meets(change, one, authoritative=False) for change, one in seen)
