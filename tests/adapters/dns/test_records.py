"""Records and replies as octets, held against dnspython's reading of the same."""

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.adapters.dns.message import RECURSION_DESIRED, Query, header_of
from hyops_gitops.adapters.dns.records import Unreadable, records, rrsets_of, type_name, type_number
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.zone import RRset

QUESTION = Question("a.z.internal", "A")
RDATA = {
    "A": "10.0.0.1",
    "AAAA": "fd00::1",
    "CNAME": "b.z.internal.",
    "DNAME": "c.z.internal.",
    "NS": ".",
    "PTR": r"a\046b.z.internal.",
    "MX": "10 a.z.internal.",
    "SRV": "1 2 443 a.z.internal.",
    "TXT": '"a b" "" "c"',
    "SPF": '"v=spf1"',
    "SOA": "ns.z.internal. host.z.internal. 4294967295 1 2 3 4",
    "CAA": '0 issue "ca.example"',
    "TLSA": "3 1 1 " + "ab" * 32,
    "TYPE65500": r"\# 2 0102",
    "TYPE261": r"\# 2 0141",
}


def response(*rrsets: tuple[str, str, str], rcode: int = 0) -> bytes:
    query = dns.message.make_query("a.z.internal.", "A", use_edns=0, id=7)
    reply = dns.message.make_response(query)
    reply.set_rcode(dns.rcode.Rcode(rcode))
    reply.answer = [dns.rrset.from_text(name, 60, "IN", rrtype, rdata) for name, rrtype, rdata in rrsets]
    return reply.to_wire()


@pytest.mark.parametrize("rrtype", RDATA)
def test_each_type_is_read_as_it_is_written(rrtype: str) -> None:
    found = list(records(response(("a.z.internal.", rrtype, RDATA[rrtype]))))
    spelled = RDATA[rrtype].replace(r"\046", r"\.")
    name = "TYPE99" if rrtype == "SPF" and type_name(99) == "TYPE99" else rrtype
    assert found == [("a.z.internal.", name, 60, spelled)]
    assert type_name(type_number(rrtype) or 0) == name


@pytest.mark.parametrize(
    ("rrtype", "rdata"),
    [
        ("TXT", r'"q\"b\\" "\233"'),
        ("AAAA", "::ffff:10.0.0.1"),
        ("AAAA", "::10.0.0.1"),
        ("CNAME", r"\$x\032.z.internal."),
    ],
)
def test_what_needs_escapes_or_another_spelling_means_the_same(rrtype: str, rdata: str) -> None:
    found = rrsets_of(records(response(("a.z.internal.", rrtype, rdata))))
    parsed = dns.rrset.from_text("a.z.internal.", 60, "IN", rrtype, rdata)
    assert found == (RRset.of("a.z.internal", rrtype, 60, [parsed[0].to_text()]),)


@pytest.mark.parametrize(
    ("owner", "spelled"),
    [(r"a\.b.z.internal.", r"a\.b.z.internal."), (r"\000x.z.internal.", r"\000x.z.internal."), ("*.W.example.",) * 2],
)
def test_owners_are_escaped_as_powerdns_does(owner: str, spelled: str) -> None:
    assert [record[0] for record in records(response((owner, "A", "10.0.0.1")))] == [spelled]


