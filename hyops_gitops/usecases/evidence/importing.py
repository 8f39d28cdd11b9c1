"""Bringing back a log that the remote lost: from another clone, or from a bundle."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hyops_gitops.core.apply.events import Step, Warned
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.usecases.evidence.custody import CustodyPorts, read_head
from hyops_gitops.usecases.evidence.log import require_log
from hyops_gitops.usecases.ports import EvidenceSnapshot

_PROBLEMS_SHOWN = 3
BranchCheck = Callable[[str], list[str]]  # what is wrong with the commits up to this one


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought."""

    log: Log
    before: int  # entries that the remote had
    commit_before: str | None

    @property
    def brought(self) -> int:
        """How many entries are new there."""
        return max(0, self.log.head.seq - self.before)

    def to_json(self) -> dict[str, object]:
        """`hyops-evidence-import/1`."""
        head = self.log.head
        return {
            "format": "hyops-evidence-import/1",
            "zone": self.log.zone,
            "brought": self.brought,
            "entries_before": self.before,
            "head": {"seq": head.seq, "sha256": head.sha256},
            "commit": self.log.commit,
            "commit_before": self.commit_before,
        }


def import_log(ports: CustodyPorts, source: Path, check_branch: BranchCheck) -> Imported:
    """Verify another copy of the log in full, and make it the log where it only goes on from what is there.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        UsageError: code `bad-source`.
        Refused: `evidence-missing` (nothing pins a genesis), `evidence-invalid`, `evidence-diverged`, `race`.
        OutsideFailure: the remote cannot be reached.
    """
    keeping = read_head(ports)
    ports.on_event(Step(f"copying branch {keeping.authority.evidence.branch} from {source}"))
    snapshot = keeping.store.offered(source)
    ports.on_event(Step("verifying it in full"))
    log = require_log(snapshot, keeping.authority, keeping.signers, ports.verifier, tolerate_doubt=True)
    if problems := check_branch(snapshot.commit):
        raise Refused(
            f"the branch in {source} was rewritten: {'; '.join(problems[:_PROBLEMS_SHOWN])}",
            guard="evidence-invalid",
            hint="import from another clone, and look into who rewrote this one",
        )
    before = keeping.store.advance(snapshot.commit)
    for problem in keeping.store.mirror(snapshot.commit):
        ports.on_event(Warned(problem))
    if before is None:
        return Imported(log, 0, None)
    return Imported(log, _entries(before), before.commit)


def _entries(snapshot: EvidenceSnapshot) -> int:
    """How many entries a branch holds, by its paths alone."""
    return sum(path.startswith("log/") and path.endswith(".json") for path in snapshot.paths())
