"""Reading the signed log, and writing the next entry of it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.ports import Clock, EvidenceSnapshot, EvidenceStore, Signer, VerifiedMark, Verifier
from hyops_gitops.core.signers import SignerLine, SignerSet, parse_allowed_signers
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.admin_entries import Genesis
from hyops_gitops.log.cache import read_since
from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import NO_HASH, EntryList, Envelope, Subject, decode, encode, entry_path
from hyops_gitops.log.log import README, Log, state_path, zone_path
from hyops_gitops.log.pages import FORM, LOG_PAGE, folder_page, folder_readme, log_page, subject
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.trust import GIT_NAMESPACE, MAIN_NAMESPACE, TrustBook
from hyops_gitops.log.verify_log import Reading, read_log

SIGNERS_PATH = "authority/allowed_signers"
_PROBLEMS_SHOWN = 3
_LOCAL_HINT = "no log is ever started by itself; `hyops-gitops evidence import CLONE` brings one from elsewhere"

Warn = Callable[[str], None]


def _say_nothing(_text: str) -> None:
    """For commands that have nobody to warn."""


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign, and the digest of the file that says so."""

    lines: SignerSet
    sha256: str


def read_signers(files: Mapping[str, bytes]) -> Signers:
    """The signers of a tree's `authority/allowed_signers`; nobody when there is no such file."""
    data = files.get(SIGNERS_PATH, b"")
    lines, _ = parse_allowed_signers(data, SIGNERS_PATH)
    return Signers(SignerSet(lines), sha256_hex(data))


def trusted_keys(lines: Iterable[SignerLine]) -> tuple[TrustedKey, ...]:
    """The keys of these lines as the log takes them up; a key with several lines counts for all their namespaces."""
    of_key: dict[str, list[SignerLine]] = {}
    for line in lines:
        of_key.setdefault(line.key, []).append(line)
    return tuple(
        TrustedKey(
            some[0].principal,
            key,
            ()
            if any(one.namespaces is None for one in some)
            else tuple(n for one in some for n in one.namespaces or ()),
        )
        for key, some in of_key.items()
    )


