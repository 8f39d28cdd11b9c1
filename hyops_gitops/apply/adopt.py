"""What is to be adopted is asked for by DNS before the intent: the API lists what no client may ever see.

A child zone on the same server hides the names below it, and a row that was written past the API may be served by
nobody. All names go to a server in one batch (some thousand questions a second), all servers at the same time.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hyops_gitops.apply.ports import ApplyPorts
from hyops_gitops.apply.servers import Expectation, Watched, answered, servers_of
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.events import Step, Warned
from hyops_gitops.core.exchange import Answer, Question, ZoneHeader, unseen_because, why_inconclusive
from hyops_gitops.core.names import ancestors
from hyops_gitops.core.zone import soa_serial
from hyops_gitops.plan.plan import Action, Change, Refusal

_GUARD = "not-served"
_TIMEOUT_S = 2.0
_NAMES_LOOKED_INTO = 20


@dataclass(frozen=True, slots=True)
class _Unserved:
    """One RRset that a server does not serve as the API lists it."""

    change: Change
    answer: Answer
    hidden_by: str | None  # a zone of the server's own below ours


def not_served(
    changes: Sequence[Change], authority: Authority, header: ZoneHeader, sites_lost: Collection[str], ports: ApplyPorts
) -> tuple[Refusal, ...]:
    """A refusal for each server and cause that keeps what is to be adopted from being served.

    Args:
        changes: The plan's.
        authority: Whom to ask: the primary, and the servers whose proof is required.
        header: The zone's, by the API.
        sites_lost: Whose servers nobody asks.
        ports: DNS and events.
    """
    adopted = [Expectation.of(one) for one in changes if one.action is Action.ADOPT]
    servers = [
        one
        for one in servers_of(authority, sites_lost)
        if one.authoritative and not one.lost and (one.required or one.role == "primary")
    ]
    if not adopted or not servers:
        return ()
    ports.on_event(Step(f"asking {len(servers)} servers whether they serve the {len(adopted)} RRsets to adopt"))
    by_key = {one.key: one for one in changes}
    soa = Question(authority.zone, "SOA")
    questions = [soa, *(one.question for one in adopted)]
    with ThreadPoolExecutor(max_workers=len(servers)) as pool:
        given = dict(zip(servers, pool.map(lambda one: _ask(one, questions, ports), servers), strict=True))
    serial = header.edited_serial
    refusals: list[Refusal] = []
    for server, answers in given.items():
        if why := _why_not_judged(server, answers[soa], soa, serial):
            ports.on_event(Warned(f"{_called(server)}: {why}; what is adopted is proved there afterwards"))
            continue
        missing = [
            (by_key[one.question.name, one.question.type], answers[one.question])
            for one in adopted
            if answers[one.question].rcode != "SILENT" and not one.met_by(answers[one.question], authoritative=True)
        ]
        if silent := sum(answer.rcode == "SILENT" for answer in answers.values()):
            ports.on_event(Warned(f"{_called(server)} did not answer {silent} questions; they are proved afterwards"))
        refusals += _refusals(server, _looked_into(server, missing, authority.zone, ports))
    return tuple(refusals)


def _ask(server: Watched, questions: Sequence[Question], ports: ApplyPorts) -> Mapping[Question, Answer]:
    return ports.dns.ask(server.address, questions, recursion_desired=False, timeout_s=_TIMEOUT_S)


def _why_not_judged(server: Watched, answer: Answer, soa: Question, serial: int) -> str:
    """Why a server's answers say nothing about what is to be adopted; "" where they do."""
    if why := why_inconclusive([answer]):
        return unseen_because(why)
    found = soa_serial(answered(answer, soa))
    if not answer.authoritative or found is None:
        return "it has no authority for the zone"
    if server.role != "primary" and found != serial:
        return f"it serves serial {found}, the primary {serial}"
    return ""


def _looked_into(
    server: Watched, missing: Sequence[tuple[Change, Answer]], apex: str, ports: ApplyPorts
) -> list[_Unserved]:
    """What hides the names, where it is a zone: one question for each name above them, and for the first of them."""
    names = list(dict.fromkeys(change.name for change, _ in missing))
    above = {one for name in names for one in ancestors(name, apex)} | set(names[:_NAMES_LOOKED_INTO])
    questions = {one: Question(one, "SOA") for one in above - {apex}}
    answers = _ask(server, list(questions.values()), ports) if questions else {}
    zones = {
        one
        for one, question in questions.items()
        if answers[question].authoritative and answered(answers[question], question) is not None
    }
    return [_Unserved(change, answer, _nearest(change.name, apex, zones)) for change, answer in missing]


def _nearest(name: str, apex: str, zones: Collection[str]) -> str | None:
    return next((one for one in (name, *ancestors(name, apex)) if one in zones), None)


def _refusals(server: Watched, unserved: Sequence[_Unserved]) -> Iterator[Refusal]:
    """One for each cause; names beyond the first are counted."""
    groups: dict[tuple[str, str], list[_Unserved]] = {}
    for one in unserved:
        groups.setdefault(_cause(one), []).append(one)
    for (cause, hint), group in groups.items():
        first, more = group[0].change, len(group) - 1
        also = f" (and {more} more)" if more else ""
        message = f"{first.name} {first.type}{also} is listed by the API, but {_called(server)} {cause}"
        yield Refusal(_GUARD, first.name, message, hint)


def _cause(one: _Unserved) -> tuple[str, str]:
    """Why a server does not serve an RRset, and the remedy."""
    answer, change = one.answer, one.change
    if one.hidden_by is not None:
        return (
            f"has a zone {one.hidden_by} of its own, which hides it",
            f"move the record into {one.hidden_by} and take the contract out, or remove that zone from the server",
        )
    if not answer.conclusive:
        return f"answered {answer.rcode} for it", "the server's own log says why"
    if not answer.authoritative:
        return (
            "answers without authority for it, as below a delegation",
            "remove the delegation above it, or take the contract out",
        )
    found = answered(answer, Question(change.name, change.type))
    said = f"answers {' '.join(found.rdata)} (TTL {found.ttl})" if found else f"answers {answer.rcode} without it"
    return said, (
        "write it again by the API: a row written past it may lack a field (disabled, auth, ordername); "
        "if it is new, the server's caches may be older: wait a minute and run again"
    )


def _called(server: Watched) -> str:
    name = server.role if server.role == server.name else f"{server.role} {server.name}"
    return f"{name} ({server.address})"
