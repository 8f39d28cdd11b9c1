"""A transferred zone as answers to questions."""

from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.servers import TransferredZone
from hyops_gitops.core.zone import RRset

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
