"""Writing what somebody says about the log itself: which keys count, what was looked into."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.document import DocumentReader, SchemaChecker
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.events import OnEvent, Warned
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError
from hyops_gitops.core.ports import Clock, EvidenceStore, History, Signer, Verifier
from hyops_gitops.core.text import masked
from hyops_gitops.log.admin_entries import Gap
from hyops_gitops.log.entries import Body
from hyops_gitops.log.log import Log
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE
from hyops_gitops.log.writer import EntryWriter, Signers, read_signers, require_log
from hyops_gitops.validate.validation import validate_tree


@dataclass(frozen=True, slots=True)
class CustodyPorts:
    """What commands about the log itself need from the outside."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    open_signer: Callable[[], Signer]
    verifier: Verifier
    clock: Clock
    on_event: OnEvent
    authority_override: SourceFile | None = None


@dataclass(frozen=True, slots=True)
class Keeping:
    """The authority and the signers of HEAD."""

    commit: str
    authority: Authority
    signers: Signers
    store: EvidenceStore


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log that can be written to, and who writes."""

    keeping: Keeping
    log: Log
    writer: EntryWriter

    def append(self, body: Body) -> Log:
        """Write an entry that changes nothing about the zone."""
        return self.writer.append(self.log, body, self.log.observed, self.log.state)


def read_head(ports: CustodyPorts) -> Keeping:
    """What HEAD says; the work tree does not matter.

    Raises:
        FindingsError: the authority at HEAD is invalid.
    """
    commit = ports.history.resolve("HEAD")
    validation = validate_tree(
        ports.history.tree(commit), ports.read, ports.check, authority_override=ports.authority_override
    )
    if validation.authority is None:
        raise FindingsError(validation.findings)
    store = ports.open_store(validation.authority.evidence)
    return Keeping(commit, validation.authority, read_signers(validation.files), store)


def open_for_writing(
    ports: CustodyPorts, tool: str, run: Mapping[str, str], *, about_keys: bool, tolerate_doubt: bool
) -> OpenLog:
    """The log as the remote has it now, without an open intent, and a key that may write to it.

    Args:
        ports: The outside.
        tool: Name and version, for the entry.
        run: What is known about the run, for the entry.
        about_keys: The entry is a `trust` entry, which a recovery key may sign too.
        tolerate_doubt: Go on although entries in doubt are not acknowledged.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `signing-key`, `open-intent`, `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
        OutsideFailure: the remote cannot be reached.
    """
    keeping = read_head(ports)
    signer = ports.open_signer()
    namespace = MAIN_NAMESPACE
    if about_keys:
        own = [line for line in keeping.signers.lines.lines if line.key == signer.public_key()]
        if any(line.allows(TRUST_NAMESPACE) for line in own) and not any(line.allows(MAIN_NAMESPACE) for line in own):
            namespace = TRUST_NAMESPACE

    def warn(text: str) -> None:
        ports.on_event(Warned(text))

    writer = EntryWriter.prepare(
        keeping.store, signer, keeping.signers, ports.clock, tool, run, namespace=namespace, warn=warn
    )
    snapshot, unasked = keeping.store.fetch_beside_mirrors()
    for problem in unasked:
        warn(problem)
    known = snapshot is None and keeping.store.recorded() is not None
    log = require_log(
        snapshot, keeping.authority, keeping.signers, ports.verifier, tolerate_doubt=tolerate_doubt, known=known
    )
    writer.require_trust(log)
    if (intent := log.open_intent) is not None:
        raise Refused(
            f"intent {intent.seq} has no result yet: an apply is running, or one ended before it could write it",
            guard="open-intent",
            hint="wait for it; the next `hyops-gitops apply` settles one that died",
        )
    return OpenLog(keeping, log, writer)


def acknowledge(ports: CustodyPorts, seq: int, reason: str, tool: str, run: Mapping[str, str]) -> Log:
    """Record that somebody has looked into a gap, or into an entry in doubt.

    Raises:
        InvalidData: code `nothing-to-acknowledge`.
        Refused, FindingsError, OutsideFailure: as `open_for_writing` does.
    """
    opened = open_for_writing(ports, tool, run, about_keys=False, tolerate_doubt=True)
    log = opened.log
    if seq in log.acknowledged:
        raise InvalidData(f"entry {seq} is acknowledged already", code="nothing-to-acknowledge")
    open_questions = sorted({one.seq for one in log.gaps} | set(log.doubtful) - log.acknowledged)
    if seq not in open_questions:
        listed = ", ".join(str(one) for one in open_questions if one not in log.acknowledged) or "none"
        raise InvalidData(
            f"entry {seq} is neither a gap nor in doubt",
            code="nothing-to-acknowledge",
            hint=f"waiting for somebody: {listed}",
        )
    return opened.append(Gap(required_reason(reason), acknowledges=seq))


def required_reason(reason: str) -> str:
    """A reason fit for the log.

    Raises:
        InvalidData: code `no-reason`: there is nothing in it.
    """
    text = masked(reason)
    if not text:
        raise InvalidData("the reason is empty", code="no-reason", hint="--reason 'why'; it becomes evidence")
    return text
