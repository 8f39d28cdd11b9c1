"""The signed log on its branch, continued from earlier verification.

Entries that are the same blobs as in a commit whose whole log was verified, under the same signers and genesis, are not
read again: the ledger and the managed set as they were then are continued from. Entries after them are checked as
ever, and so are the pages and files that are not the same. Where anything is wrong the log is verified in full.
"""

from collections.abc import Iterable, Mapping

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.exchange import VerifiedCommit
from hyops_gitops.core.managed import ManagedLines, ManagedSet
from hyops_gitops.core.ports import EvidenceSnapshot, EvidenceStore, VerifiedMark, Verifier
from hyops_gitops.core.signers import SignerLine, SignerSet, parse_allowed_signers
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import RRsetLines, Zone
from hyops_gitops.log.envelope import decode_about, entry_path
from hyops_gitops.log.ledger import Ledger
from hyops_gitops.log.log import Log, state_path, zone_path
from hyops_gitops.log.pages import LOG_PAGE, folder_page
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.segment import SEGMENTS
from hyops_gitops.log.verify import BranchFiles, Checkpoint, Reading, read_log

SIGNERS_PATH = "authority/allowed_signers"
_PROBLEMS_SHOWN = 3
_LOCAL_HINT = "no log is ever started by itself; `hyops-gitops evidence import CLONE` brings one from elsewhere"


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign, and the digest of the file that says so."""

    lines: SignerSet
    sha256: str


def read_signers(files: Mapping[str, bytes]) -> Signers:
    """The signers of a tree's `authority/allowed_signers`; none without such a file."""
    data = files.get(SIGNERS_PATH, b"")
    lines, _ = parse_allowed_signers(data, SIGNERS_PATH)
    return Signers(SignerSet(lines), sha256_hex(data))


def trusted_keys(lines: Iterable[SignerLine]) -> tuple[TrustedKey, ...]:
    """The keys of these lines, each with all its namespaces."""
    of_key: dict[str, list[SignerLine]] = {}
    for line in lines:
        of_key.setdefault(line.key, []).append(line)
    return tuple(
        TrustedKey(
            some[0].principal,
            key,
            ()
            if any(line.namespaces is None for line in some)
            else tuple(name for line in some for name in line.namespaces or ()),
        )
        for key, some in of_key.items()
    )


def recorded_branch(store: EvidenceStore, authority: Authority) -> tuple[EvidenceSnapshot, str]:
    """The branch in this clone, and the genesis that is pinned.

    Raises:
        Refused: guard `evidence-missing`: there is no branch, or nothing pins its genesis; `evidence-diverged`.
    """
    settings = authority.evidence
    snapshot = store.recorded()
    if snapshot is None:
        hint = f"git fetch {settings.remote} {settings.branch}" if settings.remote else "hyops-gitops evidence init"
        raise Refused(f"there is no branch {settings.branch!r} in this clone", guard="evidence-missing", hint=hint)
    if settings.genesis is None:
        raise Refused(
            f"{authority.path} pins no evidence.genesis, so any log would do",
            guard="evidence-missing",
            hint="commit the line that `hyops-gitops evidence init` added",
        )
    return snapshot, settings.genesis


def read_evidence(snapshot: EvidenceSnapshot, authority: Authority, signers: Signers, verifier: Verifier) -> Reading:
    """Verify the whole branch at one commit."""
    files = snapshot.read(snapshot.paths())
    return read_log(
        authority.zone,
        snapshot.commit,
        files,
        signers=signers.lines,
        genesis=authority.evidence.genesis,
        check_signature=verifier.verify,
    )


def require_log(
    snapshot: EvidenceSnapshot | None,
    authority: Authority,
    signers: Signers,
    verifier: Verifier,
    *,
    tolerate_doubt: bool = False,
    known: bool = False,
    mark: VerifiedMark | None = None,
) -> Log:
    """The verified log.

    Args:
        snapshot: The branch, None where it does not exist.
        authority: Whose log is expected.
        signers: Who may sign.
        verifier: Checks signatures.
        tolerate_doubt: Take one with entries in doubt as well, so that they can be acknowledged.
        known: This clone still has the branch that is gone.
        mark: What was verified before, so that only newer signatures are checked; None checks everything.

    Raises:
        Refused: `evidence-missing` when it is not initialised or its branch is gone; `evidence-invalid`.
    """
    branch = authority.evidence.branch
    if authority.evidence.genesis is None:
        raise Refused(
            f"the log of {authority.zone} is not initialised: {authority.path} has no evidence.genesis",
            guard="evidence-missing",
            hint="run `hyops-gitops evidence init`, then commit the line it adds",
        )
    if snapshot is None:
        remote = authority.evidence.remote
        what = f"branch {branch!r}" + (f" of remote {remote!r}" if remote else "")
        hint = f"`git fetch {remote} {branch}` brings it" if remote else _LOCAL_HINT
        if known:
            hint = (
                "this clone still has it; look into who deleted it, then push it back: hyops-gitops evidence import ."
            )
        elif remote:
            hint += (
                "; if it is gone there: `hyops-gitops evidence import CLONE` brings it back from a clone that has it"
            )
        where = "is gone from there" if known else "is not in this clone"
        raise Refused(f"{what} {where}", guard="evidence-missing", hint=hint)
    _require_genesis(snapshot, authority)
    reading = read_since(mark, snapshot, authority, signers, verifier) if mark else None
    reading = reading or read_evidence(snapshot, authority, signers, verifier)
    if reading.log is None or not (reading.ok or tolerate_doubt):
        shown = first_few(
            [f"{problem.where}: {problem.message}" for problem in reading.problems], _PROBLEMS_SHOWN, "; "
        )
        hint = "`hyops-gitops evidence verify` lists every problem"
        if reading.log is not None:
            hint = "look into each of them, then: hyops-gitops evidence acknowledge SEQ --reason REASON"
        raise Refused(f"the log does not verify: {shown}", guard="evidence-invalid", hint=hint)
    return reading.log


