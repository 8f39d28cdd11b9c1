"""From a commit's contracts and the log to a plan: what `plan` shows is what `apply` would do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hyops_gitops.core.apply.retirement import ttl_notes
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import CommitInfo
from hyops_gitops.core.findings import Finding, Severity
from hyops_gitops.core.guards import Override
from hyops_gitops.core.plan.assertions import Moves
from hyops_gitops.core.plan.limits import Limits
from hyops_gitops.core.plan.plan import Plan
from hyops_gitops.core.plan.planning import Inputs, make_plan
from hyops_gitops.core.plan.state import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.usecases.document_port import DocumentReader, SchemaChecker
from hyops_gitops.usecases.ports import History
from hyops_gitops.usecases.validation.memory_tree import MemoryTree
from hyops_gitops.usecases.validation.validate import Validation, validate_tree

# Findings in a contract that another file's change brought about.
_ABOUT_OTHER_FILES = frozenset({"target-dangling", "target-deleted", "target-loop", "alias-taken"})


@dataclass(frozen=True, slots=True)
class Past:
    """The contracts' tree as it was when it was last applied, or found to ask for nothing."""

    files: Mapping[str, bytes]
    limits: Limits | None  # of the authority file then; None when it had none that is valid
    stable: frozenset[str]  # contracts that said endpoint_cutover_required: false


@dataclass(frozen=True, slots=True)
class Sorted:
    """A commit's findings, by what they mean for an apply."""

    blocking: tuple[Finding, ...]
    held: Mapping[str, str]  # contract path -> its first finding


def sort_findings(validation: Validation, past: Past | None) -> Sorted:
    """Which findings stop an apply, and which only hold their own contract.

    A finding holds its contract when that file is what it was when it was last applied; anything else stops: a changed
    contract, one whose target another file took away, a file that is no contract, the authority, and everything before
    the first apply.
    """
    blocking: list[Finding] = []
    held: dict[str, str] = {}
    for finding in validation.findings:
        if finding.severity is not Severity.ERROR:
            continue
        now = validation.files.get(finding.path)
        unchanged = past is not None and now is not None and past.files.get(finding.path) == now
        if unchanged and finding.path.startswith("endpoints/") and finding.rule not in _ABOUT_OTHER_FILES:
            held.setdefault(finding.path, f"{finding.rule}: {finding.message}")
        else:
            blocking.append(finding)
    return Sorted(tuple(blocking), held)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a plan starts from."""

    recorded: ManagedSet
    observed: Zone
    went_back: bool = False  # the zone is older than the log, and planning goes on from what is there


def propose(
    validation: Validation,
    limits: Limits,
    ground: Ground,
    *,
    held: Mapping[str, str],
    past: Past | None,
    overrides: tuple[Override, ...] = (),
    moves: Moves | None = None,
) -> Plan:
    """The plan for a validated tree."""
    stable = {contract.path for contract in validation.contracts if not contract.cutover_required}
    plan = make_plan(
        Inputs(
            recorded=_rebased(ground.recorded, ground.observed) if ground.went_back else ground.recorded,
            applied=ground.recorded if ground.went_back else None,
            contracts=validation.contracts,
            held=held,
            observed=ground.observed,
            limits=limits_since(past, limits),
            overrides=overrides,
            moves=moves,
            promised_stable=frozenset(stable & past.stable) if past else frozenset(),
        )
    )
    longest = validation.authority.policy.cutover_ttl_max if validation.authority else 0
    return replace(plan, notes=(*plan.notes, *ttl_notes(plan.changes, longest)))


def limits_since(past: Past | None, limits: Limits) -> Limits:
    """The limits that count: what loosens them does not profit from it in the same apply."""
    return limits if past is None or past.limits is None else limits.stricter(past.limits)


def read_past(files: Mapping[str, bytes], now: Validation, read: DocumentReader, check: SchemaChecker) -> Past:
    """What an earlier tree said, as far as it differs from the tree of `now`; the rest is known already."""
    changed = {
        path: content
        for path, content in files.items()
        if path.startswith("authority/") or now.files.get(path) != content
    }
    then = validate_tree(MemoryTree(changed), read, check)
    unchanged = {one.path for one in now.contracts if not one.cutover_required and one.path not in changed}
    stable = unchanged | {one.path for one in then.contracts if not one.cutover_required}
    return Past(files, Limits.of(then.authority.policy) if then.authority else None, frozenset(stable))


def _rebased(recorded: ManagedSet, observed: Zone) -> ManagedSet:
    """The managed set as the zone has it now: what planning starts from after a restore that somebody vouched for."""
    return ManagedSet.of(
        recorded.apex,
        (
            replace(entry, rrset=observed.rrsets[key])
            for key, entry in recorded.entries.items()
            if key in observed.rrsets
        ),
    )


def manifest_sha256(files: Mapping[str, bytes]) -> str:
    """The digest of a tree: of `SHA256  PATH` lines, sorted by path, as sha256sum prints them."""
    lines = (f"{sha256_hex(content)}  {path}\n" for path, content in sorted(files.items()))
    return sha256_hex("".join(lines).encode())


def commits_after(log: Log, commit: str, history: History) -> tuple[CommitInfo, ...]:
    """The commits of main up to `commit` since the one recorded last, or since genesis."""
    try:
        base = history.resolve(log.recorded_commit or log.genesis.commit)
    except UsageError:  # a commit of another history: everything is new, but nothing lifts a guard now that did then
        return tuple(replace(one, trailers=(), untaken=()) for one in history.first_parent_commits(None, commit))
    return history.first_parent_commits(base, commit)