LABELS = st.text("abXY09-_*", min_size=1, max_size=12)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "z", "internal", ""]))
MESSAGES = st.lists(
    st.one_of(
        st.tuples(NAMES, st.just("A"), st.ip_addresses(v=4).map(str)),
        st.tuples(NAMES, st.just("AAAA"), st.ip_addresses(v=6).map(str)),
        st.tuples(NAMES, st.sampled_from(["CNAME", "NS"]), NAMES),
        st.tuples(NAMES, st.just("MX"), NAMES.map(lambda name: f"10 {name}")),
        st.tuples(NAMES, st.just("TXT"), st.text("ab $;@", max_size=20).map(lambda text: f'"{text}"')),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(MESSAGES)
def test_any_answer_is_read_as_dnspython_reads_it(rrsets: list[tuple[str, str, str]]) -> None:
    """Dnspython compresses names, so that each may end in a pointer to another."""
    wire = response(*rrsets)
    expected = [
        RRset.of(rrset.name.to_text(), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, [rdata.to_text()])
        for rrset in dns.message.from_wire(wire, one_rr_per_rrset=True).answer
        for rdata in rrset
    ]
    assert [RRset.of(name, rrtype, ttl, [rdata]) for name, rrtype, ttl, rdata in records(wire)] == expected


@settings(max_examples=200)
@given(MESSAGES, st.data())
def test_broken_messages_are_unreadable_and_nothing_else(
    rrsets: list[tuple[str, str, str]], data: st.DataObject
) -> None:
    wire = bytearray(response(*rrsets))
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(4, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(wire[: data.draw(st.integers(0, len(wire)))])
    query = Query.of(QUESTION, 7, 0)
    for hostile in (bytes(wire), cut):
        header_of(hostile, query)
        try:
            list(records(hostile))
        except Unreadable:
            continue


def test_pointers_that_lead_round_are_unreadable() -> None:
    header = b"\0\7\x84\0\0\1\0\1\0\0\0\0"
    for name in (b"\xc0\x11", b"\1a\xc0\x11", b"\xc0\x20"):
        with pytest.raises(Unreadable):
            list(records(header + b"\0\0\1\0\1" + name + b"\0\1\0\1\0\0\0\0\0\0"))


def test_a_query_is_what_dnspython_makes_of_it() -> None:
    for name, rrtype in (("a.z.internal", "AAAA"), ("_x.*.z.internal", "TXT"), (r"a\.b.z.internal", "TYPE65400")):
        query = Query.of(Question(name, rrtype), 0x1234, RECURSION_DESIRED)
        made = dns.message.make_query(f"{name}.", rrtype, use_edns=0, payload=1232, flags=dns.flags.RD, id=0x1234)
        assert query.wire == made.to_wire()
    with pytest.raises(Unreadable):
        Query.of(Question(f"{'a' * 64}.z.internal", "A"), 1, 0)


def test_only_the_reply_to_the_very_query_is_one() -> None:
    query = Query.of(QUESTION, 7, 0)
    good = response(("a.z.internal.", "A", "10.0.0.1"))
    found = header_of(good, query)
    assert found is not None
    assert (found.rcode, found.authoritative, found.truncated) == ("NOERROR", False, False)
    assert header_of(good.replace(b"\1a\1z", b"\1A\1Z", 1), query) == found
    strangers = {
        "another id": b"\0\x08" + good[2:],
        "a query": query.wire,
        "another opcode": good[:2] + bytes([good[2] | 0x20]) + good[3:],
        "another name": good.replace(b"\1a\1z", b"\1b\1z", 1),
        "another type": good.replace(b"\0\0\1\0\1", b"\0\0\2\0\1", 1),
        "no question": b"\0\7\x84\0" + b"\0\0\0\0\0\0\0\0",
        "two questions": good[:4] + b"\0\2" + good[6:],
        "nothing": b"",
        "a piece": good[:11],
    }
    assert {name for name, wire in strangers.items() if header_of(wire, query) is not None} == set()


@pytest.mark.parametrize(("code", "text"), [(5, "REFUSED"), (16, "BADVERS"), (23, "BADCOOKIE"), (9, "NOTAUTH")])
def test_the_code_has_the_bits_of_edns(code: int, text: str) -> None:
    found = header_of(response(rcode=code), Query.of(QUESTION, 7, 0))
    assert found is not None
    assert found.rcode == text


def test_an_error_may_come_without_the_question() -> None:
    found = header_of(b"\0\7\x80\5\0\0\0\0\0\0\0\0", Query.of(QUESTION, 7, 0))
    assert found is not None
    assert found.rcode == "REFUSED"
