"""Which servers are asked and required, what their answers show, and why some answer late."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Barrier

import pytest

from hyops_gitops.core.authority import Authority, ServerAddress
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.markers import Anchor
from hyops_gitops.core.server_report import RecordedAnswer, ServerReport
from hyops_gitops.core.servers import (
    ANSWER_TIMEOUT_S,
    DnsServer,
    Expectation,
    TransferredZone,
    ZoneCopy,
    answered,
    ask,
    ask_all,
    caches_explained,
    copy_questions,
    is_shared,
    late_ones,
    servers_of,
    unmet,
)
from hyops_gitops.core.zone import RRset
from tests.support.contracts import MINIMAL, validated

ZONE = "z.internal"
ADDRESS = RRset.of("a.z.internal", "A", 60, ["10.0.0.1"])
ALIAS = RRset.of("c.z.internal", "CNAME", 60, ["a.z.internal"])
CUT = RRset.of("cut.z.internal", "NS", 60, ["ns.example"])
BELOW = RRset.of("x.cut.z.internal", "A", 60, ["10.0.0.2"])
REST = RRset.of("z.internal", "NS", 60, ["ns.example"])
SOA = Answer("NOERROR", True, (), 3)


def answer(name: str, rrtype: str) -> Answer:
    asked = {Question(ZONE, "SOA"): SOA}
    return TransferredZone(ZONE, asked, (ADDRESS, ALIAS, CUT, BELOW, REST))[Question(name, rrtype)]


def test_what_was_asked_stays_as_it_was_answered() -> None:
    zone = TransferredZone(ZONE, {Question(ZONE, "SOA"): SOA}, (ADDRESS,))
    assert dict(zone) == {Question(ZONE, "SOA"): SOA}
    assert zone[Question(ZONE, "SOA")] is SOA


def test_a_name_is_answered_by_its_type_or_its_alias() -> None:
    assert answer("a.z.internal", "A") == Answer("NOERROR", True, (ADDRESS,), 0)
    assert answer("a.z.internal", "AAAA") == Answer("NOERROR", True, (), 0)
    assert answer("c.z.internal", "A").rrsets == (ALIAS,)
    assert answer("d.z.internal", "A") == Answer("NXDOMAIN", True, (), 0)


def test_names_at_and_below_a_zone_cut_are_answered_without_authority() -> None:
    assert not answer("x.cut.z.internal", "A").authoritative
    assert not answer("cut.z.internal", "A").authoritative
    zone = TransferredZone(ZONE, {}, (CUT, BELOW, REST, ADDRESS))
    assert zone.at("x.cut.z.internal") is None
    assert zone.at("a.z.internal") == {"A": ADDRESS}
    assert zone.at("z.internal") == {"NS": REST}


def test_a_cut_hides_what_is_below_it_and_is_itself_no_answer_with_authority() -> None:
    dname = RRset.of("d.z.internal", "DNAME", 60, ["e.example"])
    zone = TransferredZone(ZONE, {}, (dname, RRset.of("x.d.z.internal", "A", 60, ["10.0.0.3"]), CUT, REST))
    assert zone.at("x.d.z.internal") is None
    assert zone.at("d.z.internal") == {"DNAME": dname}  # RFC 6672: what is below it is redirected
    assert zone.at("cut.z.internal") is None
    assert zone.at("nothing.z.internal") == {}


def test_without_a_cut_nothing_is_hidden() -> None:
    zone = TransferredZone(ZONE, {}, (ADDRESS, REST))
    assert zone.at("a.z.internal") == {"A": ADDRESS}
    assert zone.at("z.internal") == {"NS": REST}
    assert zone[Question("a.z.internal", "A")].authoritative


def test_a_name_has_all_of_its_types() -> None:
    text = RRset.of("a.z.internal", "TXT", 60, ['"x"'])
    zone = TransferredZone(ZONE, {}, (ADDRESS, text))
    assert zone.at("a.z.internal") == {"A": ADDRESS, "TXT": text}


def test_what_was_asked_is_all_that_is_counted() -> None:
    asked = {Question(ZONE, "SOA"): SOA}
    zone = TransferredZone(ZONE, asked, (ADDRESS,))
    assert (list(zone), len(zone)) == (list(asked), 1)


# --- which servers there are


FULL = (
    MINIMAL.replace(b"site: hetzner}", b'site: hetzner, dns: "10.0.0.1:53"}')
    + b"""resolvers: [{name: r1, site: onprem, dns: "10.0.0.3:53"}]
