"""Answers of servers: judged by name, and viewed as a zone.

A resolver that gives an old answer within that answer's TTL does what it should (RFC 1034 section 3.6; RFC 2308 for
answers that there is nothing). One that gives it for longer does not.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import field
from datetime import datetime, timedelta

from hyops_gitops.core.authority import Authority, Secondary
from hyops_gitops.core.damage import find_damage
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import NO_ANSWER, Answer, Question, unseen_because, why_inconclusive
from hyops_gitops.core.managed import OWN_TYPES
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.names import is_below
from hyops_gitops.core.servers import (
    NEW_ZONE_EXPLAINED,
    NO_ANSWER_S,
    OLD_ANSWER_S,
    Answers,
    DnsServer,
    Expectation,
    TransferredZone,
    ZoneCopy,
    answered,
    ask,
    copy_questions,
    is_shared,
    servers_of,
)
from hyops_gitops.core.text import first_few
from hyops_gitops.core.zone import Key, RRset, Zone
from hyops_gitops.log.caches import stopped_serving
from hyops_gitops.log.log import Landing, Log
from hyops_gitops.log.workspace import Workspace
from hyops_gitops.observe.drift import ServerView, ViewSource
from hyops_gitops.observe.status import ServerAnswer, Verdict

_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Earlier:
    """The records that a change replaced at a name."""

    records: Mapping[str, RRset | None]  # by type; None: there was nothing
    until: datetime | None  # when the last cache has forgotten it; None: not seen when the last server let go of it

    def explains(self, rrtype: str, found: RRset | None, now: datetime) -> bool:
        """Whether this is why a cache gives that answer at that time."""
        if rrtype not in self.records or (self.until is not None and now > self.until + _ROUNDING):
            return False
        before = self.records[rrtype]
        return (before.rdata if before else None) == (found.rdata if found else None)


def earlier_answers(name: str, applied: Iterable[Landing], negative_ttl: int | None) -> tuple[Earlier, ...]:
    """The records that the changes of a name replaced, newest first.

    Args:
        name: The name.
        applied: The intents recorded as applied that speak of it, oldest first.
        negative_ttl: For how long its zone lets caches remember that there is nothing; None: not known.
    """
    found: list[Earlier] = []
    caught_up: datetime | None = None  # when servers that were behind were seen to have caught up
    for move in reversed(list(applied)):
        stopped = stopped_serving(move.result.accepted, move.result.servers) or caught_up
        caught_up = stopped or caught_up
        records = {
            change.type: change.before for change in move.intent.changes if change.name == name and change.writes
        }
        ttls = [negative_ttl if before is None else before.ttl for before in records.values()]
        known = [ttl for ttl in ttls if ttl is not None]
        # Of several records at the name the longest counts: a cached CNAME hides the other types for as long.
        until = stopped + timedelta(seconds=max(known)) if stopped and known and len(known) == len(ttls) else None
        found.append(Earlier(records, until))
    return tuple(found)


_SHOWN = 3  # names in one remark
# PowerDNS answers with something else in their place; by transfer they have numbers for types.
_NEVER_SERVED = frozenset({"ALIAS", "LUA"})


@dataclass(slots=True)
class Viewer:
    """Views the servers of a zone, and notes what it cannot see."""

    authority: Authority
    workspace: Workspace
    strict: bool = False  # whether nothing will do but the primary's API
    unseen: list[str] = field(default_factory=list)
    blind: bool = False  # whether a server that has to be looked at could not be

    def primary(self, keys: Collection[Key]) -> ServerView | None:
        """The primary, by its API where possible, which shows the whole zone.

        Args:
            keys: What to ask for where only questions can be asked.
        """
        server = next((server for server in servers_of(self.authority) if server.role == "primary"), None)
        copy = self._copy(server) if server else ZoneCopy()
        if (seen := self._by_api()) is not None:
            return self._view(server, "api", seen, None, copy.serial, serves=True)
        if server is None:
            self.unseen.append("the primary: primary.dns is not given, and no API key is set")
            self.blind = True
            return None
        return self._by_dns(server, copy, keys)

    def secondary(self, secondary: Secondary, keys: Collection[Key]) -> ServerView | None:
        server = next(server for server in servers_of(self.authority) if server.key == ("secondary", secondary.name))
        copy = self._copy(server)
        if not copy.serves:
            return self._by_dns(server, copy, keys)
        try:
            reader = self.workspace.open_secondary(self.authority, secondary)
            if reader is not None:
                return self._view(server, "api", reader.rrsets(), None, copy.serial, serves=True)
        except HyopsError as error:
            self.unseen.append(f"secondary {secondary.name} by its API: {error.message}")
        return self._by_dns(server, copy, keys)

    def comparable(self, zone: Zone, source: ViewSource) -> Zone:
        """A zone without what that kind of view cannot show."""
        if source == "api":
            return zone
        return zone.without([key for key in zone.rrsets if not self._askable(key[1])])

    def _askable(self, rrtype: str) -> bool:
        return rrtype not in _NEVER_SERVED and self.workspace.transfers.knows_type(rrtype)

    def _by_api(self) -> tuple[RRset, ...] | None:
        """The RRsets by the primary's API.

        Raises:
            HyopsError: nothing else will do, and it cannot be asked.
        """
        try:
            reader = self.workspace.reader_with_key(self.authority)
            return None if reader is None else reader.rrsets()
        except HyopsError as error:
            if self.strict:
                raise
            self.unseen.append(f"the primary by its API: {error.message}")
            return None

    def _copy(self, server: DnsServer) -> ZoneCopy:
        zone = self.authority.zone
        return ZoneCopy.of(zone, ask(self.workspace.dns, server, copy_questions(zone)))

    def _by_dns(self, server: DnsServer, copy: ZoneCopy, keys: Collection[Key]) -> ServerView | None:
        """A view by transfer, else record by record; None where inconclusive."""
        zone = self.authority.zone
        if copy.trouble:
            self._blind(server, copy.trouble)
            return None
        if not copy.serves:
            return self._view(server, "dns", (), frozenset(), copy.serial, serves=False)
        try:
            transferred = self.workspace.transfers.transfer(server.address, zone)
        except HyopsError:
            self.unseen.append(f"records of {server.label} that are not known: it does not transfer to us")
            self._hidden(server, (key for key in keys if not self._askable(key[1])))
        else:
            hidden = {rrset.key for rrset in transferred if rrset.type in _NEVER_SERVED}
            self._hidden(server, hidden | {key for key in keys if not self._askable(key[1])})
            seen = tuple(rrset for rrset in transferred if rrset.key not in hidden)
            return self._view(server, "axfr", seen, None, copy.serial, serves=True)
        asked = frozenset(_askable([key for key in keys if self._askable(key[1])], zone))
        answers = ask(self.workspace.dns, server, [Question(*key) for key in sorted(asked)])
        if why := why_inconclusive(answers.values()):
            self._blind(server, why)
            return None
        given = (copy.soa, copy.marker, *(answered(answers, question) for question in answers))
        return self._view(server, "dns", tuple(filter(None, given)), asked, copy.serial, serves=True)

    def _hidden(self, server: DnsServer, hidden: Iterable[Key]) -> None:
        keys = set(hidden)
        names = sorted({name for name, _ in keys})
        if names:
            types = ", ".join(sorted({rrtype for _, rrtype in keys}))
            kinds = f"of types that DNS is not asked for ({types})"
            self.unseen.append(
                f"records of {server.label} at {first_few(names, _SHOWN)}: {kinds}; only its API shows them"
            )

    def _blind(self, server: DnsServer, why: str) -> None:
        """Note a server that did not show its zone; failures always count."""
        hint = f"; {NEW_ZONE_EXPLAINED}" if "REFUSED" in why and is_shared(self.authority) else ""
        self.unseen.append(f"{server}: {unseen_because(why)}{hint}")
        self.blind = self.blind or server.required or server.role == "primary" or why != NO_ANSWER

    def _view(
        self,
        server: DnsServer | None,
        source: ViewSource,
        seen: tuple[RRset, ...],
        looked_at: frozenset[Key] | None,
        serial: int | None,
        *,
        serves: bool,
    ) -> ServerView:
        marker = next((rrset for rrset in seen if rrset.key == (anchor_name(self.authority.zone), "TXT")), None)
        role, name = (server.role, server.name) if server else ("primary", "primary")
        address = str(server.address) if server else self.authority.primary.api.url
        zone = Zone.of(self.authority.zone, seen)
        damage = find_damage(seen)
        return ServerView(role, name, address, source, zone, looked_at, marker, serial, serves, damage)


def _askable(keys: Collection[Key], apex: str) -> Iterator[Key]:
    """The keys that an authority server answers: none below zone cuts."""
    cuts = {name for name, rrtype in keys if rrtype == "NS" and name != apex}
    for name, rrtype in keys:
        if not any(name == cut or is_below(name, cut) for cut in cuts):
            yield name, rrtype


_MINIMUM = re.compile(r"[^\\#].* [0-9]+ [0-9]+ [0-9]+ [0-9]+ ([0-9]{1,10})")  # of an SOA (RFC 1035 section 3.3.13)


def negative_ttl(answers: Iterable[Answers], zone: str) -> int | None:
    """Seconds that caches keep a negative answer (RFC 2308 section 5)."""
    question = Question(zone, "SOA")
    given = (answered(of_server, question) for of_server in answers)
    numbers = ((soa.ttl, _MINIMUM.fullmatch(soa.rdata[0])) for soa in given if soa)
    return max((min(ttl, int(minimum[1])) for ttl, minimum in numbers if minimum), default=None)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A type's answer: whether it is right, and until when cached."""

    found: RRset | None
    met: bool
    until: datetime | None = None
    explained: bool = False


