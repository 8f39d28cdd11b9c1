"""The signed log as a value."""

from collections.abc import Iterator
from dataclasses import dataclass

from hyops_gitops.core.custody_entries import Gap, Genesis
from hyops_gitops.core.entries import Intent, Result, Unchanged
from hyops_gitops.core.entry_list import EntryList
from hyops_gitops.core.entry_parts import TrustedKey
from hyops_gitops.core.envelope import Entry
from hyops_gitops.core.state import ManagedSet
from hyops_gitops.core.zone import Zone

README = "README.md"


def zone_path(zone: str) -> str:
    """Where the whole zone as last observed is."""
    return f"zones/{zone}.zone"


def state_path(zone: str) -> str:
    """Where the managed set as last applied is."""
    return f"state/{zone}.zone"


@dataclass(frozen=True, slots=True)
class Applied:
    """An intent that reached the zone, and the result that says so."""

    intent: Intent
    intent_entry: Entry
    result: Result
    result_entry: Entry


@dataclass(frozen=True, slots=True)
class Log:
    """A verified log."""

    zone: str
    commit: str  # of the evidence branch
    entries: EntryList  # at least genesis
    head_sig_sha256: str
    observed: Zone  # as last observed
    state: ManagedSet  # as last applied
    trusted: tuple[TrustedKey, ...]  # the keys that count now
    doubtful: tuple[int, ...] = ()  # entries signed by a key after it was stolen, acknowledged or not

    @property
    def head(self) -> Entry:
        """The newest entry."""
        return self.entries[-1]

    @property
    def genesis(self) -> Genesis:
        """What the first entry says."""
        body = self.entries[0].body
        if not isinstance(body, Genesis):  # verification has seen to it
            raise TypeError("the first entry is not genesis")
        return body

    @property
    def open_intent(self) -> Entry | None:
        """The intent that has no result yet, if any."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result):
                return None
            if isinstance(entry.body, Intent):
                return entry
        return None

    @property
    def has_baseline(self) -> bool:
        """Whether an intent has taken the zone as it found it: from then on every change of it is accounted for."""
        return any(self.entries.of_types("intent"))

    @property
    def serial(self) -> int | None:
        """The zone's serial as the newest result left it."""
        newest = next((one.body for one in reversed(self.entries) if isinstance(one.body, Result)), None)
        return newest.after.serial if newest else None

    def applied(self) -> Iterator[Applied]:
        """Every intent recorded as applied, newest first."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent_entry = self.entries[entry.body.intent_seq - 1]
                if isinstance(intent_entry.body, Intent):
                    yield Applied(intent_entry.body, intent_entry, entry.body, entry)

    def applied_to(self, name: str) -> Iterator[Applied]:
        """The intents recorded as applied that speak of one name, oldest first."""
        for intended in self.entries.mentioning(name):
            if isinstance(intended.body, Intent) and intended is not self.open_intent:
                following = (self.entries[index] for index in range(intended.seq, len(self.entries)))
                entry = next(one for one in following if isinstance(one.body, Result))
                if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                    yield Applied(intended.body, intended, entry.body, entry)

    @property
    def last_applied(self) -> Applied | None:
        """The newest intent recorded as applied."""
        return next(self.applied(), None)

    @property
    def recorded(self) -> Intent | Unchanged | None:
        """The newest entry by which contracts were applied or found to ask for nothing; None before the first."""
        for entry in reversed(self.entries):
            if isinstance(entry.body, Unchanged):
                return entry.body
            if isinstance(entry.body, Result) and entry.body.outcome == "applied":
                intent = self.entries[entry.body.intent_seq - 1].body
                return intent if isinstance(intent, Intent) else None
        return None

    @property
    def recorded_commit(self) -> str | None:
        """The contracts' commit that entry names."""
        recorded = self.recorded
        return recorded.contracts.commit if recorded else None

    @property
    def gaps(self) -> tuple[Entry, ...]:
        """The entries that say others are missing."""
        return tuple(
            one for one in self.entries.of_types("gap") if isinstance(one.body, Gap) and one.body.acknowledges is None
        )

    @property
    def acknowledged(self) -> frozenset[int]:
        """The numbers of entries that somebody has looked into; the word of a thief does not count."""
        said = (one.body for one in self.entries.of_types("gap") if one.seq not in self.doubtful)
        return frozenset(one.acknowledges for one in said if isinstance(one, Gap) and one.acknowledges is not None)
