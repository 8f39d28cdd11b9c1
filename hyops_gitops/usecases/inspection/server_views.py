"""What each authority server holds of a zone: by its API where there is a key, by transfer, or record by record."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hyops_gitops.core.apply.shared_database import NEW_ZONE_EXPLAINED, is_shared
from hyops_gitops.core.contracts.authority import Authority, Secondary
from hyops_gitops.core.damage import find_damage
from hyops_gitops.core.errors import HyopsError
from hyops_gitops.core.exchange import NO_ANSWER, Answer, Question, unseen_because, why_inconclusive
from hyops_gitops.core.inspection.drift import ServerView, ViewSource
from hyops_gitops.core.markers import anchor_name
from hyops_gitops.core.names import is_below
from hyops_gitops.core.zone import Key, RRset, Zone, soa_serial
from hyops_gitops.usecases.apply.convergence import Watched, answered, servers_of
from hyops_gitops.usecases.ports import DnsClient, ZoneReader, ZoneTransfers

_TIMEOUT_S = 2.0
_SHOWN = 3  # names in one remark
# PowerDNS answers with something else in their place; by transfer they have numbers for types.
_NEVER_SERVED = frozenset({"ALIAS", "LUA"})


@dataclass(frozen=True, slots=True)
class ViewPorts:
    """What looking needs from the outside; nothing of it can write."""

    dns: DnsClient
    transfers: ZoneTransfers
    open_primary: Callable[[Authority], ZoneReader | None]  # None: no key, or not wanted
    open_secondary: Callable[[Authority, Secondary], ZoneReader | None]


@dataclass(slots=True)
class Viewer:
    """Looks at the servers of one zone, and notes what it could not see."""

    authority: Authority
    ports: ViewPorts
    strict: bool = False  # whether nothing will do but the primary's API
    unseen: list[str] = field(default_factory=list)
    blind: bool = False  # whether a server that has to be looked at could not be

    def primary(self, keys: Collection[Key]) -> ServerView | None:
        """The primary: by its API where that can be, which alone shows the whole zone without asking leave.

        Args:
            keys: What to ask for where only questions can be asked.
        """
        watched = next((one for one in servers_of(self.authority) if one.role == "primary"), None)
        state = self._state(watched) if watched else {}
        serial = _serial(state, self.authority.zone)
        if (seen := self._by_api()) is not None:
            return self._view(watched, "api", seen, None, serial, serves=True)
        if watched is None:
            self.unseen.append("the primary: primary.dns is not given, and there is no API key")
            self.blind = True
            return None
        return self._by_dns(watched, state, keys)

    def secondary(self, secondary: Secondary, keys: Collection[Key]) -> ServerView | None:
        """A secondary."""
        watched = next(
            one for one in servers_of(self.authority) if one.role == "secondary" and one.name == secondary.name
        )
        state = self._state(watched)
        if not _serves(state):
            return self._by_dns(watched, state, keys)
        serial = _serial(state, self.authority.zone)
        try:
            reader = self.ports.open_secondary(self.authority, secondary)
            if reader is not None:
                return self._view(watched, "api", reader.rrsets(), None, serial, serves=True)
        except HyopsError as error:
            self.unseen.append(f"secondary {secondary.name} by its API: {error.message}")
        return self._by_dns(watched, state, keys)

    def comparable(self, zone: Zone, source: ViewSource) -> Zone:
        """A zone without what that kind of view cannot show."""
        if source == "api":
            return zone
        return zone.without([key for key in zone.rrsets if not self._askable(key[1])])

    def _askable(self, rrtype: str) -> bool:
        return rrtype not in _NEVER_SERVED and self.ports.transfers.knows_type(rrtype)

    def _by_api(self) -> tuple[RRset, ...] | None:
        """What the primary's API shows.

        Raises:
            HyopsError: nothing else will do, and it cannot be asked.
        """
        try:
            reader = self.ports.open_primary(self.authority)
            return None if reader is None else reader.rrsets()
        except HyopsError as error:
            if self.strict:
                raise
            self.unseen.append(f"the primary by its API: {error.message}")
            return None

    def _state(self, server: Watched) -> Mapping[Question, Answer]:
        """SOA and anchor."""
        zone = self.authority.zone
        return self._ask(server, [Question(zone, "SOA"), Question(anchor_name(zone), "TXT")])

    def _by_dns(self, server: Watched, state: Mapping[Question, Answer], keys: Collection[Key]) -> ServerView | None:
        """By transfer where the server allows it, else record by record; None where nothing can be concluded."""
        zone = self.authority.zone
        if why := why_inconclusive(state.values()):
            self._blind(server, why)
            return None
        serial = _serial(state, zone)
        if not _serves(state):
            return self._view(server, "dns", (), frozenset(), serial, serves=False)
        try:
            transferred = self.ports.transfers.transfer(server.address, zone)
        except HyopsError:
            self.unseen.append(f"records of {server.role} {server.name} that are not known: it does not transfer to us")
            self._hidden(server, (key for key in keys if not self._askable(key[1])))
        else:
            hidden = {one.key for one in transferred if one.type in _NEVER_SERVED}
            self._hidden(server, hidden | {key for key in keys if not self._askable(key[1])})
            seen = tuple(one for one in transferred if one.key not in hidden)
            return self._view(server, "axfr", seen, None, serial, serves=True)
        asked = frozenset(_askable([key for key in keys if self._askable(key[1])], zone))
        answers = self._ask(server, [Question(*key) for key in sorted(asked)])
        if why := why_inconclusive(answers.values()):
            self._blind(server, why)
            return None
        given = (answered(answer, question) for question, answer in {**state, **answers}.items())
        return self._view(server, "dns", tuple(filter(None, given)), asked, serial, serves=True)

    def _hidden(self, server: Watched, hidden: Iterable[Key]) -> None:
        keys = set(hidden)
        names = sorted({name for name, _ in keys})
        if names:
            listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            types = ", ".join(sorted({rrtype for _, rrtype in keys}))
            kinds = f"of types that DNS is not asked for ({types})"
            self.unseen.append(f"records of {server.role} {server.name} at {listed}: {kinds}; only its API shows them")

    def _blind(self, server: Watched, why: str) -> None:
        """A server that did not say what it holds; one that answers all the same, though wrongly, always counts."""
        hint = f"; {NEW_ZONE_EXPLAINED}" if "REFUSED" in why and is_shared(self.authority) else ""
        self.unseen.append(f"{server.role} {server.name} ({server.address}): {unseen_because(why)}{hint}")
        self.blind = self.blind or server.required or server.role == "primary" or why != NO_ANSWER

    def _ask(self, server: Watched, questions: list[Question]) -> Mapping[Question, Answer]:
        return self.ports.dns.ask(server.address, questions, recursion_desired=False, timeout_s=_TIMEOUT_S)

    def _view(
        self,
        server: Watched | None,
        source: ViewSource,
        seen: tuple[RRset, ...],
        looked_at: frozenset[Key] | None,
        serial: int | None,
        *,
        serves: bool,
    ) -> ServerView:
        marker = next((one for one in seen if one.key == (anchor_name(self.authority.zone), "TXT")), None)
        role, name = (server.role, server.name) if server else ("primary", "primary")
        address = str(server.address) if server else self.authority.primary.api.url
        zone = Zone.of(self.authority.zone, seen)
        damage = find_damage(seen)
        return ServerView(role, name, address, source, zone, looked_at, marker, serial, serves, damage)


def _serves(state: Mapping[Question, Answer]) -> bool:
    return all(answer.authoritative and answer.conclusive for answer in state.values())


def _serial(state: Mapping[Question, Answer], zone: str) -> int | None:
    question = Question(zone, "SOA")
    return soa_serial(answered(state[question], question)) if question in state else None


def _askable(keys: Collection[Key], apex: str) -> Iterator[Key]:
    """What a question to an authority server can answer: nothing at or below a zone cut."""
    cuts = {name for name, rrtype in keys if rrtype == "NS" and name != apex}
    for name, rrtype in keys:
        if not any(name == cut or is_below(name, cut) for cut in cuts):
            yield name, rrtype
