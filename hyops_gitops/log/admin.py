"""Start a log; append administrative entries about keys and gaps."""

from typing import Annotated

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.fields import Of
from hyops_gitops.core.text import masked
from hyops_gitops.log.admin_entries import Continues, Gap, Genesis
from hyops_gitops.log.branch import trusted_keys
from hyops_gitops.log.entries import Body
from hyops_gitops.log.log import Log
from hyops_gitops.log.pages import readme
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE
from hyops_gitops.log.workspace import ManagedZone, Workspace
from hyops_gitops.log.writer import EntryWriter


class LogStartDocument:
    """A log that exists now, hyops-evidence-init/1."""

    FORMAT = "hyops-evidence-init/1"
    zone: Annotated[str, Of("authority.zone")]
    branch: Annotated[str, Of("authority.evidence.branch")]
    remote: Annotated[str | None, Of("authority.evidence.remote")]
    commit: str
    genesis: Annotated[str, Of(lambda start: f"sha256:{start.sha256}")]
    principal: str


@dataclass(frozen=True, slots=True)
class LogStart(JsonReport):
    """A log that exists now."""

    FORM = LogStartDocument
    authority: Authority
    commit: str  # of the contracts, that genesis was made at
    sha256: str  # of the genesis entry
    principal: str


def start_log(workspace: Workspace, continues: Continues | None = None) -> LogStart:
    """Write and push genesis for the contracts at HEAD.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `evidence-exists`, `signing-key`.
        OutsideFailure: the remote cannot be reached.
    """
    zone = workspace.at("HEAD").zone()
    authority = zone.authority
    if authority.evidence.genesis is not None:
        raise Refused(
            f"{authority.path} pins a genesis already",
            guard="evidence-exists",
            hint=f"fetch the log: git fetch {authority.evidence.remote or 'REMOTE'} {authority.evidence.branch}",
        )
    writer = zone.entry_writer()
    # The remote itself is asked: a tracking ref may be missing, or left over.
    if zone.store.fetch() is not None:
        where = f"on remote {authority.evidence.remote!r}" if authority.evidence.remote else "here"
        raise Refused(
            f"branch {authority.evidence.branch!r} exists {where}",
            guard="evidence-exists",
            hint="to use that log, pin the digest of its first entry as evidence.genesis",
        )
    trusted = trusted_keys(zone.signers.lines.lines)
    sha256 = writer.start(
        authority.zone, workspace.new_id(), Genesis(zone.commit, trusted, continues), readme(authority.zone)
    )
    return LogStart(authority, zone.commit, sha256, writer.principal)


@dataclass(frozen=True, slots=True)
class OpenLog:
    """A log that can be written to, and who writes."""

    zone: ManagedZone
    log: Log
    writer: EntryWriter

    def append(self, body: Body) -> Log:
        """Write an entry that changes nothing about the zone."""
        return self.writer.append(self.log, body, self.log.observed, self.log.state)


def open_for_writing(workspace: Workspace, *, about_keys: bool, tolerate_doubt: bool) -> OpenLog:
    """The log of the remote, without an open intent, and a writer.

    Args:
        workspace: The repository, at HEAD.
        about_keys: The entry is a `trust` entry, which a recovery key may sign too.
        tolerate_doubt: Continue although entries in doubt are not acknowledged.

    Raises:
        FindingsError: the authority at HEAD is invalid.
        Refused: `signing-key`, `open-intent`, `evidence-missing`, `evidence-invalid`, `evidence-diverged`.
        OutsideFailure: the remote cannot be reached.
    """
    zone = workspace.at("HEAD").zone()
    signer = workspace.open_signer()
    namespace = MAIN_NAMESPACE
    if about_keys:
        own = [line for line in zone.signers.lines.lines if line.key == signer.public_key()]
        if any(line.allows(TRUST_NAMESPACE) for line in own) and not any(line.allows(MAIN_NAMESPACE) for line in own):
            namespace = TRUST_NAMESPACE

    writer = zone.entry_writer(signer, namespace)
    log = zone.newest(writer, tolerate_doubt=tolerate_doubt, in_full=True)
    if (intent := log.open_intent) is not None:
        raise Refused(
            f"intent {intent.seq} has no result yet: an apply is running, or one ended before it could write it",
            guard="open-intent",
            hint="wait for it; the next `hyops-gitops apply` settles one that died",
        )
    return OpenLog(zone, log, writer)


def acknowledge(workspace: Workspace, seq: int, reason: str) -> Log:
    """Record that a gap, or an entry in doubt, was investigated.

    Raises:
        InvalidData: code `nothing-to-acknowledge`.
        Refused, FindingsError, OutsideFailure: as `open_for_writing` does.
    """
    opened = open_for_writing(workspace, about_keys=False, tolerate_doubt=True)
    log = opened.log
    if seq in log.acknowledged:
        raise InvalidData(f"entry {seq} is acknowledged already", code="nothing-to-acknowledge")
    open_questions = sorted({gap.seq for gap in log.gaps} | set(log.doubtful) - log.acknowledged)
    if seq not in open_questions:
        listed = ", ".join(str(seq) for seq in open_questions if seq not in log.acknowledged) or "none"
        raise InvalidData(
            f"entry {seq} is neither a gap nor in doubt",
            code="nothing-to-acknowledge",
            hint=f"choose an entry that is not acknowledged yet: {listed}",
        )
    return opened.append(Gap(required_reason(reason), acknowledges=seq))


def required_reason(reason: str) -> str:
    """A reason fit for the log.

    Raises:
        InvalidData: code `no-reason`: there is nothing in it.
    """
    text = masked(reason)
    if not text:
        raise InvalidData("the reason is empty", code="no-reason", hint="give --reason 'why'; it becomes evidence")
    return text
