"""PowerDNS servers that read the primary's database (`policy.replication: native`): what their caches do to a change.

The primary's API drops the answers of its own caches only. Measured on 4.7 with the default settings: another server
gives an old answer for up to `query-cache-ttl` plus `cache-ttl` (20 s each), "there is none" for up to
`negquery-cache-ttl` (60 s) plus `cache-ttl`, and does not know a new zone for up to `zone-cache-refresh-interval`.
A flush of its caches by its API (`PUT /cache/flush?domain=ZONE`) ends all of that at once.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.evidence.entry_parts import Retirement, ServerReport

OLD_ANSWER_S = 40
NO_ANSWER_S = 80
NEW_ZONE_S = 300
NEW_ZONE_EXPLAINED = (
    f"PowerDNS reads the list of its zones every {NEW_ZONE_S} s (zone-cache-refresh-interval); a flush by its API "
    "makes the zone known, a restart too"
)
_SETTINGS = "cache-ttl, query-cache-ttl, negquery-cache-ttl"


def is_shared(authority: Authority) -> bool:
    """Whether the secondaries read the primary's database, so that there is nothing to transfer."""
    return authority.policy.replication == "native"


def after_caches(retire: Iterable[Retirement], authority: Authority) -> tuple[Retirement, ...]:
    """The same, later by as long as a server on the primary's database may answer from its caches.

    PowerDNS's packet cache keeps one answer for each shape of a question: what is seen of ours says nothing of others'.
    """
    if not (is_shared(authority) and authority.secondaries):
        return tuple(retire)
    kept = timedelta(seconds=OLD_ANSWER_S)
    return tuple(
        replace(
            due,
            after=due.after + kept if due.after else None,
            not_before=due.not_before + kept if due.not_before else None,
        )
        for due in retire
    )


def caches_explained(zone: str, name: str, *, flushed: bool) -> str:
    """Why a server on the primary's database still answers as before, and what to do."""
    kept = f"up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s ({_SETTINGS})"
    if flushed:
        return (
            f"secondary {name} answers as before although its caches were flushed: does it read the primary's "
            "database, and is that database's own replication up to date?"
        )
    return (
        f"secondary {name} reads the primary's database, and its caches keep an answer for {kept}; to have them "
        f"flushed give its api_url and key, or on {name}: pdns_control purge '{zone}$'"
    )


def late_ones(zone: str, servers: Iterable[ServerReport], flushed: Collection[str]) -> Iterator[str]:
    """What is to be said of each server on the primary's database that answers, but not with the change yet.

    Args:
        zone: The zone.
        servers: What every server answered in the end.
        flushed: Names of the secondaries whose caches could be flushed.
    """
    for server in servers:
        if server.role != "secondary" or server.verdict == "converged":
            continue
        if server.verdict == "silent" and "REFUSED" not in server.rcode:
            continue
        if any(rcode == "REFUSED" for _, _, rcode, _, _ in server.answers):
            yield (f"secondary {server.name} does not know {zone}: {NEW_ZONE_EXPLAINED}")
        else:
            yield caches_explained(zone, server.name, flushed=server.name in flushed)