"""
)
PRIMARY = DnsServer("primary", "primary", ServerAddress("10.0.0.1", 53), required=True, site="hetzner")
SECONDARY = DnsServer("secondary", "s1", ServerAddress("fd00::53", 53), required=True, site="onprem")
RESOLVER = DnsServer("resolver", "r1", ServerAddress("10.0.0.3", 53), required=False, site="onprem")


def authority(text: bytes, policy: str = "") -> Authority:
    found = validated({}, text + policy.encode()).authority
    assert found is not None
    return found


def requiring(*roles: str) -> Authority:
    return authority(FULL, f"policy: {{convergence: {{require: [{', '.join(roles)}]}}}}\n")


def test_the_servers_are_those_of_the_authority_file() -> None:
    assert servers_of(authority(FULL)) == (PRIMARY, SECONDARY, RESOLVER)


def test_a_primary_without_a_dns_address_is_not_asked() -> None:
    assert servers_of(authority(MINIMAL)) == (SECONDARY,)


@pytest.mark.parametrize(
    ("roles", "required"),
    [
        (("primary",), ["primary"]),
        (("secondaries",), ["s1"]),
        (("resolvers",), ["r1"]),
        (("primary", "secondaries", "resolvers"), ["primary", "s1", "r1"]),
    ],
)
def test_the_policy_says_which_servers_are_required(roles: tuple[str, ...], required: list[str]) -> None:
    assert [server.name for server in servers_of(requiring(*roles)) if server.required] == required


def test_a_server_at_a_lost_site_is_lost_and_not_required() -> None:
    lost = replace(SECONDARY, required=False, lost=True), replace(RESOLVER, lost=True)
    assert servers_of(authority(FULL), {"onprem"}) == (PRIMARY, *lost)


def test_where_every_required_server_is_lost_each_other_one_of_the_zone_is_required() -> None:
    assert servers_of(requiring("primary"), {"hetzner"}) == (
        replace(PRIMARY, required=False, lost=True),
        SECONDARY,
        RESOLVER,
    )


def test_where_a_required_server_is_left_no_other_one_becomes_required() -> None:
    lost = replace(PRIMARY, required=False, lost=True)
    assert servers_of(requiring("resolvers"), {"hetzner"}) == (
        lost,
        replace(SECONDARY, required=False),
        replace(RESOLVER, required=True),
    )


def test_a_server_is_called_by_role_name_and_address() -> None:
    assert (str(PRIMARY), str(SECONDARY)) == ("primary (10.0.0.1:53)", "secondary s1 ([fd00::53]:53)")
    assert (SECONDARY.key, SECONDARY.label) == (("secondary", "s1"), "secondary s1")


# --- asking


class Asked:
    """Answers each question with the server's address, and notes how it was asked."""

    def __init__(self, together: int = 1) -> None:
        self.together = Barrier(together, timeout=10)
        self.how: list[tuple[bool, float]] = []

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        self.together.wait()
        self.how.append((recursion_desired, timeout_s))
        return dict.fromkeys(questions, Answer(server.host, True, (), 1))


def test_a_resolver_alone_is_asked_to_recurse() -> None:
    for server, recurses in ((PRIMARY, False), (SECONDARY, False), (RESOLVER, True)):
        dns = Asked()
        ask(dns, server, [Question(ZONE, "SOA")])
        ask(dns, server, [Question(ZONE, "SOA")], 0.5)
        assert dns.how == [(recurses, ANSWER_TIMEOUT_S), (recurses, 0.5)]


def test_each_server_is_asked_its_own_questions() -> None:
    questions = {PRIMARY: [Question(ZONE, "SOA")], SECONDARY: list(copy_questions(ZONE))}
    answers = ask_all(Asked(together=2), questions)
    assert {server: list(given) for server, given in answers.items()} == questions
    assert [given[Question(ZONE, "SOA")].rcode for given in answers.values()] == ["10.0.0.1", "fd00::53"]


