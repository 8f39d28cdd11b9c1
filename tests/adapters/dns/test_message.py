"""Replies that are read at once, against the reader of every record."""

from collections import Counter
from random import Random

import dns.message
import dns.rrset
import pytest

from hyops_gitops.adapters.dns.message import Query, header_of, rrsets_in
from hyops_gitops.adapters.dns.records import Unreadable, records, rrsets_of
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import RRset

NAMES = ("pg.prod.hyops.internal", "a_b.hyops.internal", "x", "*.prod.hyops.internal", "PG.prod.hyops.internal")
RDATA = {"A": "10.0.0.1", "AAAA": "fd00::1", "CNAME": "other.example.com.", "TXT": '"x"'}


def reply(random: Random, query: Query) -> bytes:
    """A reply to a query as a server writes it, and hostile ones."""
    message = dns.message.make_response(dns.message.from_wire(query.wire))
    for _ in range(random.choice((0, 1, 1, 1, 1, 2))):
        rrtype = random.choice((query.question.type, query.question.type, "A", "AAAA", "CNAME", "TXT"))
        owner = random.choice((query.question.name, query.question.name, "other.example.com"))
        message.answer.append(dns.rrset.from_text(f"{owner}.", random.choice((0, 30)), "IN", rrtype, RDATA[rrtype]))
    wire = bytearray(message.to_wire())
    if random.random() < 0.4:
        for _ in range(random.randint(1, 3)):
            wire[random.randrange(2, len(wire))] = random.choice((0, 1, 0xC0, 0x0C, random.randrange(256)))
    if random.random() < 0.1:
        del wire[random.randrange(12, len(wire)) :]
    if random.random() < 0.2:  # the question in capitals
        wire[12:20] = wire[12:20].upper()
    return bytes(wire)


def test_a_reply_is_read_as_by_the_reader_of_every_record() -> None:
    seen: Counter[str] = Counter()
    random = Random(7)  # noqa: S311 - not for secrets
    for number in range(4000):
        query = Query.of(Question(random.choice(NAMES), random.choice(("A", "A", "AAAA", "TXT"))), number, 0)
        wire = reply(random, query)
        header = header_of(wire, query)
        if header is None:
            seen["another reply"] += 1
            continue
        try:
            expected = rrsets_of(records(wire)) if header.answers else ()
        except Unreadable:
            seen["unreadable"] += 1
            with pytest.raises(Unreadable):
                rrsets_in(wire, header, query)
            continue
        assert rrsets_in(wire, header, query) == expected
        seen["address"] += [rrset.type for rrset in expected] == ["A"]
    assert min(seen["another reply"], seen["unreadable"]) > 50
    assert seen["address"] > 500


def test_an_address_at_another_owner_is_not_taken_for_the_answer() -> None:
    query = Query.of(Question("pg.prod.hyops.internal", "A"), 7, 0)
    message = dns.message.make_response(dns.message.from_wire(query.wire))
    message.answer.append(dns.rrset.from_text("prod.hyops.internal.", 30, "IN", "A", "10.0.0.1"))
    wire = message.to_wire()
    header = header_of(wire, query)
    assert header is not None
    assert rrsets_in(wire, header, query) == (RRset("prod.hyops.internal", "A", 30, ("10.0.0.1",)),)


@pytest.mark.parametrize("name", ["pg.prod.hyops.internal", "x", r"a\.b.example", "*.example"])
def test_a_question_is_written_as_dnspython_writes_it(name: str) -> None:
    query = Query.of(Question(name, "A"), 7, 0, options=False)
    expected = dns.message.make_query(f"{name}.", "A", flags=0, id=7)
    assert query.wire == expected.to_wire()
