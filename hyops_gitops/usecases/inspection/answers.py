"""Judging what one server answers for one name: as intended, from a cache, otherwise, or nothing at all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hyops_gitops.core.apply.caching import Earlier, earlier_answers
from hyops_gitops.core.apply.shared_database import NO_ANSWER_S, OLD_ANSWER_S
from hyops_gitops.core.evidence.log import Log
from hyops_gitops.core.exchange import NO_ANSWER, Answer, Question, why_inconclusive
from hyops_gitops.core.inspection.status import ServerAnswer, Verdict
from hyops_gitops.core.zone import RRset
from hyops_gitops.usecases.apply.convergence import Expectation, Watched, answered

TYPES = ("A", "AAAA", "CNAME")
_MINIMUM = -1  # position in an SOA's rdata (RFC 1035 section 3.3.13)


def negative_ttl(answers: Iterable[Mapping[Question, Answer]], zone: str) -> int | None:
    """For how long a cache may remember that there is nothing (RFC 2308 section 5), None when nobody gave an SOA."""
    question = Question(zone, "SOA")
    given = (answered(one[question], question) for one in answers if question in one)
    return max((min(soa.ttl, int(soa.rdata[0].split()[_MINIMUM])) for soa in given if soa), default=None)


@dataclass(frozen=True, slots=True)
class _Judged:
    """One type's answer: whether it is the one wanted, and what a cache may keep it for."""

    found: RRset | None
    met: bool
    until: datetime | None = None
    explained: bool = False


@dataclass(slots=True)
class Judge:
    """Holds answers against what is intended, and those of resolvers against what a name was before, too."""

    log: Log | None
    negative_ttl: int | None
    now: datetime
    shared: bool = False  # whether the secondaries read the primary's database, and keep answers in their caches
    _earlier: dict[str, tuple[Earlier, ...]] = field(default_factory=dict)

    def answer(
        self,
        server: Watched,
        name: str,
        answers: Mapping[Question, Answer],
        wanted: Mapping[str, RRset],
        *,
        decided: bool,
    ) -> ServerAnswer:
        """What this server's answers about one name amount to; undecided names are only shown."""
        mine = [(rrtype, answers[Question(name, rrtype)]) for rrtype in TYPES]
        if why := why_inconclusive(answer for _, answer in mine):
            verdict: Verdict = "silent" if why == NO_ANSWER else "inconclusive"
            note = "" if verdict == "silent" else f"it {why}"
            return ServerAnswer(server.role, server.name, str(server.address), verdict, (), note)
        judged = [self._judge(server, name, rrtype, answer, wanted.get(rrtype)) for rrtype, answer in mine]
        records = tuple(one.found for one in judged if one.found)
        wrong = [one for one in judged if not one.met] if decided else []
        verdict, note, left_s = "as intended", "", None
        if wrong and all(one.explained for one in wrong):
            verdict, left_s = "caching", self._left(wrong, counted_down=not server.authoritative)
        elif wrong:
            verdict, note = "differs", _note(server, [answer for _, answer in mine], records, wanted)
        return ServerAnswer(server.role, server.name, str(server.address), verdict, records, note, left_s)

    def _judge(self, server: Watched, name: str, rrtype: str, answer: Answer, wanted: RRset | None) -> _Judged:
        question = Question(name, rrtype)
        found = answered(answer, question)
        expected = Expectation(question, wanted, before=found)
        if expected.met_by(answer, authoritative=server.authoritative):
            return _Judged(found, met=True)
        if self.shared and server.role == "secondary":
            until = self._kept_until(name, rrtype, found)
            return _Judged(found, met=False, until=until, explained=until is not None)
        if not server.authoritative:
            for earlier in self._earlier_of(name):
                if earlier.explains(rrtype, found, self.now - self._behind()):
                    return _Judged(found, met=False, until=earlier.until, explained=True)
        return _Judged(found, met=False)

    def _behind(self) -> timedelta:
        """For how long the server that a resolver asked may itself have answered from a cache."""
        return timedelta(seconds=OLD_ANSWER_S if self.shared else 0)

    def _earlier_of(self, name: str) -> tuple[Earlier, ...]:
        if name not in self._earlier:
            applied = self.log.applied_to(name) if self.log else ()
            self._earlier[name] = earlier_answers(name, applied, self.negative_ttl)
        return self._earlier[name]

    def _kept_until(self, name: str, rrtype: str, found: RRset | None) -> datetime | None:
        """Until when a server on the primary's database may answer so from its caches, None when it may not."""
        newest = next(reversed(list(self.log.applied_to(name))), None) if self.log else None
        if newest is None or newest.result.accepted is None:
            return None
        before = {change.type: change.before for change in newest.intent.changes if change.name == name}
        until = newest.result.accepted + timedelta(seconds=OLD_ANSWER_S if found else NO_ANSWER_S)
        kept = rrtype in before and _rdata(before[rrtype]) == _rdata(found) and self.now <= until
        return until if kept else None

    def _left(self, stale: list[_Judged], *, counted_down: bool) -> int | None:
        """In how many seconds the server asks again, at the latest: a resolver says so where it answers anything."""
        said = [one.found.ttl for one in stale if one.found and counted_down]
        if said:
            return max(said)
        ends = [one.until for one in stale if one.until]
        return max(0, -(-(max(ends) - self.now) // timedelta(seconds=1))) if ends else None


def _rdata(rrset: RRset | None) -> tuple[str, ...] | None:
    return rrset.rdata if rrset else None


def _note(server: Watched, answers: list[Answer], records: tuple[RRset, ...], wanted: Mapping[str, RRset]) -> str:
    """What the records alone do not show."""
    if server.authoritative and not all(answer.authoritative for answer in answers):
        return "answers without authority: it does not serve the zone, or a zone below has been delegated"
    if {one.key: one.rdata for one in records} == {one.key: one.rdata for one in wanted.values()}:
        return "only the TTL differs"
    return "" if server.authoritative else "longer than the TTL of any earlier answer"
