"""Verifying a log with the help of what was verified before.

Only signatures are remembered, the dear part: an entry and its signature that are the same blobs as in a commit whose
whole log was verified, under the same signers and the same genesis, have a good signature still. Form, chain, trust,
continuity, pages and files are checked as ever, and where anything is wrong the log is verified in full.
"""

from dataclasses import dataclass

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.exchange import Verified
from hyops_gitops.core.log_reading import Reading, read_log
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.core.sshsig import parse_signature
from hyops_gitops.usecases.ports import EvidenceSnapshot, VerifiedMark, Verifier


@dataclass(frozen=True, slots=True)
class Remembering:
    """A `Verifier` that knows some signatures to be good."""

    verifier: Verifier
    known: frozenset[tuple[bytes, bytes]]  # message and signature

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        """Whether `signature` is a canonical SSH signature by `key` over `message` in `namespace`."""
        if (message, signature) not in self.known:
            return self.verifier.verify(message, signature, key, namespace)
        try:
            parsed = parse_signature(signature)
        except InvalidData:
            return False
        return (parsed.key, parsed.namespace) == (key, namespace)


def read_since(
    mark: VerifiedMark,
    snapshot: EvidenceSnapshot,
    authority: Authority,
    signers: tuple[SignerSet, str],
    verifier: Verifier,
) -> Reading | None:
    """The verified branch, and the mark moved on to it; None when it has to be verified in full."""
    lines, sha256 = signers
    genesis = authority.evidence.genesis
    if genesis is None:
        return None
    last, now = mark.read(), Verified(authority.zone, snapshot.commit, genesis, sha256)
    known: frozenset[tuple[bytes, bytes]] = frozenset()
    files = snapshot.read(snapshot.paths())
    if last is not None and (last.zone, last.genesis, last.signers_sha256) == (now.zone, now.genesis, sha256):
        same = snapshot.unchanged_since(last.commit) or frozenset()
        signed = (path for path in same if f"{path}.sig" in same)
        known = frozenset((files[path], files[f"{path}.sig"]) for path in signed)
    check = Remembering(verifier, known).verify
    reading = read_log(authority.zone, snapshot.commit, files, signers=lines, genesis=genesis, check_signature=check)
    if not reading.ok:
        return None
    if now != last:
        mark.write(now)
    return reading