def _require_genesis(snapshot: EvidenceSnapshot, authority: Authority) -> None:
    """Refuse another log than the pinned one, before judging its signatures."""
    path = entry_path(authority.zone, 1)
    try:
        first = snapshot.read([path]).get(path)
    except InvalidData:
        return  # the full reading says what is wrong with the tree
    if first is not None and sha256_hex(first) != authority.evidence.genesis:
        raise Refused(
            f"branch {authority.evidence.branch!r} holds another log, or its first entry was rewritten: genesis is "
            f"sha256:{sha256_hex(first)}, the authority file pins sha256:{authority.evidence.genesis}",
            guard="evidence-invalid",
            hint="find out who pushed it; `hyops-gitops evidence import CLONE` brings the right one back",
        )


# --- what was verified before


def read_since(
    mark: VerifiedMark, snapshot: EvidenceSnapshot, authority: Authority, signers: Signers, verifier: Verifier
) -> Reading | None:
    """The branch verified from the mark; None: verify it in full."""
    genesis = authority.evidence.genesis
    if genesis is None:
        return None
    last, under = mark.read(), (authority.zone, genesis, signers.sha256)
    files = BranchFiles(snapshot)
    checkpoint, same = None, frozenset[str]()
    if last is not None and (last.zone, last.genesis, last.signers_sha256) == under:
        same = frozenset(snapshot.unchanged_since(last.commit) or ())
        checkpoint = _checkpoint(last, files, same, snapshot) if same else None
    files.read({*files} - (same if checkpoint else frozenset()))
    reading = read_log(
        authority.zone,
        snapshot.commit,
        files,
        signers=signers.lines,
        genesis=genesis,
        check_signature=verifier.verify,
        checkpoint=checkpoint,
        same_pages=frozenset(path for path in same if path.endswith(".md") and f"{path}.sig" in same)
        if checkpoint
        else frozenset(),
    )
    if reading.log is None or not reading.ok:
        return None
    checked = reading.log.observed.rrsets.canonical is not None and reading.log.state.entries.canonical is not None
    if checked and (checkpoint is None or last is None or last.commit != snapshot.commit):
        mark.write(
            VerifiedCommit(authority.zone, snapshot.commit, genesis, signers.sha256, reading.log.ledger.to_json())
        )
    return reading


def _checkpoint(
    last: VerifiedCommit, files: Mapping[str, bytes], same: frozenset[str], snapshot: EvidenceSnapshot
) -> Checkpoint | None:
    """Ledger and managed set of the mark, where its entries are unchanged."""
    path = state_path(last.zone)
    if any(file.startswith(SEGMENTS) for file in {*files} - same):
        return None  # segments are few, and verified whole
    try:
        ledger = Ledger.from_json(last.ledger)
        pinned = decode_about(files.get(entry_path(last.zone, ledger.count), b""), "").envelope.files
        paths = (path, zone_path(last.zone), LOG_PAGE, folder_page(last.zone, ledger.count))
        derived = {path: files[path] for path in paths if path in same and path in files}
        derived |= snapshot.earlier(last.commit, [path for path in paths if path not in derived])
    except InvalidData:
        return None
    # That commit was verified, and of its entries none may have changed: the newest stands for all.
    newest = entry_path(last.zone, ledger.count)
    unchanged = {newest, f"{newest}.sig"} <= same
    more = entry_path(last.zone, ledger.count + 1) in same  # the ledger is not that of the commit
    right = derived.keys() <= pinned.keys() and all(sha256_hex(derived[each]) == pinned[each] for each in derived)
    if not unchanged or more or not right or not {path, zone_path(last.zone)} <= derived.keys():
        return None
    # A mark is written only where every line of both was checked.
    state, zone = derived.pop(path), derived.pop(zone_path(last.zone))
    managed = ManagedSet(last.zone, ManagedLines(data=state))
    return Checkpoint(ledger, managed, derived, Zone(last.zone, RRsetLines(data=zone)), same)
