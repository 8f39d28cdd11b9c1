"""Asking the DNS servers of a zone, and comparing their answers.

Convergence, proof, status, drift, doctor, audit and restore all build on it. A server that fails or stays silent says
nothing about the zone: no answer is ever taken for "there is nothing".
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from hyops_gitops.core.authority import Authority, ServerAddress
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.exchange import Answer, Question, why_inconclusive
from hyops_gitops.core.markers import Anchor, anchor_name
from hyops_gitops.core.names import ancestors
from hyops_gitops.core.network import DnsClient
from hyops_gitops.core.server_report import Server, ServerReport, server_label
from hyops_gitops.core.zone import RRset, soa_serial

ANSWER_TIMEOUT_S = 2.0  # for one look; convergence, which asks again and again, waits for less
Answers = Mapping[Question, Answer]


@dataclass(frozen=True, slots=True)
class DnsServer:
    """A server of the authority file that answers DNS."""

    role: str  # primary, secondary, resolver
    name: str
    address: ServerAddress
    required: bool  # by policy.convergence
    site: str = ""
    lost: bool = False  # it stands at a site declared lost

    @property
    def key(self) -> Server:
        """Role and name."""
        return (self.role, self.name)

    @property
    def label(self) -> str:
        """`primary`, `secondary onprem`."""
        return server_label(self.role, self.name)

    @property
    def authoritative(self) -> bool:
        """Whether it answers from the zone itself rather than from a cache."""
        return self.role != "resolver"

    def __str__(self) -> str:
        return f"{self.label} ({self.address})"


def servers_of(authority: Authority, sites_lost: Collection[str] = ()) -> tuple[DnsServer, ...]:
    """The servers that DNS can reach; none at lost sites is required.

    Where that leaves none that is required, every other authority server is: one has to show that a change is served.
    """
    required = authority.policy.convergence.require

    def of(role: str, group: str, name: str, address: ServerAddress, site: str) -> DnsServer:
        lost = site in sites_lost
        return DnsServer(role, name, address, group in required and not lost, site, lost)

    primary = authority.primary
    servers = (
        *([of("primary", "primary", "primary", primary.dns, primary.site)] if primary.dns else []),
        *(of("secondary", "secondaries", server.name, server.dns, server.site) for server in authority.secondaries),
        *(of("resolver", "resolvers", server.name, server.dns, server.site) for server in authority.resolvers),
    )
    if any(server.required for server in servers) or not any(server.lost for server in servers):
        return servers
    return tuple(replace(server, required=server.authoritative and not server.lost) for server in servers)


def ask(
    dns: DnsClient, server: DnsServer, questions: Sequence[Question], timeout_s: float = ANSWER_TIMEOUT_S
) -> Answers:
    """The answers of one server; a resolver is asked to recurse."""
    return dns.ask(server.address, questions, recursion_desired=not server.authoritative, timeout_s=timeout_s)


def ask_all(dns: DnsClient, questions: Mapping[DnsServer, Sequence[Question]]) -> dict[DnsServer, Answers]:
    """The answers of several servers, asked in parallel."""
    if not questions:
        return {}
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - 4 ms, and a plan asks no server

    with ThreadPoolExecutor(max_workers=len(questions)) as pool:
        answers = pool.map(lambda server: ask(dns, server, questions[server]), questions)
        return dict(zip(questions, answers, strict=True))


class TransferredZone(Mapping[Question, Answer]):
    """A transferred zone as answers to any question about it.

    What a transfer does not show: caches, wildcards at work, and types that the server answers with something else.
    """

    def __init__(self, zone: str, asked: Answers, rrsets: Iterable[RRset]) -> None:
        """From what the server was asked, and what it transferred."""
        self._asked = asked
        self._zone = zone
        self._by_name: dict[str, dict[str, RRset]] = {}
        for rrset in rrsets:
            self._by_name.setdefault(rrset.name, {})[rrset.type] = rrset
        self._cuts = {
            name for name, types in self._by_name.items() if "DNAME" in types or ("NS" in types and name != zone)
        }

    def __getitem__(self, question: Question) -> Answer:
        if question in self._asked:
            return self._asked[question]
        types = self._by_name.get(question.name, {})
        found = tuple(types[rrtype] for rrtype in dict.fromkeys((question.type, "CNAME")) if rrtype in types)
        return Answer("NOERROR" if types else "NXDOMAIN", not self._is_hidden(question.name), found, 0)

    def __iter__(self) -> Iterator[Question]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def at(self, name: str) -> Mapping[str, RRset] | None:
        """The RRsets of a name by type; None below a zone cut."""
        return None if self._is_hidden(name) else self._by_name.get(name, {})

    def _is_hidden(self, name: str) -> bool:
        """Whether a zone cut or DNAME hides it."""
        if not self._cuts:
            return False
        above = any(ancestor in self._cuts for ancestor in ancestors(name, self._zone))
        return above or ("NS" in self._by_name.get(name, {}) and name != self._zone)


def answered(answers: Answers, question: Question) -> RRset | None:
    """The RRset at the very name and type asked for."""
    answer = answers.get(question)
    return answer.rrset(question) if answer is not None else None


@dataclass(frozen=True, slots=True)
class Expectation:
    """The right answer to one question, for an RRset or its deletion."""

    question: Question
    after: RRset | None
    before: RRset | None = None

    @classmethod
    def exactly(cls, rrset: RRset) -> "Expectation":
        return cls(Question(*rrset.key), rrset)

    def met_by(self, answer: Answer, *, authoritative: bool) -> bool:
        """Whether an answer shows it; caches may count the TTL down."""
        if not answer.conclusive or (authoritative and not answer.authoritative):
            return False
        found = answer.rrset(self.question)
        if self.after is None:
            # A wildcard may answer in its place; only the RRset that was deleted must be gone.
            return found is None or self.before is None or found.rdata != self.before.rdata
        return (
            found is not None and found.rdata == self.after.rdata and (found.ttl == self.after.ttl or not authoritative)
        )


def copy_questions(zone: str) -> tuple[Question, Question]:
    """The questions for a server's state: SOA and anchor."""
    return Question(zone, "SOA"), Question(anchor_name(zone), "TXT")


