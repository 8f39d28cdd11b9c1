"""Status: intended (contracts at HEAD), recorded (signed evidence) and answered (each server), name by name.

By DNS alone: no credentials. What could not be seen is said, never guessed.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hyops_gitops.core.authority import Authority, EvidenceSettings
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.exchange import Answer, Question, SourceFile
from hyops_gitops.core.names import canonical_name, is_in_zone
from hyops_gitops.core.status import NameStatus, ServerAnswer, Status, Verdict
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.usecases.convergence import Expectation, Watched, answered, servers_of
from hyops_gitops.usecases.document_port import DocumentReader, SchemaChecker
from hyops_gitops.usecases.findings_error import FindingsError
from hyops_gitops.usecases.plan import recorded_log
from hyops_gitops.usecases.ports import DnsClient, EvidenceStore, History, VerifiedMark, Verifier
from hyops_gitops.usecases.validate import Validation, validate_tree

_TIMEOUT_S = 2.0
_TYPES = ("A", "AAAA", "CNAME")


@dataclass(frozen=True, slots=True)
class StatusPorts:
    """What status needs from the outside."""

    read: DocumentReader
    check: SchemaChecker
    history: History
    open_store: Callable[[EvidenceSettings], EvidenceStore]
    verifier: Verifier
    dns: DnsClient
    mark: VerifiedMark | None = None


def look(name: str | None, authority_override: SourceFile | None, ports: StatusPorts) -> Status:
    """The status of one name, or of every name that is intended or recorded.

    Raises:
        FindingsError: the authority is invalid.
        UsageError: code `unknown-name`: neither contract nor log knows the name.
    """
    commit = ports.history.resolve("HEAD")
    validation = validate_tree(
        ports.history.tree(commit), ports.read, ports.check, authority_override=authority_override
    )
    authority = validation.authority
    if authority is None:
        raise FindingsError(validation.findings)
    log = recorded_log(validation, authority, ports.open_store, ports.verifier, ports.mark)
    intended = Zone.of(authority.zone, (rrset for one in validation.contracts for rrset in one.rrsets()))
    recorded = log.state.zone if log else None
    known = intended.names() | (recorded.names() if recorded else set())
    names = sorted(known) if name is None else [_known(name, authority.zone, known)]
    since: Mapping[str, int] = {}
    if log:
        since = {
            change.name: one.intent_entry.seq for one in reversed(list(log.applied())) for change in one.intent.changes
        }
    answers = _ask(authority, names, intended, ports.dns)
    targets, recorded_targets = _targets(intended), _targets(recorded) if recorded is not None else None
    return Status(
        authority.zone,
        commit,
        tuple(
            NameStatus(
                one,
                targets.get(one, ()),
                recorded_targets.get(one, ()) if recorded_targets is not None else None,
                since.get(one),
                tuple(answers[one]),
            )
            for one in names
        ),
        tuple(_unseen(authority, validation, has_log=log is not None)),
    )


def full_name(name: str, zone: str) -> str:
    """The whole name for a short one: `postgres.prod` for `postgres.prod.<zone>`."""
    canonical = canonical_name(name)
    return canonical if is_in_zone(canonical, zone) else f"{canonical}.{zone}"


def _known(name: str, zone: str, known: set[str]) -> str:
    whole = full_name(name, zone)
    if whole not in known:
        raise UsageError(
            f"no contract and no record of ours is called {whole}",
            code="unknown-name",
            hint="`hyops-gitops status` without a name lists all of them",
        )
    return whole


def _ask(authority: Authority, names: list[str], intended: Zone, dns: DnsClient) -> dict[str, list[ServerAnswer]]:
    servers = servers_of(authority)
    questions = [Question(name, rrtype) for name in names for rrtype in _TYPES]
    collected: dict[str, list[ServerAnswer]] = {name: [] for name in names}
    if not servers:
        return collected

    def ask(server: Watched) -> Mapping[Question, Answer]:
        recursion = not server.authoritative
        return dns.ask(server.address, questions, recursion_desired=recursion, timeout_s=_TIMEOUT_S)

    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        for server, answers in zip(servers, pool.map(ask, servers), strict=True):
            for name in names:
                collected[name].append(_judge(server, name, answers, intended))
    return collected


def _judge(server: Watched, name: str, answers: Mapping[Question, Answer], intended: Zone) -> ServerAnswer:
    found: list[RRset] = []
    met: list[bool] = []
    for rrtype in _TYPES:
        question = Question(name, rrtype)
        answer = answers[question]
        if answer.rcode == "SILENT":
            return ServerAnswer(server.role, server.name, str(server.address), "silent", ())
        rrset = answered(answer, question)
        wanted = intended.rrsets.get((name, rrtype))
        expected = Expectation(question, wanted, before=rrset)
        met.append(expected.met_by(answer, authoritative=server.authoritative))
        found += [rrset] if rrset else []
    verdict: Verdict = "as intended" if all(met) else "differs"
    rdata = tuple(value for rrset in found for value in rrset.rdata)
    return ServerAnswer(server.role, server.name, str(server.address), verdict, rdata)


def _targets(zone: Zone) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(value for rrset in by_type.values() for value in rrset.rdata)
        for name, by_type in zone.by_name().items()
    }


def _unseen(authority: Authority, validation: Validation, *, has_log: bool) -> list[str]:
    unseen = [f"contract {path} is invalid" for path in sorted(validation.invalid_paths)]
    if authority.primary.dns is None:
        unseen.append("the primary is not asked: primary.dns is not given")
    if not has_log:
        unseen.append("nothing is recorded: the log is not initialised")
    return unseen