def recorded_branch(store: EvidenceStore, authority: Authority) -> tuple[EvidenceSnapshot, str]:
    """The branch in this clone, and the genesis that the authority file pins.

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
    seen = (signers.lines, signers.sha256)
    reading = read_since(mark, snapshot, authority, seen, verifier) if mark else None
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
    """Whether this is the log that the authority file pins, before anything in it is judged by our signers."""
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


@dataclass(frozen=True, slots=True)
class EntryWriter:
    """Writes entries as one signer."""

    store: EvidenceStore
    signer: Signer
    key: str
    principal: str
    signers_sha256: str
    clock: Clock
    tool: str
    run: Mapping[str, str]
    namespace: str = MAIN_NAMESPACE
    warn: Warn = _say_nothing
    sign_commits: bool = False

    @classmethod
    def prepare(
        cls,
        store: EvidenceStore,
        signer: Signer,
        signers: Signers,
        clock: Clock,
        tool: str,
        run: Mapping[str, str],
        *,
        namespace: str = MAIN_NAMESPACE,
        warn: Warn = _say_nothing,
    ) -> "EntryWriter":
        """A writer whose key is known to be allowed, and known to sign.

        Raises:
            Refused: guard `signing-key`.
        """
        key = signer.public_key()
        line = signers.lines.principal_of(key, namespace, clock.now())
        signer.sign(b"hyops-gitops: can this key sign?\n", namespace)
        # Git looks a commit's signer up in the same file, in a namespace of its own.
        own = [one for one in signers.lines.lines if one.key == key and one.allows(GIT_NAMESPACE)]
        sign_commits = len(own) == 1 and own[0].covers(clock.now())
        return cls(store, signer, key, line.principal, signers.sha256, clock, tool, run, namespace, warn, sign_commits)

    def start(self, zone: str, log_id: str, body: Genesis, readme: bytes) -> str:
        """Write genesis; the SHA-256 of the entry."""
        derived = {README: readme, zone_path(zone): b"", state_path(zone): b""}
        nothing = Zone.of(zone, ())
        envelope = self._envelope(zone, log_id, (NO_HASH, NO_HASH), EntryList(), nothing)
        entries, _ = self._write(None, EntryList(), envelope, body, derived, {})
        return entries[0].sha256

    def append(
        self, log: Log, body: Body, observed: Zone, state: ManagedSet, more: Mapping[str, bytes] | None = None
    ) -> Log:
        """Write the next entry, and more files of the branch with it; the log then.

        Raises:
            Refused: guard `race` when the branch is no longer where `log` was read; `signing-key` when the log does
                not trust the key.
            OutsideFailure: the remote cannot be reached.
        """
        self.require_trust(log)
        head = log.head.envelope
        derived = {zone_path(log.zone): observed.text().encode(), state_path(log.zone): state.text().encode()}
        previous = (log.head.sha256, log.head_sig_sha256)
        envelope = self._envelope(log.zone, head.log, previous, log.entries, observed)
        envelope = replace(envelope, time=max(envelope.time, head.time), files={README: head.files[README]})
        entries, (commit, signature) = self._write(log.commit, log.entries, envelope, body, derived, more or {})
        trust = TrustBook.of(entries)
        looked_at = entries if trust.casts_doubt else ()
        return replace(
            log,
            commit=commit,
            entries=entries,
            head_sig_sha256=sha256_hex(signature),
            observed=observed,
            state=state,
            trusted=trust.trusted(),
            doubtful=tuple(one.seq for one in looked_at if trust.doubtful(one.envelope.key, one.seq)),
        )

    def require_trust(self, log: Log) -> None:
        """Whether the log counts this writer's key.

        Raises:
            Refused: guard `signing-key`.
        """
        if (why := TrustBook.of(log.entries).why_not(self.principal, self.key, self.namespace)) is not None:
            raise Refused(
                f"{self.principal} cannot write to this log: {why}",
                guard="signing-key",
                hint="somebody whose key counts runs: hyops-gitops keys trust PRINCIPAL --reason REASON",
            )

    def _envelope(
        self, zone: str, log_id: str, previous: tuple[str, str], before: EntryList, observed: Zone
    ) -> Envelope:
        return Envelope(
            Subject(zone, observed.digest()),
            log=log_id,
            seq=len(before) + 1,
            prev_entry=previous[0],
            prev_sig=previous[1],
            time=self.clock.now().replace(microsecond=0),
            principal=self.principal,
            key=self.key,
            signers_sha256=self.signers_sha256,
            tool=self.tool,
            run=self.run,
            files={},
            form=FORM,
        )

    def _write(
        self,
        parent: str | None,
        before: EntryList,
        envelope: Envelope,
        body: Body,
        derived: Mapping[str, bytes],
        more: Mapping[str, bytes],
    ) -> tuple[EntryList, tuple[str, bytes]]:
        """Sign and commit one entry with everything that follows from it; the entries, the commit and the signature."""
        zone, seq = envelope.zone, envelope.seq
        # The pages say what the entry says, and the entry pins the pages: they are made from the unpinned entry.
        unpinned = encode(envelope, body)
        entries = before.extended(unpinned, decode(unpinned))
        pages = {LOG_PAGE: log_page(zone, entries), folder_page(zone, seq): folder_readme(zone, entries, seq)}
        pinned = {path: sha256_hex(content) for path, content in {**derived, **pages}.items()}
        data = encode(replace(envelope, files={**envelope.files, **pinned}), body)
        signature = self.signer.sign(data, self.namespace)
        files: dict[str, bytes | None] = {**more, **derived, **pages}
        for path, content in {**pages, entry_path(zone, seq): data}.items():
            files[path] = content
            files[f"{path}.sig"] = signature if content is data else self.signer.sign(content, self.namespace)
        line = subject(entries[-1], entries)
        commit = self.store.append(
            parent, files, line, envelope.principal, envelope.time, self._sign_commit if self.sign_commits else None
        )
        for problem in self.store.mirror(commit):
            self.warn(problem)
        return before.extended(data, decode(data)), (commit, signature)

    def _sign_commit(self, payload: bytes) -> bytes:
        return self.signer.sign(payload, GIT_NAMESPACE)
