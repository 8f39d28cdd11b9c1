"""What a new or a deleted name does to the wildcards around it (RFC 4592): said in the plan, never a reason to refuse.

A name that comes into being hides the wildcard that answered for it, and every empty non-terminal it brings along
hides that wildcard for the names below; a name that goes uncovers it again.
"""

from collections.abc import Iterator, Sequence

from hyops_gitops.core.names import ancestors
from hyops_gitops.core.plan.plan import Change, Note
from hyops_gitops.core.zone import Zone


def wildcard_notes(observed: Zone, changes: Sequence[Change]) -> Iterator[Note]:
    """A note for each changed name that hides or uncovers a wildcard, directly or by an empty non-terminal."""
    before = observed.names()
    if not any(name.startswith("*.") for name in before):
        return
    written = [change for change in changes if change.writes]
    gone = {change.key for change in written if change.after is None}
    kept = {name for name, rrtype in observed.rrsets if (name, rrtype) not in gone}
    after = kept | {change.name for change in written if change.after is not None}
    existing_before = _with_empty_non_terminals(before, observed.apex)
    existing_after = _with_empty_non_terminals(after, observed.apex)
    for name in sorted({change.name for change in written}):
        lineage = [name, *ancestors(name, observed.apex)][:-1]
        for one in lineage:
            yield from _note(name, one, existing_before, existing_after)


def _note(name: str, one: str, before: set[str], after: set[str]) -> Iterator[Note]:
    wildcard = _wildcard_for(one, before | after)
    if wildcard is None:
        return
    subject = "it" if one == name else f"a name below {one}"
    if one in after and one not in before and wildcard in before:
        yield Note(name, f"{subject} is no longer answered by the wildcard {wildcard}")
    if one in before and one not in after and wildcard in after:
        yield Note(name, f"{subject} is answered by the wildcard {wildcard} from now on")


def _wildcard_for(name: str, existing: set[str]) -> str | None:
    wildcard = "*." + name.split(".", 1)[1]
    return wildcard if wildcard in existing and wildcard != name else None


def _with_empty_non_terminals(names: set[str], apex: str) -> set[str]:
    return names | {ancestor for name in names for ancestor in ancestors(name, apex)}