@dataclass(frozen=True, slots=True)
class ZoneCopy:
    """A server's copy of a zone, by its SOA and its anchor."""

    soa: RRset | None = None
    marker: RRset | None = None  # the anchor's RRset, whatever it holds
    serves: bool = True  # whether both were answered with authority
    trouble: str = ""  # what the server did instead of answering one of them

    @classmethod
    def of(cls, zone: str, answers: Answers) -> "ZoneCopy":
        """From answers to `copy_questions`, among others."""
        soa, marker = copy_questions(zone)
        given = [answers[question] for question in (soa, marker) if question in answers]
        serves = all(answer.authoritative and answer.conclusive for answer in given)
        return cls(answered(answers, soa), answered(answers, marker), serves, why_inconclusive(given))

    @property
    def serial(self) -> int | None:
        """The serial of the SOA."""
        return soa_serial(self.soa)

    @property
    def anchor(self) -> Anchor | None:
        """The intent that the copy was last changed by."""
        return Anchor.parse(self.marker) if self.marker else None


def unmet(expected: Iterable[Expectation], answers: Answers, *, authoritative: bool) -> list[Expectation]:
    """The expectations that these answers do not meet."""
    return [
        expectation
        for expectation in expected
        if not expectation.met_by(answers[expectation.question], authoritative=authoritative)
    ]


# --- secondaries that read the primary's database

OLD_ANSWER_S = 40
NO_ANSWER_S = 80
NEW_ZONE_S = 300
NEW_ZONE_EXPLAINED = (
    f"PowerDNS reads the list of its zones every {NEW_ZONE_S} s (zone-cache-refresh-interval); a flush by its API "
    "makes the zone known, a restart too"
)
_SETTINGS = "cache-ttl, query-cache-ttl, negquery-cache-ttl"


def is_shared(authority: Authority) -> bool:
    """Whether secondaries read the primary's database: nothing is transferred."""
    return authority.policy.replication == "native"


def caches_explained(zone: str, name: str, *, flushed: bool) -> str:
    """Why a server on the primary's database still answers as before."""
    kept = f"up to {OLD_ANSWER_S} s, and that there is none for up to {NO_ANSWER_S} s ({_SETTINGS})"
    if flushed:
        return (
            f"secondary {name} answers as before although its caches were flushed: does it read the primary's "
            "database, and is that database's own replication up to date?"
        )
    return (
        f"secondary {name} reads the primary's database, and its caches keep an answer for {kept}; to have them "
        f"flushed give its api_url and key, or on {name}: pdns_control purge '{zone}$'"
    )


def late_ones(zone: str, servers: Iterable[ServerReport], flushed: Collection[str]) -> Iterator[str]:
    """Why secondaries on the primary's database do not answer with the change.

    Args:
        zone: The zone.
        servers: The last report of every server.
        flushed: Names of the secondaries whose caches could be flushed.
    """
    for server in servers:
        if server.role != "secondary" or server.verdict == "converged":
            continue
        if server.verdict == "silent" and "REFUSED" not in server.rcode:
            continue
        if any(rcode == "REFUSED" for _, _, rcode, _, _ in server.answers):
            yield (f"secondary {server.name} does not know {zone}: {NEW_ZONE_EXPLAINED}")
        else:
            yield caches_explained(zone, server.name, flushed=server.name in flushed)
