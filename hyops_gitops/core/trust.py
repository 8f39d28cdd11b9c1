"""Which keys count at which place in the log.

The keys of genesis count from the start. A `trust` entry adds and retires keys from its own place on, whatever time an
entry claims: a thief signs the time as well, so only the place in the chain tells before from after. `trust` entries
may also be signed in a namespace of their own, by a recovery key that is kept offline and can do nothing else.
"""

from collections.abc import Iterable

from hyops_gitops.core.custody_entries import Genesis, TrustChange
from hyops_gitops.core.entry_parts import TrustedKey

MAIN_NAMESPACE = "hyops-gitops"
TRUST_NAMESPACE = "hyops-gitops-trust"
BREAKGLASS_NAMESPACE = "hyops-gitops-breakglass"


class TrustBook:
    """The keys that count, brought forward entry by entry."""

    def __init__(self) -> None:
        self._trusted: dict[str, TrustedKey] = {}
        self._retired: dict[str, int] = {}
        self._last_good: dict[str, int] = {}

    def accept(self, seq: int, body: object) -> None:
        """Take note of what an entry says about keys."""
        if isinstance(body, Genesis):
            self._add(body.trusted)
        elif isinstance(body, TrustChange):
            self._add(body.trust)
            for key in body.retire:
                self._trusted.pop(key.key, None)
                self._retired[key.key] = seq
            for one in body.compromised:
                self._trusted.pop(one.key, None)
                self._retired[one.key] = seq
                self._last_good[one.key] = one.last_good_seq

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

    def doubtful(self, key: str, seq: int) -> bool:
        """Whether an entry was signed by a key after it was stolen."""
        return seq > self._last_good.get(key, seq)

    def trusted(self) -> tuple[TrustedKey, ...]:
        """The keys that count now."""
        return tuple(self._trusted.values())

    def _add(self, keys: Iterable[TrustedKey]) -> None:
        for key in keys:
            if key.key not in self._retired:  # a retired key stays dead
                self._trusted[key.key] = key
