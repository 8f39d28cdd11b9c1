"""Doctor: try everything that a first apply needs, and write nothing.

Each check is a small function that returns what it saw, or raises why that will not do. What cannot be seen here is
`unknown`, which is not ok: a person looks at it, and may attest it. The checks of the machine and the repository stand
here, those of the primary and of the other servers in modules of their own.
"""

from collections.abc import Mapping
from datetime import timedelta

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, OutsideFailure, Refused
from hyops_gitops.core.exchange import BranchRules
from hyops_gitops.core.findings import has_errors
from hyops_gitops.core.signers import fingerprint
from hyops_gitops.core.text import counted
from hyops_gitops.log.trust import MAIN_NAMESPACE
from hyops_gitops.log.workspace import ManagedZone, Workspace
from hyops_gitops.observe import doctor_primary as primary_checks
from hyops_gitops.observe import doctor_servers as server_checks
from hyops_gitops.observe.checkup import (
    CachedCheck,
    CannotSee,
    Check,
    DoctorRequest,
    Look,
    State,
    attested,
    examined,
)

_TRIAL_NAMESPACE = "hyops-gitops-doctor"  # a signature in it proves nothing to others
_SOON = timedelta(days=14)
_MAIN = "main"
_NEVER_REWRITTEN = frozenset({"deletion", "non_fast_forward"})
_BY_THE_APPLIER = frozenset({"creation", "update"})
_REVIEWED = frozenset({"pull_request", "required_status_checks", "non_fast_forward", "deletion"})
_OF_THIS_MACHINE = frozenset(
    {"python", "git", "ssh-keygen", "contracts", "history", "signing-key", "log", "key-trusted", "api-bound", "api-key"}
)


class Repository:
    """The clone, its log and its remote."""

    def __init__(self, zone: ManagedZone, *, offline: bool) -> None:
        self.offline = offline
        self.workspace = zone.workspace
        self.validation = zone.revision.validation
        self.authority = zone.authority
        self.signers = zone.signers
        self.log = CachedCheck("log", lambda: zone.log(in_full=True))
        self.remote_head = CachedCheck("remote", lambda: zone.workspace.open_remote(zone.authority.evidence).head())


def looks(repository: Repository) -> dict[str, Look]:
    """Every check, by its id."""
    return {
        "python": lambda: repository.workspace.program_version("python"),
        "git": lambda: repository.workspace.program_version("git"),
        "ssh-keygen": lambda: repository.workspace.program_version("ssh-keygen"),
        "contracts": lambda: _contracts(repository),
        "history": lambda: _history(repository),
        "signing-key": lambda: _signing_key(repository),
        "remote": lambda: _remote(repository),
        "log": lambda: _log(repository),
        "key-trusted": lambda: _key_trusted(repository),
        "push": lambda: _push(repository),
        "protection-evidence": lambda: _protection_evidence(repository),
        "protection-main": lambda: _protection_main(repository),
    }


def _contracts(repository: Repository) -> str:
    validation = repository.validation
    if has_errors(validation.findings):
        worst = sum(finding.severity == "error" for finding in validation.findings)
        raise InvalidData(f"{worst} findings at HEAD", code="findings", hint="hyops-gitops validate")
    if not validation.contracts:
        raise InvalidData("no contract at HEAD", code="empty-tree", hint="write one; see endpoints/README.md")
    dirty = repository.workspace.history.dirty_paths()
    if dirty:
        raise Refused(f"not committed: {dirty[0]}", guard="dirty", hint="commit or remove what is not committed")
    return f"{counted(len(validation.contracts), 'contract')} at HEAD, all valid"


def _history(repository: Repository) -> str:
    if repository.workspace.history.is_shallow():
        hint = "git fetch --unshallow (in CI: fetch-depth: 0)"
        raise Refused("this clone's history is cut off", guard="shallow", hint=hint)
    return "complete"


def _signing_key(repository: Repository) -> str:
    signer = repository.workspace.open_signer()
    key = signer.public_key()
    now = repository.workspace.clock.now()
    line = repository.signers.lines.principal_of(key, MAIN_NAMESPACE, now)
    signer.sign(b"hyops-gitops doctor: can this key sign?\n", _TRIAL_NAMESPACE)
    if line.valid_before is not None and line.valid_before - now < _SOON:
        raise Refused(
            f"the key of {line.principal} may sign only until {line.valid_before:%Y-%m-%dT%H:%M:%SZ}",
            guard="signing-key",
            hint="list its successor now, then: hyops-gitops keys trust PRINCIPAL --reason REASON",
        )
    until = f" until {line.valid_before:%Y-%m-%d}" if line.valid_before is not None else ""
    return f"{line.principal} signs with {fingerprint(key)}{until}"


def _log(repository: Repository) -> str:
    log = repository.log()
    known = f"{counted(len(log.entries), 'entry', 'entries')}, verified"
    if repository.offline:
        return f"{known}; the remote may have more"
    head = repository.remote_head() if repository.authority.evidence.remote else log.commit
    if head != log.commit:
        branch, remote = repository.authority.evidence.branch, repository.authority.evidence.remote
        raise CannotSee(
            f"the remote's log is at {(head or 'nothing')[:12]}, this clone knows it up to {log.commit[:12]}",
            f"git fetch {remote} {branch}",
        )
    return known


