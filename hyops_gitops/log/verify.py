"""Verifying the log in a clone, with nothing but the clone."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from hyops_gitops.core.authority import EvidenceSettings
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.ports import EvidenceStore, SourceTree, Verifier
from hyops_gitops.log.chain import Problem
from hyops_gitops.log.pinned_heads import SeenHead, check_seen
from hyops_gitops.log.verify_log import Reading
from hyops_gitops.log.writer import read_evidence, read_signers, recorded_branch
from hyops_gitops.validate.validation import validate_tree


@dataclass(frozen=True, slots=True)
class VerifyPorts:
    """What verifying needs from the outside."""

    read: DocumentReader
    check: SchemaChecker
    tree: SourceTree  # for the signers and the pinned genesis
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    verifier: Verifier


def verify_log(ports: VerifyPorts, authority_override: SourceFile | None, seen: tuple[SeenHead, ...] = ()) -> Reading:
    """Check the whole branch, and that heads remembered elsewhere are entries of it.

    Raises:
        FindingsError: the authority file is invalid.
        Refused: guard `evidence-missing`: there is no branch to verify, or nothing pins its genesis.
    """
    validation = validate_tree(ports.tree, ports.read, ports.check, authority_override=authority_override)
    authority = validation.authority
    if authority is None:
        raise FindingsError(validation.findings)
    snapshot, _ = recorded_branch(ports.open_store(authority.evidence), authority)
    try:
        reading = read_evidence(snapshot, authority, read_signers(validation.files), ports.verifier)
    except InvalidData as error:
        return Reading(None, 0, (Problem("path", authority.evidence.branch, error.message),))
    if reading.log is None:
        return reading  # what does not verify contradicts every memory anyway
    forgotten = tuple(check_seen(authority.zone, reading.log.entries, seen))
    return replace(reading, problems=(*reading.problems, *forgotten))
