"""Which keys count at which place in the log.

The keys of genesis count from the start. A `trust` entry adds and retires keys from its own place on, whatever time an
entry claims: a thief signs the time as well, so only the place in the chain tells before from after. `trust` entries
may also be signed in a namespace of their own, by a recovery key that is kept offline and can do nothing else.
"""

from collections.abc import Iterable, Sequence

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.log.admin_entries import Genesis, TrustChange
from hyops_gitops.log.envelope import Entry
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.parts import TrustedKey

MAIN_NAMESPACE = "hyops-gitops"
TRUST_NAMESPACE = "hyops-gitops-trust"
BREAKGLASS_NAMESPACE = "hyops-gitops-breakglass"
BUNDLE_NAMESPACE = "hyops-gitops-bundle"
GIT_NAMESPACE = "git"  # what git itself signs commits in


@dataclass(frozen=True, slots=True)
class Standing:
    """What the log says about one key."""

    trusted: TrustedKey | None  # None: it does not count now
    trusted_by: int | None = None  # the entry from which it counted
    retired_by: int | None = None  # the entry from which it does not
    last_good_seq: int | None = None  # stolen: what it signed after this entry is in doubt


class TrustBook:
    """The keys that count, brought forward entry by entry."""

    def __init__(self) -> None:
        self._trusted: dict[str, TrustedKey] = {}
        self._trusted_by: dict[str, int] = {}
        self._retired: dict[str, int] = {}
        self._last_good: dict[str, int] = {}

    @classmethod
    def of(cls, entries: Sequence[Entry], ledger: Ledger) -> "TrustBook":
        """As it stands after the entries of a ledger."""
        book = cls()
        for seq in ledger.trust:
            book.accept(seq, entries[seq - 1].body)
        return book

    def accept(self, seq: int, body: object) -> None:
        """Take note of what an entry says about keys."""
        if isinstance(body, Genesis):
            self._add(seq, body.trusted)
        elif isinstance(body, TrustChange):
            self._add(seq, body.trust)
            for key in body.retire:
                self._retire(seq, key.key)
            for compromise in body.compromised:
                self._retire(seq, compromise.key)
                # A later entry can only cast more doubt: the holder of a stolen key may not clear another's.
                self._last_good[compromise.key] = min(
                    compromise.last_good_seq, self._last_good.get(compromise.key, compromise.last_good_seq)
                )

    def why_not(self, principal: str, key: str, namespace: str) -> str | None:
        """Why a key does not count now, or None when it does."""
        trusted = self._trusted.get(key)
        if trusted is None:
            if (seq := self._retired.get(key)) is not None:
                return f"the key was retired by entry {seq}"
            return "the key is not trusted by genesis or a trust entry before this one"
        if trusted.principal != principal:
            return f"the log trusts the key as {trusted.principal!r}, not as {principal!r}"
        if trusted.namespaces and namespace not in trusted.namespaces:
            return f"the key is not trusted for namespace {namespace!r}"
        return None

    def trusted(self) -> tuple[TrustedKey, ...]:
        """The keys that count now."""
        return tuple(self._trusted.values())

    def standing(self, key: str) -> Standing:
        """What is known about a key."""
        return Standing(
            self._trusted.get(key), self._trusted_by.get(key), self._retired.get(key), self._last_good.get(key)
        )

    def _add(self, seq: int, keys: Iterable[TrustedKey]) -> None:
        for key in keys:
            # A retired key stays dead, and one that counts keeps the principal and namespaces it was trusted with.
            if key.key not in self._retired and key.key not in self._trusted:
                self._trusted[key.key] = key
                self._trusted_by[key.key] = seq

    def _retire(self, seq: int, key: str) -> None:
        self._trusted.pop(key, None)
        self._retired.setdefault(key, seq)
