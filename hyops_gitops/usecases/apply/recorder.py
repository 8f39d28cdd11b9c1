"""Where an apply's entries go: the evidence branch, or a break-glass segment. The procedure is the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hyops_gitops.core.contracts.authority import Authority
from hyops_gitops.core.evidence.entries import Body
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.plan.state import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.evidence.log import EntryWriter, Signers, require_log
from hyops_gitops.usecases.ports import EvidenceStore, VerifiedMark, Verifier


class Recorder(Protocol):
    """Reads and writes one record of entries."""

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Write the next entry; the log with it.

        Raises:
            Refused: guard `race` when the record is no longer where `log` was read; `signing-key`.
            OutsideFailure: it cannot be written.
        """

    def head(self) -> str | None:
        """What `Log.commit` would be if the record were read now; None when it is gone.

        Raises:
            OutsideFailure: it cannot be reached.
        """

    def newest(self) -> Log:
        """The record as it is now, verified.

        Raises:
            Refused: `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
            OutsideFailure: it cannot be reached.
        """


@dataclass(frozen=True, slots=True)
class BranchRecorder:
    """The signed log on its branch."""

    writer: EntryWriter
    authority: Authority
    signers: Signers
    verifier: Verifier
    mark: VerifiedMark | None

    def append(self, log: Log, body: Body, observed: Zone, state: ManagedSet) -> Log:
        """Sign and push the next entry."""
        return self.writer.append(log, body, observed, state)

    def head(self) -> str | None:
        """The branch's commit on the remote."""
        snapshot = self._store.fetch()
        return None if snapshot is None else snapshot.commit

    def newest(self) -> Log:
        """The branch as the remote has it now."""
        return require_log(self._store.fetch(), self.authority, self.signers, self.verifier, mark=self.mark)

    def files(self) -> Mapping[str, bytes]:
        """Every file of the branch."""
        snapshot = self._store.fetch()
        return {} if snapshot is None else snapshot.read(snapshot.paths())

    @property
    def _store(self) -> EvidenceStore:
        return self.writer.store
