"""Everything an apply checks and reads before it writes anything: steps 1 to 5 of the procedure."""

from collections.abc import Mapping
from dataclasses import dataclass

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.entries import AuthorityChange, AuthorityRef, ContractsRef, MergedCommit
from hyops_gitops.core.errors import Refused
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.guards import find_override, override_line
from hyops_gitops.core.json_fields import time_text
from hyops_gitops.core.limits import Limits
from hyops_gitops.core.log import Log
from hyops_gitops.core.masking import masked
from hyops_gitops.core.plan import Plan
from hyops_gitops.usecases.apply_ports import ApplyPorts, ApplyRequest
from hyops_gitops.usecases.evidence_log import EntryWriter, read_signers, require_log
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.observation import (
    Observation,
    check_clock,
    check_header,
    observe,
    restored_refusal,
)
from hyops_gitops.usecases.ports import EvidenceStore, ZoneWriter
from hyops_gitops.usecases.proposal import (
    Past,
    manifest_sha256,
    mixed_commits,
    names_in_question,
    propose,
    read_past,
    rebased,
    sort_findings,
)
from hyops_gitops.usecases.validate import Validation, validate_tree

_SHOWN_PATHS = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known when the plan is made and nothing is written yet."""

    commit: str
    authority: Authority
    store: EvidenceStore
    writer: EntryWriter
    primary: ZoneWriter
    log: Log
    contracts: ContractsRef
    authority_ref: AuthorityRef
    authority_change: AuthorityChange | None  # to be recorded first
    merged: tuple[MergedCommit, ...]
    observation: Observation
    plan: Plan


def prepare(request: ApplyRequest, ports: ApplyPorts) -> Prepared:
    """Check, read and plan; writes nothing.

    Raises:
        FindingsError: contracts that this apply would change, or the authority, are invalid.
        Refused: a guard said no.
        OutsideFailure: API or remote unreachable.
    """
    commit, validation, authority = _validated(request, ports)
    signers = read_signers(validation.files)
    store = ports.open_store(authority.evidence)
    writer = EntryWriter.prepare(store, ports.open_signer(), signers, ports.clock, request.tool, request.run)

    ports.on_event(Step(f"reading the signed log (branch {authority.evidence.branch})"))
    log = require_log(store.fetch(), authority, signers, ports.verifier)
    _refuse_open_intent(log)
    past, commits = _since_recorded(request, ports, log, commit, validation)
    sorted_findings = sort_findings(validation, past)
    if sorted_findings.blocking:
        raise FindingsError(sorted_findings.blocking)

    ports.on_event(Step(f"reading the zone from {authority.primary.api.url}"))
    primary = ports.open_primary(authority)
    header = primary.header()
    check_header(header, authority)
    check_clock(ports.clock.now(), log.head.envelope.time, header.server_time)
    names = names_in_question(validation.contracts, sorted_findings.held, log.state)
    observation = observe(primary, log, header, names)
    limits = Limits.of(authority.policy)
    recorded = log.state
    if observation.anchor == "restored":
        if "restored" not in limits.overridable or find_override(request.overrides, "restored") is None:
            raise restored_refusal(log)
        recorded = rebased(recorded, observation.zone)
    plan = propose(
        validation,
        limits,
        recorded=recorded,
        observed=observation.zone,
        held=sorted_findings.held,
        past=past,
        overrides=request.overrides,
    )
    return Prepared(
        commit=commit,
        authority=authority,
        store=store,
        writer=writer,
        primary=primary,
        log=log,
        contracts=ContractsRef(commit, manifest_sha256(validation.files)),
        authority_ref=_authority_ref(request, validation, authority),
        authority_change=_authority_change(commit, validation, past),
        merged=tuple(map(_merged, commits)),
        observation=observation,
        plan=plan,
    )


def _validated(request: ApplyRequest, ports: ApplyPorts) -> tuple[str, Validation, Authority]:
    history = ports.history
    if request.work_tree_matters and (dirty := history.dirty_paths()):
        shown = ", ".join(dirty[:_SHOWN_PATHS]) + (", ..." if len(dirty) > _SHOWN_PATHS else "")
        raise Refused(
            f"not committed: {shown}",
            guard="dirty",
            hint="commit or remove them, or name what to apply: --commit HEAD",
        )
    if history.is_shallow():
        raise Refused(
            "this clone's history is cut off, so nothing can be said about what was applied before",
            guard="shallow",
            hint="git fetch --unshallow (in CI: fetch-depth: 0)",
        )
    commit = history.resolve(request.revision)
    ports.on_event(Step(f"validating the contracts of {commit[:12]}"))
    validation = validate_tree(
        history.tree(commit), ports.read, ports.check, authority_override=request.authority_override
    )
    if validation.authority is None:
        raise FindingsError(validation.findings)
    return commit, validation, validation.authority


def _refuse_open_intent(log: Log) -> None:
    if (intent := log.open_intent) is not None:
        raise Refused(
            f"intent {intent.seq} of {time_text(intent.envelope.time)} by {intent.envelope.principal} has no result: "
            "another apply is running, or one ended before it could say what became of its update",
            guard="open-intent",
            hint="wait for it to end; an intent whose applier is gone cannot be settled by this version yet",
        )


def _since_recorded(
    request: ApplyRequest, ports: ApplyPorts, log: Log, commit: str, validation: Validation
) -> tuple[Past | None, tuple[CommitInfo, ...]]:
    """The tree recorded last, and the commits since then. The first apply takes the tree as it stands."""
    history = ports.history
    recorded = log.recorded_commit
    if recorded is None:
        base = log.genesis.commit
        after = base if history.is_ancestor(base, commit) else None
        return None, history.first_parent_commits(after, commit)
    files = {one.path: one.content for one in history.tree(recorded).files() if one.content is not None}
    past = read_past(files, validation, ports.read, ports.check)
    if not history.is_ancestor(recorded, commit):
        allowed = past.limits is not None and "history" in past.limits.overridable
        if not allowed or find_override(request.overrides, "history") is None:
            raise Refused(
                f"commit {commit[:12]} does not descend from {recorded[:12]}, which was applied last",
                guard="history",
                hint=f"apply the newest commit of the branch; if this is right: {override_line('history')}",
            )
        ports.on_event(Warned(f"applying {commit[:12]}, which does not descend from {recorded[:12]}"))
    commits = history.first_parent_commits(recorded, commit)
    if mixed := mixed_commits(commits):
        raise Refused(
            f"commit {mixed[0].id[:12]} changes authority/ and endpoints/ together",
            guard="mixed-commit",
            hint="change the authority in a pull request of its own, then the contracts",
        )
    return past, commits


def _authority_ref(request: ApplyRequest, validation: Validation, authority: Authority) -> AuthorityRef:
    if request.authority_override is not None and request.authority_override.content is not None:
        return AuthorityRef(sha256_hex(request.authority_override.content), outside_commit=True)
    return AuthorityRef(sha256_hex(validation.files[authority.path]), outside_commit=False)


def _authority_change(commit: str, validation: Validation, past: Past | None) -> AuthorityChange | None:
    """What changed under authority/ since the last recorded commit; nothing to compare with before the first apply."""
    if past is None:
        return None
    before, after = _authority_files(past.files), _authority_files(validation.files)
    return AuthorityChange(commit, before, after) if before != after else None


def _authority_files(files: Mapping[str, bytes]) -> tuple[tuple[str, str], ...]:
    return tuple((path, sha256_hex(data)) for path, data in sorted(files.items()) if path.startswith("authority/"))


def _merged(commit: CommitInfo) -> MergedCommit:
    return MergedCommit(commit.id, masked(commit.subject), masked(commit.author), commit.time)
