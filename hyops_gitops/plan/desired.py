"""Desired RRsets by name, of contracts that were read or not.

A contract that was not read asks for what is recorded of it: it is what it was when it was applied.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from operator import itemgetter
from typing import TypeVar

from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.core.zone import Key, RRset, Zone

_Value = TypeVar("_Value")
_MANY = 1000  # names for which all of ours are listed


@dataclass(frozen=True, slots=True)
class Unread:
    """Contracts not read, because they are as they were applied."""

    read: Callable[[str], Contract | None]  # reads the one at a path all the same
    touched: frozenset[str]  # the paths of all others, gone ones included
    there: bool  # whether there are any


class DesiredZone:
    """The desired RRsets; a held contract keeps what was applied last."""

    def __init__(
        self,
        recorded: ManagedSet,
        contracts: Collection[Contract],
        held: Collection[str],
        unread: Unread | None,
    ) -> None:
        self.recorded = recorded
        self.recorded_at = recorded.entries.at if unread else by_name(recorded.entries)
        self._contracts = {contract.path: contract for contract in contracts}
        self._held = held
        self._unread = unread
        self._asked: dict[str, dict[str, ManagedRRset]] = {}
        for contract in contracts:
            for rrset in contract.rrsets() if contract.path not in held else ():
                self._asked.setdefault(rrset.name, {})[rrset.type] = ManagedRRset(rrset, contract.path)

    def at(self, name: str) -> Mapping[str, ManagedRRset]:
        """What is asked for at a name, by type."""
        kept = {rrtype: entry for rrtype, entry in self.recorded_at(name).items() if self._keeps(entry)}
        return {**kept, **self._asked.get(name, {})}

    def _keeps(self, entry: ManagedRRset) -> bool:
        return entry.contract in self._held or (self._unread is not None and entry.contract not in self._unread.touched)

    def contract(self, path: str) -> Contract | None:
        """The valid contract at a path."""
        found = self._contracts.get(path)
        is_unread = found is None and self._unread is not None and path not in self._unread.touched
        return self._unread.read(path) if is_unread and self._unread is not None else found

    def contract_of(self, name: str) -> Contract | None:
        """The valid contract that has this name or alias, held or not."""
        paths = (entry.contract for entry in self.recorded_at(name).values() if self._unread is not None)
        others = (contract for path in paths if (contract := self.contract(path)) is not None)
        return next((found for found in (*self._contracts.values(), *others) if _has_name(found, name)), None)

    def names(self, observed: Zone) -> Iterator[str]:
        """The names that may differ from what is recorded and observed, sorted."""
        yield from sorted({*self._names_asked(), *self._names_drifted(observed)})

    def _names_asked(self) -> Iterator[str]:
        yield from self._asked
        if self._unread is None:
            yield from self.recorded.names()
        else:
            paths = {*self._unread.touched, *self._contracts, *self._held}
            yield from (entry.rrset.name for path in paths for entry in self.recorded.of_contract(path))

    def _names_drifted(self, observed: Zone) -> Collection[str]:
        """Our names that are not as recorded, or have other records too."""
        if self._unread is None:
            return ()
        differing = {name for name, _ in self.recorded.zone.rrsets.differing(observed.rrsets)}
        if len(differing) > _MANY:
            return differing & self.recorded.names()
        return {name for name in differing if self.recorded_at(name)}


def by_name(values: Mapping[Key, _Value]) -> Callable[[str], Mapping[str, _Value]]:
    """A look-up of a name's values by type, for many names."""
    index: dict[str, dict[str, _Value]] = {}
    for (name, rrtype), value in sorted(values.items(), key=itemgetter(0)):
        index.setdefault(name, {})[rrtype] = value
    return lambda name: index.get(name, {})


def leads_to(name: str, at: Callable[[str], Mapping[str, ManagedRRset]], apex: str) -> frozenset[str]:
    """The target of a name; an alias leads where its contract does.

    So a rename moves nothing.
    """
    here = at(name)
    own = _targets(here)
    entry = here.get("CNAME")
    endpoint = endpoint_name_of_path(entry.contract, apex) if entry else None
    if endpoint is None or str(endpoint) == name:
        return own
    return _targets(at(str(endpoint))) or own


def _has_name(contract: Contract, name: str) -> bool:
    return any(name == rrset.name for rrset in contract.rrsets())


def _targets(entries: Mapping[str, ManagedRRset]) -> frozenset[str]:
    return frozenset(value for entry in entries.values() for value in entry.rrset.rdata)


def rrsets_of(entries: Mapping[str, ManagedRRset]) -> dict[str, RRset]:
    """The RRsets alone, by type."""
    return {rrtype: entry.rrset for rrtype, entry in entries.items()}
