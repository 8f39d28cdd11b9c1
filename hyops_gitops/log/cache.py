"""Verifying a log with the help of what was verified before.

Entries that are the same blobs as in a commit whose whole log was verified, under the same signers and genesis, are not
looked at again. Those after them are checked as ever, from the managed set as it was then, and so are the pages and
files that are not the same. Where anything is wrong the log is verified in full.
"""

from collections.abc import Collection, Mapping

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.exchange import Verified
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.ports import EvidenceSnapshot, VerifiedMark, Verifier
from hyops_gitops.core.signers import SignerSet
from hyops_gitops.log.chain import Prefix
from hyops_gitops.log.envelope import decode, entry_path
from hyops_gitops.log.log import state_path
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.verify_log import Reading, read_log


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
    files = snapshot.read(snapshot.paths())
    prefix, same = None, frozenset[str]()
    if last is not None and (last.zone, last.genesis, last.signers_sha256) == (now.zone, now.genesis, sha256):
        same = frozenset(snapshot.unchanged_since(last.commit) or ())
        prefix = _prefix(authority.zone, files, same, snapshot.earlier(last.commit)) if same else None
    reading = read_log(
        authority.zone,
        snapshot.commit,
        files,
        signers=lines,
        genesis=genesis,
        check_signature=verifier.verify,
        prefix=prefix,
        same_pages=frozenset(path for path in same if f"{path}.sig" in same) if prefix else frozenset(),
    )
    if not reading.ok:
        return None
    if now != last:
        mark.write(now)
    return reading


def _prefix(zone: str, files: Mapping[str, bytes], same: Collection[str], earlier: EvidenceSnapshot) -> Prefix | None:
    """The entries that are the same still, and the managed set that the last of them left."""
    count = 0
    while (path := entry_path(zone, count + 1)) in same and f"{path}.sig" in same:
        count += 1
    state = earlier.read([state_path(zone)]).get(state_path(zone))
    if count == 0 or state is None or any(path.startswith(SEGMENTS) and path not in same for path in files):
        return None  # segments are few, and verified whole
    try:
        pinned = decode(files[entry_path(zone, count)]).envelope.files.get(state_path(zone))
        managed = ManagedSet.parse(zone, state.decode())
    except (InvalidData, UnicodeDecodeError):
        return None
    return Prefix(count, managed) if pinned == sha256_hex(state) else None
