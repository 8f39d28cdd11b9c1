"""RRsets to adopt, asked for by DNS before the intent.

The API lists records that are not served to any client.

A child zone on the same server hides the names below it, and a row that was written past the API may not be served at
all. All names go to a server in one batch (some thousand questions a second), all servers at the same time.
"""

from collections.abc import Collection, Iterator, Sequence

from hyops_gitops.apply.prove import expected_of
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import Answer, Question, ZoneHeader, unseen_because, why_inconclusive
from hyops_gitops.core.names import ancestors
from hyops_gitops.core.servers import Answers, DnsServer, answered, ask, ask_all, servers_of
from hyops_gitops.core.text import counted
from hyops_gitops.core.zone import in_words, soa_serial
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.plan.plan import Action, Change, GuardRefusal

_GUARD = "not-served"
_NAMES_LOOKED_INTO = 20


@dataclass(frozen=True, slots=True)
class _Unserved:
    """An RRset that a server does not serve as listed."""

    change: Change
    answer: Answer
    hidden_by: str | None  # a zone of the server's own below ours


def not_served(
    changes: Sequence[Change],
    authority: Authority,
    header: ZoneHeader,
    sites_lost: Collection[str],
    workspace: Workspace,
) -> tuple[GuardRefusal, ...]:
    """A refusal for each server and cause that hides RRsets to adopt.

    Args:
        changes: The plan's.
        authority: Names the servers to ask: the primary, and those whose proof is required.
        header: The zone's, by the API.
        sites_lost: Sites whose servers are not asked.
        workspace: DNS and events.
    """
    adopted = [expected_of(change) for change in changes if change.action is Action.ADOPT]
    servers = [
        server
        for server in servers_of(authority, sites_lost)
        if server.authoritative and not server.lost and (server.required or server.role == "primary")
    ]
    if not adopted or not servers:
        return ()
    whom = counted(len(servers), "server")
    workspace.on_event(Step(f"asking {whom} for the {counted(len(adopted), 'RRset')} to adopt"))
    by_key = {change.key: change for change in changes}
    soa = Question(authority.zone, "SOA")
    questions = [soa, *(expectation.question for expectation in adopted)]
    refusals: list[GuardRefusal] = []
    for server, answers in ask_all(workspace.dns, dict.fromkeys(servers, questions)).items():
        if why := _why_not_judged(server, answers, soa, header.edited_serial):
            workspace.on_event(Warned(f"{server}: {why}; what is adopted is proved there afterwards"))
            continue
        missing = [
            (by_key[question.name, question.type], answers[question])
            for question, expectation in zip(questions[1:], adopted, strict=True)
            if answers[question].rcode != "SILENT" and not expectation.met_by(answers[question], authoritative=True)
        ]
        if silent := sum(answer.rcode == "SILENT" for answer in answers.values()):
            unanswered = counted(silent, "question")
            workspace.on_event(
                Warned(f"{server} did not answer {unanswered}; what is adopted is proved there afterwards")
            )
        refusals += _refusals(server, _explained(server, missing, authority.zone, workspace))
    return tuple(refusals)


def _why_not_judged(server: DnsServer, answers: Answers, soa: Question, serial: int) -> str:
    """Why a server's answers cannot be judged; "" where they can."""
    if why := why_inconclusive([answers[soa]]):
        return unseen_because(why)
    found = soa_serial(answered(answers, soa))
    if not answers[soa].authoritative or found is None:
        return "it has no authority for the zone"
    if server.role != "primary" and found != serial:
        return f"it serves serial {found}, the primary {serial}"
    return ""


def _explained(
    server: DnsServer, missing: Sequence[tuple[Change, Answer]], apex: str, workspace: Workspace
) -> list[_Unserved]:
    """The zones that hide the names: a question for each name above."""
    names = list(dict.fromkeys(change.name for change, _ in missing))
    above = {ancestor for name in names for ancestor in ancestors(name, apex)} | set(names[:_NAMES_LOOKED_INTO])
    questions = [Question(name, "SOA") for name in above - {apex}]
    answers = ask(workspace.dns, server, questions) if questions else {}
    zones = {question.name for question in questions if answers[question].authoritative and answered(answers, question)}
    return [_Unserved(change, answer, _nearest(change.name, apex, zones)) for change, answer in missing]


def _nearest(name: str, apex: str, zones: Collection[str]) -> str | None:
    return next((candidate for candidate in (name, *ancestors(name, apex)) if candidate in zones), None)


def _refusals(server: DnsServer, unserved: Sequence[_Unserved]) -> Iterator[GuardRefusal]:
    """One for each cause; names beyond the first are counted."""
    groups: dict[tuple[str, str], list[_Unserved]] = {}
    for rrset in unserved:
        groups.setdefault(_cause(rrset), []).append(rrset)
    for (cause, hint), group in groups.items():
        first, more = group[0].change, len(group) - 1
        also = f" (and {more} more)" if more else ""
        message = f"{first.name} {first.type}{also} is listed by the API, but {server} {cause}"
        yield GuardRefusal(_GUARD, first.name, message, hint)


def _cause(unserved: _Unserved) -> tuple[str, str]:
    """Why a server does not serve an RRset, and the remedy."""
    answer, change, zone = unserved.answer, unserved.change, unserved.hidden_by
    if zone is not None:
        return (
            f"has a zone {zone} of its own, which hides it",
            f"move the record into {zone} and take the contract out, or remove that zone from the server",
        )
    if not answer.conclusive:
        return f"answered {answer.rcode} for it", "look into the server's own log"
    if not answer.authoritative:
        return (
            "answers without authority for it, as below a delegation",
            "remove the delegation above it, or take the contract out",
        )
    found = answer.rrset(Question(change.name, change.type))
    shown = f"answers {in_words(found)}" if found else f"answers {answer.rcode} without it"
    return shown, (
        "write it again by the API: a row written past it may lack a field (disabled, auth, ordername); "
        "if it is new, the server's caches may be older: wait a minute and run again"
    )
