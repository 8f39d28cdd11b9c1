"""Starting a log: genesis, once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.ports import Clock, EvidenceStore, History, Signer
from hyops_gitops.log.admin_entries import Continues, Genesis
from hyops_gitops.log.pages import readme
from hyops_gitops.log.writer import EntryWriter, read_signers, trusted_keys
from hyops_gitops.validate.validation import validate_tree


@dataclass(frozen=True, slots=True)
class InitPorts:
    """What starting a log needs from the outside."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    open_signer: Callable[[], Signer]
    clock: Clock
    new_log_id: Callable[[], str]


@dataclass(frozen=True, slots=True)
class LogStart:
    """A log that exists now."""

    authority: Authority
    commit: str  # of the contracts, that genesis was made at
    sha256: str  # of the genesis entry
    principal: str

    def to_json(self) -> dict[str, object]:
        """`hyops-evidence-init/1`."""
        return {
            "format": "hyops-evidence-init/1",
            "zone": self.authority.zone,
            "branch": self.authority.evidence.branch,
            "remote": self.authority.evidence.remote,
            "commit": self.commit,
            "genesis": f"sha256:{self.sha256}",
            "principal": self.principal,
        }


def start_log(ports: InitPorts, tool: str, run: Mapping[str, str], continues: Continues | None = None) -> LogStart:
    """Write and push genesis for the contracts at HEAD; after a move it names the entry that it goes on from.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-exists`, `signing-key`.
        OutsideFailure: the remote cannot be reached.
    """
    commit = ports.history.resolve("HEAD")
    validation = validate_tree(ports.history.tree(commit), ports.read, ports.check)
    authority = validation.authority
    if authority is None:
        raise FindingsError(validation.findings)
    if authority.evidence.genesis is not None:
        raise Refused(
            f"{authority.path} pins a genesis already",
            guard="evidence-exists",
            hint=f"the log exists: git fetch {authority.evidence.remote or 'REMOTE'} {authority.evidence.branch}",
        )
    signers = read_signers(validation.files)
    store = ports.open_store(authority.evidence)
    writer = EntryWriter.prepare(store, ports.open_signer(), signers, ports.clock, tool, run)
    # The remote itself is asked: a tracking ref may be missing, or left over.
    if store.fetch() is not None:
        where = f"on remote {authority.evidence.remote!r}" if authority.evidence.remote else "here"
        raise Refused(
            f"branch {authority.evidence.branch!r} exists {where}",
            guard="evidence-exists",
            hint="genesis happens once; to use that log, pin the digest of its first entry as evidence.genesis",
        )
    trusted = trusted_keys(signers.lines.lines)
    sha256 = writer.start(
        authority.zone, ports.new_log_id(), Genesis(commit, trusted, continues), readme(authority.zone)
    )
    return LogStart(authority, commit, sha256, writer.principal)