@dataclass(slots=True)
class Judge:
    """Compares answers with what is intended, those of caches with earlier records."""

    log: Log | None
    negative_ttl: int | None
    now: datetime
    shared: bool = False  # whether the secondaries read the primary's database, and keep answers in their caches
    _earlier: dict[str, tuple[Earlier, ...]] = field(default_factory=dict)

    def answer(
        self,
        server: DnsServer,
        name: str,
        answers: Answers,
        wanted: Mapping[str, RRset],
        *,
        decided: bool,
    ) -> ServerAnswer:
        """The verdict on a server's answers for a name."""
        if decided and (records := _exactly(server, name, answers, wanted)) is not None:
            return ServerAnswer(server.role, server.name, str(server.address), "as intended", records)
        mine = [(rrtype, answers[Question(name, rrtype)]) for rrtype in OWN_TYPES]
        if why := why_inconclusive(answer for _, answer in mine):
            verdict: Verdict = "silent" if why == NO_ANSWER else "inconclusive"
            note = "" if verdict == "silent" else f"it {why}"
            return ServerAnswer(server.role, server.name, str(server.address), verdict, (), note)
        judged = [self._judge(server, name, rrtype, answer, wanted.get(rrtype)) for rrtype, answer in mine]
        records = tuple(answer.found for answer in judged if answer.found)
        wrong = [answer for answer in judged if not answer.met] if decided else []
        verdict, note, left_s = "as intended", "", None
        if wrong and all(answer.explained for answer in wrong):
            verdict, left_s = "caching", self._left(wrong, counted_down=not server.authoritative)
        elif wrong:
            verdict, note = "differs", _note(server, [answer for _, answer in mine], records, wanted)
        return ServerAnswer(server.role, server.name, str(server.address), verdict, records, note, left_s)

    def _judge(self, server: DnsServer, name: str, rrtype: str, answer: Answer, wanted: RRset | None) -> _Judged:
        question = Question(name, rrtype)
        found = answer.rrset(question)
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
        """The age of answers in the caches behind a resolver."""
        return timedelta(seconds=OLD_ANSWER_S if self.shared else 0)

    def _earlier_of(self, name: str) -> tuple[Earlier, ...]:
        if name not in self._earlier:
            applied = self.log.applied_to(name) if self.log else ()
            self._earlier[name] = earlier_answers(name, applied, self.negative_ttl)
        return self._earlier[name]

    def _kept_until(self, name: str, rrtype: str, found: RRset | None) -> datetime | None:
        """The end of a cached answer, on the primary's database."""
        newest = next(reversed(list(self.log.applied_to(name))), None) if self.log else None
        if newest is None or newest.result.accepted is None:
            return None
        before = {change.type: change.before for change in newest.intent.changes if change.name == name}
        until = newest.result.accepted + timedelta(seconds=OLD_ANSWER_S if found else NO_ANSWER_S)
        kept = rrtype in before and _rdata(before[rrtype]) == _rdata(found) and self.now <= until
        return until if kept else None

    def _left(self, stale: list[_Judged], *, counted_down: bool) -> int | None:
        """Seconds until the server asks again, at the latest."""
        ttls = [answer.found.ttl for answer in stale if answer.found and counted_down]
        if ttls:
            return max(ttls)
        ends = [answer.until for answer in stale if answer.until]
        return max(0, -(-(max(ends) - self.now) // timedelta(seconds=1))) if ends else None


def _exactly(server: DnsServer, name: str, answers: Answers, wanted: Mapping[str, RRset]) -> tuple[RRset, ...] | None:
    """The answers of a zone's server where they are exactly as wanted.

    Nearly every answer is, so that the rest of the judgement is for few.
    """
    if not server.authoritative:
        return None
    if isinstance(answers, TransferredZone):
        types = answers.at(name)
        found = None if types is None else {rrtype: types[rrtype] for rrtype in OWN_TYPES if rrtype in types}
    else:
        found = {}
        for rrtype in OWN_TYPES:
            answer = answers[Question(name, rrtype)]
            if not (answer.authoritative and answer.conclusive):
                return None
            found |= {rrset.type: rrset for rrset in answer.rrsets if (rrset.name, rrset.type) == (name, rrtype)}
    return tuple(found.values()) if found == wanted else None


def _rdata(rrset: RRset | None) -> tuple[str, ...] | None:
    return rrset.rdata if rrset else None


def _note(server: DnsServer, answers: list[Answer], records: tuple[RRset, ...], wanted: Mapping[str, RRset]) -> str:
    """A remark on what the records alone do not show."""
    if server.authoritative and not all(answer.authoritative for answer in answers):
        return "answers without authority: it does not serve the zone, or a zone below has been delegated"
    if {rrset.key: rrset.rdata for rrset in records} == {rrset.key: rrset.rdata for rrset in wanted.values()}:
        return "only the TTL differs"
    return "" if server.authoritative else "longer than the TTL of any earlier answer"