def test_however_many_servers_are_asked_at_once() -> None:
    servers = [replace(SECONDARY, name=f"s{number}") for number in range(40)]
    answers = ask_all(Asked(together=40), {server: [Question(ZONE, "SOA")] for server in servers})
    assert list(answers) == servers


def test_no_server_is_asked_nothing() -> None:
    assert ask_all(Asked(), {}) == {}


# --- what answers show


CHANGED = RRset.of("pg.prod.z.internal", "A", 60, ["10.0.0.1"])
GONE = RRset.of("pg.prod.z.internal", "A", 60, ["10.0.0.9"])


@pytest.mark.parametrize(
    ("after", "before", "answer", "by_authority", "by_cache"),
    [
        (CHANGED, None, Answer("NOERROR", True, (CHANGED,), 1), True, True),
        (CHANGED, None, Answer("NOERROR", False, (CHANGED,), 1), False, True),
        (CHANGED, None, Answer("NOERROR", True, (replace(CHANGED, ttl=5),), 1), False, True),
        (CHANGED, GONE, Answer("NOERROR", True, (GONE,), 1), False, False),
        (CHANGED, None, Answer("NOERROR", True, (replace(CHANGED, name="x.prod.z.internal"),), 1), False, False),
        (CHANGED, None, Answer("NOERROR", True, (), 1), False, False),
        (CHANGED, None, Answer("SERVFAIL", True, (CHANGED,), 1), False, False),
        (CHANGED, None, Answer("SILENT", True, (CHANGED,), 1), False, False),
        (None, GONE, Answer("NXDOMAIN", True, (), 1), True, True),
        (None, GONE, Answer("NOERROR", True, (GONE,), 1), False, False),
        (None, GONE, Answer("NOERROR", True, (CHANGED,), 1), True, True),  # a wildcard's
        (None, None, Answer("NOERROR", True, (CHANGED,), 1), True, True),
        (None, GONE, Answer("REFUSED", True, (), 1), False, False),
    ],
)
def test_what_an_answer_shows(
    after: RRset | None, before: RRset | None, answer: Answer, by_authority: bool, by_cache: bool
) -> None:
    expected = Expectation(Question("pg.prod.z.internal", "A"), after, before)
    assert expected.met_by(answer, authoritative=True) is by_authority
    assert expected.met_by(answer, authoritative=False) is by_cache


def test_an_rrset_is_expected_as_it_is() -> None:
    assert Expectation.exactly(CHANGED) == Expectation(Question(CHANGED.name, "A"), CHANGED)


def test_what_is_not_met_is_named() -> None:
    met, not_met = Expectation.exactly(ADDRESS), Expectation.exactly(CHANGED)
    answers = {
        met.question: Answer("NOERROR", False, (ADDRESS,), 1),
        not_met.question: Answer("NXDOMAIN", False, (), 1),
    }
    assert unmet([met, not_met], answers, authoritative=False) == [not_met]
    assert unmet([met, not_met], answers, authoritative=True) == [met, not_met]


def test_what_was_not_asked_is_not_answered() -> None:
    question = Question(ADDRESS.name, "A")
    assert answered({}, question) is None
    assert answered({question: Answer("NOERROR", True, (ALIAS, ADDRESS), 1)}, question) == ADDRESS


ANCHOR = Anchor(7, "d" * 64)
STATE = RRset.of(ZONE, "SOA", 60, ["ns.z.internal. admin.z.internal. 9 1 2 3 4"])
COPY = {
    copy_questions(ZONE)[0]: Answer("NOERROR", True, (STATE,), 1),
    copy_questions(ZONE)[1]: Answer("NOERROR", True, (ANCHOR.rrset(ZONE),), 1),
}


def copy_with(which: int, **fields: object) -> ZoneCopy:
    question = copy_questions(ZONE)[which]
    return ZoneCopy.of(ZONE, {**COPY, question: replace(COPY[question], **fields)})  # type: ignore[arg-type]