def _key_trusted(repository: Repository) -> str:
    log = repository.log()
    signer = repository.workspace.open_signer()
    key = signer.public_key()
    line = repository.signers.lines.principal_of(key, MAIN_NAMESPACE, repository.workspace.clock.now())
    if (why := log.trust.why_not(line.principal, key, MAIN_NAMESPACE)) is not None:
        hint = "have a trusted signer run: hyops-gitops keys trust PRINCIPAL --reason REASON"
        raise Refused(f"the log does not count the key of {line.principal}: {why}", guard="signing-key", hint=hint)
    return f"the log counts the key of {line.principal}"


def _remote(repository: Repository) -> str:
    remote = repository.authority.evidence.remote
    if remote is None:
        return "no remote: this clone holds the only copy of the log"
    head = repository.remote_head()
    return f"{remote} answers; {repository.authority.evidence.branch} is {'at ' + head[:12] if head else 'not there'}"


def _push(repository: Repository) -> str:
    settings = repository.authority.evidence
    if settings.remote is None:
        return "nothing is pushed: the log stays in this clone"
    head = repository.remote_head()
    why = repository.workspace.open_remote(settings).refusal(head or repository.workspace.history.resolve("HEAD"))
    if why is not None:
        raise OutsideFailure(
            f"{settings.remote} does not let us push: {why}",
            code="remote-refuses",
            hint="give the applier, and nothing else, a deploy key that may write",
        )
    return f"{settings.remote} lets us push {settings.branch}, as far as a dry run tells"


def _protection_evidence(repository: Repository) -> str:
    seen = _rules(repository, repository.authority.evidence.branch)
    required = _NEVER_REWRITTEN | (_BY_THE_APPLIER if seen.forge else frozenset())
    hint = "forbid deletion and rewriting: git config receive.denyNonFastForwards true, receive.denyDeletes true"
    return _all_of(required, seen, "hyops-gitops init . --github print" if seen.forge else hint)


def _protection_main(repository: Repository) -> str:
    seen = _rules(repository, _MAIN)
    return _all_of(_REVIEWED, seen, "hyops-gitops init . --github print" if seen.forge else "an update hook")


def _rules(repository: Repository, branch: str) -> BranchRules:
    settings = repository.authority.evidence
    if settings.remote is None:
        raise CannotSee("no remote, so nothing protects the log", "add one, and name it as evidence.remote")
    hidden = f"cannot see what protects {branch} on {settings.remote}"
    remedy = "check it on the forge; docs/github.md lists the rules it needs"
    try:
        rules = repository.workspace.open_remote(settings).rules(branch)
    except OutsideFailure as failure:
        raise CannotSee(f"{hidden}: {failure.message}", failure.hint or remedy) from None
    if rules is None:
        raise CannotSee(hidden, remedy)
    return rules


def _all_of(required: frozenset[str], seen: BranchRules, hint: str) -> str:
    if missing := sorted(required - seen.rules):
        raise OutsideFailure(f"not enforced: {', '.join(missing)}", code="unprotected", hint=hint)
    return f"enforced: {', '.join(sorted(required))}"


def outside(authority: Authority, what: str, site: str | None, option: str) -> str:
    """Whether something stands outside the failure domain."""
    if site is None:
        raise CannotSee(f"the site of {what} is not known", f"pass {option} SITE")
    if site == authority.failure_domain:
        raise InvalidData(
            f"{what} is in the failure domain {site}",
            code="failure-domain",
            hint="put it at another site: with this one lost, nothing can be moved",
        )
    return f"{what} is at {site}, outside {authority.failure_domain}"


class CheckupDocument:
    """All checks of one zone, hyops-doctor/1."""

    FORMAT = "hyops-doctor/1"
    zone: str
    ok: bool
    offline: bool
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Checkup(JsonReport):
    """All checks of one zone, or those of this machine alone."""

    FORM = CheckupDocument
    zone: str
    checks: tuple[Check, ...]
    offline: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is in the way, and nothing was left open."""
        return all(check.state in ("ok", "attested") for check in self.checks)

    def count(self, state: State) -> int:
        """The number of checks in this state."""
        return sum(check.state == state for check in self.checks)


def examine(request: DoctorRequest, workspace: Workspace, attests: Mapping[str, str]) -> Checkup:
    """Every check, in the order in which an apply needs them.

    Offline, those that ask nothing of other machines.

    Raises:
        FindingsError: the authority file is invalid, so no server is known.
        UsageError: no repository, or `bad-attest`.
    """
    zone = workspace.at("HEAD").zone()
    authority = zone.authority
    repository = Repository(zone, offline=request.offline)
    primary = primary_checks.PrimaryServer(request, workspace, authority, repository.log)
    checks: dict[str, Look] = {
        **looks(repository),
        **primary_checks.looks(primary),
        **server_checks.looks(workspace, authority, primary.header),
        **_sites(request, authority),
    }
    wanted = _OF_THIS_MACHINE if request.offline else checks.keys()
    found = (examined(name, look) for name, look in checks.items() if name in wanted)
    return Checkup(authority.zone, attested(found, attests), request.offline)


def _sites(request: DoctorRequest, authority: Authority) -> dict[str, Look]:
    """The sites of remote and runner; a rule checks the primary's."""
    return {
        "site-remote": lambda: outside(authority, "the git remote", request.remote_site, "--remote-site"),
        "site-runner": lambda: outside(authority, "the machine that applies", request.runner_site, "--runner-site"),
    }
