"""Addresses that names lead or led to, and names out of use.

Known from the contracts as they are, and from what was before: the verified log, or where no log was started, the
history of the contracts. No contract has to be valid: one that is not has targets all the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from hyops_gitops.core.contract import TargetType
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import DocumentReader
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.events import Warned
from hyops_gitops.core.names import canonical_name, endpoint_name_of_path
from hyops_gitops.core.zone import RRset, canonical_address, is_address
from hyops_gitops.log.admin_entries import ImportedSegment, Reconcile
from hyops_gitops.log.entries import Intent, Refusal
from hyops_gitops.log.log import Log
from hyops_gitops.log.workspace import Revision, Workspace
from hyops_gitops.plan.plan import Change
from hyops_gitops.validate.building import draft_contract


class ContractFacts(NamedTuple):
    """A name, its addresses and aliases in a contract, valid or not."""

    name: str
    addresses: tuple[str, ...]  # of the target and of every site
    aliases: tuple[str, ...]


class PastRecord(NamedTuple):
    """Records that a name had, or was to have."""

    name: str
    type: str
    rdata: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """An address or name to look for, and names to write instead."""

    text: str  # in its canonical spelling
    message: str  # the verb of a sentence about it
    names: tuple[str, ...]  # to write instead; empty: none is known
    hint: str
    is_current: bool = False  # whether a contract has it now


@dataclass(frozen=True, slots=True)
class AddressBook:
    """What to look for: canonical addresses, and whole names."""

    zones: tuple[str, ...]
    addresses: Mapping[str, Known]
    names: Mapping[str, Known]


def read_book(workspace: Workspace) -> AddressBook:
    """The book of the contracts at HEAD and of everything before.

    Raises:
        FindingsError: no authority file is valid.
        UsageError: there is no such commit.
        Refused: a log was started, and is not here or does not verify.
    """
    zones = workspace.at("HEAD").every_zone()
    present: list[ContractFacts] = []
    past: list[PastRecord] = []
    for zone in zones:
        name, revision = zone.authority.zone, zone.revision
        present += _declared(workspace.read, revision, revision.files.layout.contracts, name)
        log = zone.log(tolerate_doubt=True) if zone.is_started else None
        past += _of_history(zone.workspace, revision, name) if log is None else _of_log(log)
    return make_book([zone.authority.zone for zone in zones], present, past)


def _declared(read: DocumentReader, revision: Revision, paths: Iterable[str], zone: str) -> Iterator[ContractFacts]:
    """What these contract files say, as far as they can be read."""
    for path, source in revision.files.sources(tuple(paths)).items():
        if source.content is not None:
            yield from _of_file(read, path, source.content, zone)


def _of_file(read: DocumentReader, path: str, content: bytes, zone: str) -> Iterator[ContractFacts]:
    document, _ = read(path, content)
    if document is None:
        return
    draft = draft_contract(document)
    name = draft.name or endpoint_name_of_path(path, zone)
    if name is None:
        return
    targets = [target for target in draft.targets() if target.type is not TargetType.DNS]
    values = {canonical_address(value) for target in targets for _, value in target.values if is_address(value)}
    aliases = tuple(canonical_name(alias.name) for alias in draft.aliases)
    yield ContractFacts(canonical_name(str(name)), tuple(sorted(values)), aliases)


def _of_log(log: Log) -> Iterator[PastRecord]:
    """What entries had names lead to, oldest first, and what is applied."""
    for entry in log.entries.of_types("intent", "refusal", "reconcile"):
        changes: tuple[Change, ...] = ()
        match entry.body:
            case Intent(changes=asked) | Refusal(changes=asked) | Reconcile(imported=ImportedSegment(changes=asked)):
                changes = asked
        for change in changes:
            yield from map(_past, filter(None, (change.before, change.after)))
    for name in sorted(log.state.names()):
        yield from map(_past, log.state.rrsets_of(name))


def _past(rrset: RRset) -> PastRecord:
    return PastRecord(rrset.name, rrset.type, rrset.rdata)


def _of_history(workspace: Workspace, revision: Revision, zone: str) -> Iterator[PastRecord]:
    """Every version of each contract on the first-parent line, oldest first."""
    try:
        commits = workspace.history.first_parent_commits(None, revision.commit)
        if workspace.history.is_shallow():
            workspace.on_event(Warned("no log was started and history is cut off: earlier targets are not known"))
    except HyopsError:
        workspace.on_event(Warned("no log was started and there is no history: only present targets are known"))
        return
    for commit in commits:
        paths = [path for path in commit.changed if endpoint_name_of_path(path, zone) is not None]
        for declared in _declared(workspace.read, workspace.at(commit.id), paths, zone):
            yield PastRecord(declared.name, "A", declared.addresses)
            yield from (PastRecord(alias, "CNAME", (declared.name,)) for alias in declared.aliases)


def make_book(zones: Iterable[str], present: Iterable[ContractFacts], past: Iterable[PastRecord]) -> AddressBook:
    """The book of what contracts declare and what names had before."""
    records = _Records()
    for declared in present:
        records.declare(declared)
    for had in past:
        records.remember(had)
    return AddressBook(tuple(zones), dict(records.known_addresses()), dict(records.known_names()))


class _Records:
    """Names and addresses, as they are being collected."""

    def __init__(self) -> None:
        self._current: dict[str, set[str]] = {}  # names by address
        self._former: dict[str, set[str]] = {}
        self._names: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._last: dict[str, PastRecord] = {}  # of each name that ever was

    def declare(self, declared: ContractFacts) -> None:
        self._names.add(declared.name)
        self._aliases.update(dict.fromkeys(declared.aliases, declared.name))
        for address in declared.addresses:
            self._current.setdefault(address, set()).add(declared.name)

    def remember(self, past: PastRecord) -> None:
        if past.type in ("A", "AAAA", "CNAME"):
            self._last[past.name] = past
            for address in past.rdata if past.type != "CNAME" else ():
                self._former.setdefault(address, set()).add(past.name)

    def known_addresses(self) -> Iterator[tuple[str, Known]]:
        for address in sorted({*self._current, *self._former}):
            now = sorted(self._current.get(address, ()))
            before = sorted(self._former.get(address, set()) - set(now))
            instead = tuple(dict.fromkeys([*now, *(name for old in before for name in self.successors(old))]))
            parts = [f"a target of {_listed(now)}"] if now else []
            parts += [f"was a target of {_listed(before)}"] if before else []
            verb = "is " if now else ""
            message = f"{verb}{', and '.join(parts)}"
            yield address, Known(address, message, instead, _hint(instead, before), bool(now))

    def known_names(self) -> Iterator[tuple[str, Known]]:
        for name in sorted({*self._last, *self._aliases} - self._names):
            instead = self.successors(name)
            became = f"was renamed to {_listed(instead)}" if self._was_renamed(name) else "was retired"
            yield name, Known(name, became, instead, _hint(instead, [name]))

    def _was_renamed(self, name: str) -> bool:
        return name in self._aliases or (self._last[name].type == "CNAME" and bool(self.successors(name)))

    def successors(self, name: str) -> tuple[str, ...]:
        """The names of contracts to write in place of one."""
        seen: set[str] = set()
        while name not in self._names:
            last = self._last.get(name)
            if name in self._aliases:
                name = self._aliases[name]
            elif name in seen or last is None:
                return ()
            elif last.type != "CNAME":
                return tuple(sorted({now for address in last.rdata for now in self._current.get(address, ())}))
            else:
                seen.add(name)
                name = canonical_name(last.rdata[0]) if last.rdata else ""
        return (name,)


def _hint(instead: tuple[str, ...], before: Iterable[str]) -> str:
    if instead:
        return f"write {_listed(instead, 'or')}"
    return f"no name took its place; see `hyops-gitops history {next(iter(before), 'NAME')}`"


def _listed(names: Iterable[str], word: str = "and") -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
