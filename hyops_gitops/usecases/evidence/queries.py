"""Questions to the log in this clone: one entry, or everything about a name. Never use the network."""

from dataclasses import dataclass

from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.core.evidence.envelope import Entry, decode, entry_path
from hyops_gitops.core.history.name_history import NameChange, full_name, name_history
from hyops_gitops.core.verification.log_reading import Reading
from hyops_gitops.usecases.evidence.custody import CustodyPorts, read_head
from hyops_gitops.usecases.evidence.log import read_evidence, require_log


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry, as its bytes say, and whether the log it stands in verifies."""

    entry: Entry
    path: str
    content: bytes
    reading: Reading

    @property
    def ok(self) -> bool:
        """Whether the whole log verifies."""
        return self.reading.ok


@dataclass(frozen=True, slots=True)
class History:
    """Every change of a name."""

    zone: str
    name: str
    changes: tuple[NameChange, ...]

    def to_json(self) -> dict[str, object]:
        """`hyops-history/1`."""
        return {
            "format": "hyops-history/1",
            "zone": self.zone,
            "name": self.name,
            "changes": [change.to_json() for change in self.changes],
        }


def show_entry(ports: CustodyPorts, seq: int | None) -> Shown:
    """One entry; the newest when no number is given.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: guard `evidence-missing`.
        UsageError: code `no-entry`.
        InvalidData: it cannot be read as an entry.
    """
    keeping = read_head(ports)
    snapshot = keeping.store.recorded()
    if snapshot is None:
        require_log(None, keeping.authority, keeping.signers, ports.verifier)
        raise AssertionError("unreachable: without a branch there is no log")
    zone = keeping.authority.zone
    try:
        reading = read_evidence(snapshot, keeping.authority, keeping.signers, ports.verifier)
    except InvalidData as error:
        raise InvalidData(error.message, code="evidence-invalid", hint="see `evidence verify`") from None
    last = sum(path.startswith(f"log/{zone}/") and path.endswith(".json") for path in snapshot.paths())
    wanted = last if seq is None else seq
    path = entry_path(zone, max(wanted, 0))
    content = snapshot.read([path]).get(path)
    if content is None:
        raise UsageError(
            f"the log of {zone} has no entry {wanted}", code="no-entry", hint=f"its entries are 1 to {last}"
        )
    return Shown(decode(content), path, content, reading)


def history_of(ports: CustodyPorts, name: str) -> History:
    """Every change of a name, oldest first.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-missing`, `evidence-invalid`.
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    keeping = read_head(ports)
    log = require_log(keeping.store.recorded(), keeping.authority, keeping.signers, ports.verifier, tolerate_doubt=True)
    full = full_name(log, name)
    return History(log.zone, full, tuple(name_history(log, full)))
