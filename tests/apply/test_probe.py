"""From probes to a verdict: which addresses are asked, and what their answers come to. The probes are played."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from hyops_gitops.apply.probe import check_readiness
from hyops_gitops.core.authority import Authority, Resolver, ServerAddress
from hyops_gitops.core.contract import Readiness, Target, TargetType
from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.readiness import Candidate, Probe, ProbeReport, ProbeVerdict, ReadinessReport
from hyops_gitops.core.zone import RRset, Zone
from tests.support.contracts import MINIMAL, validated
from tests.support.strategies import APEX, contract_of

NAME = f"pg.prod.{APEX}"
RESOLVER = Resolver("clients", "onprem", ServerAddress("127.0.0.9", 53))
TCP = Readiness("tcp", {})
ANY = Readiness("tcp", {"any": True})


@dataclass
class Played:
    """Services and resolvers that answer as a test says."""

    verdicts: Mapping[str, ProbeVerdict] = field(default_factory=dict)  # by address; ready where it is not named
    rrsets: Sequence[RRset] = ()
    rcode: str = "NOERROR"
    asked: list[Probe] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)

    def probe(self, probe: Probe) -> ProbeReport:
        self.asked.append(probe)
        verdict = self.verdicts.get(probe.address, "ready")
        return ProbeReport(probe.type, probe.address, probe.port, verdict, "says so")

    def ask(
        self, server: ServerAddress, questions: Sequence[Question], *, recursion_desired: bool, timeout_s: float
    ) -> Mapping[Question, Answer]:
        assert (server, recursion_desired, timeout_s > 0) == (RESOLVER.dns, True, True)
        self.questions += questions
        return {
            one: Answer(self.rcode, False, tuple(rrset for rrset in self.rrsets if rrset.type == one.type), 1)
            for one in questions
        }


@pytest.fixture
def authority() -> Authority:
    made = validated({}, MINIMAL).authority
    assert made is not None
    return replace(made, resolvers=(RESOLVER,))


def checked(
    authority: Authority, played: Played, target: Target, *probes: Readiness, zone: Sequence[RRset] = ()
) -> ReadinessReport:
    (report,) = check_readiness([Candidate(NAME, target, probes)], authority, Zone.of(APEX, zone), played, played)
    return report


def hosts(*addresses: str) -> Target:
    return Target(TargetType.HOST, addresses, 5432)


def named(name: str) -> Target:
    return Target(TargetType.DNS, (name,), 5432)


@pytest.mark.parametrize(
    ("verdicts", "of_all", "of_any"),
    [
        (("ready", "ready"), "ready", "ready"),
        (("ready", "unknown"), "unknown", "ready"),
        (("ready", "not-ready"), "not-ready", "ready"),
        (("unknown", "not-ready"), "not-ready", "unknown"),
        (("not-ready", "not-ready"), "not-ready", "not-ready"),
    ],
)
def test_every_address_must_be_ready_or_one_of_them(
    authority: Authority, verdicts: tuple[ProbeVerdict, ProbeVerdict], of_all: str, of_any: str
) -> None:
    played = Played(dict(zip(("10.0.0.1", "fd00::1"), verdicts, strict=True)))
    target = hosts("10.0.0.1", "fd00::1")
    assert checked(authority, played, target, TCP).verdict == of_all
    assert checked(authority, played, target, ANY).verdict == of_any


def test_every_probe_must_be_content(authority: Authority) -> None:
    played = Played({"10.0.0.1": "unknown"})
    report = checked(authority, played, hosts("10.0.0.1"), TCP, Readiness("http", {"port": 8008, "path": "/x"}))
    assert (report.verdict, [one.type for one in report.probes]) == ("unknown", ["tcp", "http"])
    assert sorted((one.type, one.host, one.port, one.path) for one in played.asked) == [
        ("http", NAME, 8008, "/x"),
        ("tcp", NAME, 5432, "/"),
    ]


def test_a_tcp_endpoint_is_probed_by_default_and_a_udp_one_is_not(authority: Authority) -> None:
    tcp = contract_of("pg", hosts("10.0.0.1"), 60)
    reports = check_readiness(
        [Candidate.of(tcp), Candidate.of(replace(tcp, protocol="udp"))],
        authority,
        Zone.of(APEX, ()),
        Played(),
        Played(),
    )
    assert [(one.verdict, one.reason) for one in reports] == [
        ("ready", ""),
        ("not-probed", "udp has no probe by default"),
    ]


def test_a_contract_that_wants_no_probe_says_why(authority: Authority) -> None:
    contract = replace(contract_of("pg", hosts("10.0.0.1"), 60), readiness=(Readiness("none", {"reason": "batch"}),))
    played = Played()
    (report,) = check_readiness([Candidate.of(contract)], authority, Zone.of(APEX, ()), played, played)
    assert (report.verdict, report.reason, played.asked) == ("not-probed", "batch", [])


def test_a_name_of_the_zone_leads_to_what_the_zone_will_hold(authority: Authority) -> None:
    played = Played()
    zone = [
        RRset.of(f"a.prod.{APEX}", "CNAME", 60, [f"b.prod.{APEX}."]),
        RRset.of(f"b.prod.{APEX}", "A", 60, ["10.0.0.7"]),
    ]
    report = checked(authority, played, named(f"a.prod.{APEX}"), TCP, zone=zone)
    assert [one.address for one in report.probes] == ["10.0.0.7"]
    assert (report.target, played.questions) == ((f"a.prod.{APEX}",), [])


def test_another_name_leads_to_what_the_resolver_says(authority: Authority) -> None:
    played = Played(
        rrsets=[
            RRset.of("db.example", "CNAME", 60, ["edge.example."]),
            RRset.of("edge.example", "A", 60, ["10.0.0.8", "10.0.0.9"]),
            RRset.of("edge.example", "AAAA", 60, ["fd00::8"]),
        ]
    )
    report = checked(authority, played, named("db.example"), TCP)
    assert [one.address for one in report.probes] == ["10.0.0.8", "10.0.0.9", "fd00::8"]


@pytest.mark.parametrize(
    ("rcode", "verdict"),
    [("NXDOMAIN", "not-ready"), ("NOERROR", "not-ready"), ("SERVFAIL", "unknown"), ("SILENT", "unknown")],
)
def test_a_name_that_leads_nowhere(authority: Authority, rcode: str, verdict: str) -> None:
    report = checked(authority, Played(rcode=rcode), named("db.example"), TCP)
    assert (report.verdict, [one.type for one in report.probes]) == (verdict, ["dns"])


def test_without_a_resolver_a_name_elsewhere_is_unknown(authority: Authority) -> None:
    report = checked(replace(authority, resolvers=()), Played(), named("db.example"), TCP)
    assert (report.verdict, report.why) == (
        "unknown",
        "the address of db.example is not known: no resolver is listed that could be asked",
    )
