"""A log whose every text is hostile: markup, quotes, template syntax, characters that move a cursor."""

from dataclasses import fields, is_dataclass, replace

from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import Entry, EntryList
from hyops_gitops.report.facts import Facts
from tests.golden import values
from tests.support.reported import facts_about, with_entries

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }}\u202e\x1b]0;x\x07\n-->"
OWN_WORDS = {"base64", "outcome", "verdict", "action", "rcode", "role", "kind", "key", "type"}


def spoiled(value: object) -> object:
    """The same value with hostile text in every field that holds text of others."""
    if is_dataclass(value) and not isinstance(value, type):
        new = {}
        for known in fields(value):
            own = getattr(value, known.name)
            new[known.name] = own if known.name in OWN_WORDS else spoiled(own)
        made = object.__new__(type(value))
        for name, own in new.items():
            object.__setattr__(made, name, own)
        return made
    if type(value) is str:
        return HOSTILE
    if isinstance(value, tuple):
        parts = [spoiled(part) for part in value]
        return value._make(parts) if hasattr(value, "_make") else tuple(parts)
    if isinstance(value, dict):
        return {name: spoiled(own) for name, own in value.items()}
    return value


def hostile_entries() -> EntryList:
    """Entries of every type whose every text is hostile."""
    _, entries = values.log()
    found = EntryList()
    for entry in entries:
        body = spoiled(entry.body)
        assert isinstance(body, Body)
        envelope = replace(entry.envelope, principal=HOSTILE, tool=HOSTILE, run={HOSTILE: HOSTILE})
        found.append(b"", Entry(envelope, body, entry.sha256))
    return found


def hostile_facts() -> Facts:
    entries = hostile_entries()
    log = with_entries(values.log()[1], values.ZONE)
    return facts_about(replace(log, entries=entries))