def test_a_copy_is_known_by_its_serial_and_its_anchor() -> None:
    copy = ZoneCopy.of(ZONE, COPY)
    assert (copy.serial, copy.anchor, copy.serves, copy.trouble) == (9, ANCHOR, True, "")
    assert (ZoneCopy().serial, ZoneCopy().anchor) == (None, None)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("fields", "trouble"),
    [
        ({"authoritative": False}, ""),
        ({"rcode": "SERVFAIL", "rrsets": ()}, "answered SERVFAIL"),
        ({"rcode": "SILENT", "rrsets": ()}, "did not answer"),
    ],
)
def test_a_server_that_answers_without_authority_or_not_at_all_does_not_serve_the_zone(
    which: int, fields: dict[str, object], trouble: str
) -> None:
    copy = copy_with(which, **fields)
    assert (copy.serves, copy.trouble) == (False, trouble)


def test_a_copy_is_judged_by_what_was_asked_alone() -> None:
    soa = copy_questions(ZONE)[0]
    copy = ZoneCopy.of(ZONE, {soa: COPY[soa], Question("a.z.internal", "A"): Answer("REFUSED", False, (), 1)})
    assert (copy.serial, copy.anchor, copy.serves, copy.trouble) == (9, None, True, "")


# --- secondaries that read the primary's database


NATIVE = "policy: {replication: native}\n"
REFUSED = RecordedAnswer(ZONE, "TXT", "REFUSED", None, ())
OLD_ANSWER = RecordedAnswer(ZONE, "TXT", "NOERROR", 60, ('"old"',))
NOT_KNOWN = (
    "secondary s1 does not know z.internal: PowerDNS reads the list of its zones every 300 s "
    "(zone-cache-refresh-interval); a flush by its API makes the zone known, a restart too"
)
NOT_FLUSHED = (
    "secondary s1 reads the primary's database, and its caches keep an answer for up to 40 s, and that there is none "
    "for up to 80 s (cache-ttl, query-cache-ttl, negquery-cache-ttl); to have them flushed give its api_url and key, "
    "or on s1: pdns_control purge 'z.internal$'"
)
FLUSHED = (
    "secondary s1 answers as before although its caches were flushed: does it read the primary's database, and is "
    "that database's own replication up to date?"
)


@pytest.mark.parametrize(("policy", "shared"), [("", False), (NATIVE, True)])
def test_secondaries_share_the_database_where_the_policy_says_so(policy: str, shared: bool) -> None:
    assert is_shared(authority(MINIMAL, policy)) is shared


def report(verdict: str, *answers: RecordedAnswer, role: str = "secondary", rcode: str = "") -> ServerReport:
    return ServerReport(role, "s1", "10.0.0.2:53", verdict, None, answers, rcode=rcode)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "flushed", "said"),
    [
        (report("converged", OLD_ANSWER), "", []),
        (report("stale", OLD_ANSWER, role="primary"), "", []),
        (report("silent"), "", []),
        (report("silent", rcode="SERVFAIL"), "", []),
        (report("stale", OLD_ANSWER), "", [NOT_FLUSHED]),
        (report("stale", OLD_ANSWER), "s2", [NOT_FLUSHED]),
        (report("stale", OLD_ANSWER), "s1", [FLUSHED]),
        (report("silent", REFUSED, rcode="REFUSED"), "s1", [NOT_KNOWN]),
        (report("silent", OLD_ANSWER, REFUSED, rcode="REFUSED"), "", [NOT_KNOWN]),
        (report("stale", OLD_ANSWER, REFUSED), "", [NOT_KNOWN]),
    ],
)
def test_why_a_secondary_on_the_primarys_database_answers_late(
    given: ServerReport, flushed: str, said: list[str]
) -> None:
    assert list(late_ones(ZONE, [given], {flushed})) == said


def test_each_late_secondary_is_explained() -> None:
    stale = report("stale", OLD_ANSWER)
    servers = [report("converged"), report("silent"), stale, replace(stale, name="s2")]
    explained = [caches_explained(ZONE, "s1", flushed=True), caches_explained(ZONE, "s2", flushed=False)]
    assert list(late_ones(ZONE, servers, {"s1"})) == explained
