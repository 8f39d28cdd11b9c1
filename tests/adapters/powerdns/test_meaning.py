"""What is written by the API, transferred and read on both sides is one value, however it is spelled on the way."""

import json
from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyops_gitops.adapters.dns.client import PlainDnsClient
from hyops_gitops.adapters.dns.zone_source import transfer
from hyops_gitops.adapters.powerdns.http import PowerDnsHttp
from hyops_gitops.adapters.powerdns.whole_zone import PowerDnsRestorer
from hyops_gitops.core.exchange import Question
from hyops_gitops.core.rdata import escaped
from hyops_gitops.core.zone import RRset, Zone, same_served
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import Lab

pytestmark = pytest.mark.authority

ZONE = "meaning.internal"
NAME = f"a.{ZONE}"
LABELS = st.text("abcxyzABC0189-", min_size=1, max_size=8).map(lambda text: f"x{text}x")
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join(labels) + ".")
SMALL, SHORT = st.integers(0, 255), st.integers(0, 65535)
STRINGS = st.binary(min_size=1, max_size=255).map(lambda octets: f'"{escaped(octets)}"')
HEX = st.binary(min_size=1, max_size=40).map(lambda octets: octets.hex())
ADDRESSES = st.ip_addresses(v=4).map(str)
CONTENTS = st.one_of(
    st.tuples(st.just("A"), ADDRESSES),
    st.tuples(st.just("AAAA"), st.integers(2**120, 2**128 - 1).map(lambda number: str(IPv6Address(number)))),
    st.tuples(st.just("TXT"), st.lists(STRINGS, min_size=1, max_size=3).map(" ".join)),
    st.tuples(st.just("TXT"), st.integers(256, 900).map(lambda length: f'"{"x" * length}"')),
    st.tuples(st.just("MX"), st.builds("{} {}".format, SHORT, NAMES)),
    st.tuples(st.just("SRV"), st.builds("{} {} {} {}".format, SHORT, SHORT, SHORT, NAMES)),
    st.tuples(st.just("PTR"), NAMES),
    st.tuples(st.just("CAA"), st.builds('{} {} "{}"'.format, st.sampled_from([0, 128]), st.just("issue"), LABELS)),
    st.tuples(st.just("NAPTR"), st.builds('{} {} "S" "SIP+D2U" "" {}'.format, SHORT, SHORT, NAMES)),
    st.tuples(st.just("TLSA"), st.builds("3 1 {} {}".format, SMALL, HEX)),
    st.tuples(st.just("SSHFP"), st.builds("1 {} {}".format, SMALL, HEX)),
    st.tuples(st.just("HINFO"), st.tuples(STRINGS, STRINGS).map(" ".join)),
    st.tuples(st.just("HTTPS"), st.builds("1 {} alpn=h2,h3 port={}".format, NAMES, SHORT)),
    st.tuples(st.just("SVCB"), st.builds("1 . port={} ipv4hint={}".format, SHORT, ADDRESSES)),
    st.tuples(st.just("RP"), st.builds("{} {}".format, NAMES, NAMES)),
    st.tuples(st.just("LOC"), st.just("51 56 1.000 N 5 54 0.000 E 4.00m 1.00m 10000.00m 10.00m")),
    st.tuples(
        st.sampled_from(["TYPE65400", "TYPE65300", "TYPE20"]), HEX.map(lambda text: rf"\# {len(text) // 2} {text}")
    ),
)


@pytest.fixture(scope="module", params=["gsqlite3", "lmdb"])
def open_lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab that transfers its zones to anybody on loopback, and remembers no answers."""
    options = {
        "allow-axfr-ips": "127.0.0.0/8",
        "disable-axfr": "no",
        "cache-ttl": "0",
        "query-cache-ttl": "0",
        "negquery-cache-ttl": "0",
    }
    running = start_lab(tmp_path_factory.mktemp("open"), zone=ZONE, backend=request.param, settings=options)
    try:
        yield running
    finally:
        stop_lab(running)


def written(lab: Lab, rrtype: str, content: str) -> RRset:
    """An RRset put by the API, and what the API lists afterwards."""
    primary = PowerDnsRestorer(lab.primary.api_url, "localhost", ZONE, lab.api_key)
    primary.patch([one.key for one in primary.rrsets_at([NAME])], [RRset(NAME, rrtype, 60, (content,))])
    (found,) = primary.rrsets_at([NAME])
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONTENTS)
def test_what_is_written_is_what_the_api_dns_and_a_transfer_show(open_lab: Lab, record: tuple[str, str]) -> None:
    rrtype, content = record
    listed = written(open_lab, rrtype, content)
    question = Question(NAME, listed.type)
    answer = PlainDnsClient().ask(open_lab.primary.dns, [question], recursion_desired=False, timeout_s=5)[question]
    (moved,) = (one for one in transfer(open_lab.primary.dns, ZONE) if one.name == NAME)
    for found in (RRset.of(NAME, listed.type, 60, [content]), *answer.rrsets, moved):
        assert found.key == listed.key
        assert same_served(found, listed), (found, listed)
    assert answer.rrsets
    views = [Zone.of(ZONE, [one]) for one in (listed, moved)]
    assert views[1].respelled(views[0]).digest() == views[0].digest()


@pytest.mark.parametrize("text", [r'"say \"so\""', r'"a\\b"', r'"\195\169 \009"', r'"a\034b"', r'"back\\" "slash\""'])
def test_quotes_and_backslashes_are_stored_as_they_were_meant(open_lab: Lab, text: str) -> None:
    wanted = RRset.of(NAME, "TXT", 60, [text])
    assert same_served(written(open_lab, "TXT", text), wanted)
    question = Question(NAME, "TXT")
    answer = PlainDnsClient().ask(open_lab.primary.dns, [question], recursion_desired=False, timeout_s=5)[question]
    assert [same_served(one, wanted) for one in answer.rrsets] == [True]


def test_a_zone_is_made_with_such_texts_as_well(open_lab: Lab) -> None:
    zone = f"made.{ZONE}"
    maker = PowerDnsRestorer(open_lab.primary.api_url, "localhost", zone, open_lab.api_key)
    text = RRset.of(f"t.{zone}", "TXT", 60, [r'"say \"so\" \\"'])
    soa = RRset.of(zone, "SOA", 60, [rf"ns1.{zone}. first\.last.{zone}. 1 10800 3600 604800 300"])
    maker.create([soa, RRset.of(zone, "NS", 60, [f"ns1.{zone}."]), text], native=True, transfer_keys=())
    try:
        found = {one.type: one for one in maker.rrsets()}
        assert same_served(found["TXT"], text)
        assert r"first\.last" in found["SOA"].rdata[0]
    finally:
        http = PowerDnsHttp(open_lab.primary.api_url, open_lab.api_key, None, 10.0)
        assert http.exchange("DELETE", f"/api/v1/servers/localhost/zones/{zone}.", {}).status == 204


def test_asking_how_escapes_are_read_stores_nothing(open_lab: Lab) -> None:
    primary = PowerDnsRestorer(open_lab.primary.api_url, "localhost", ZONE, open_lab.api_key)
    before = primary.header().serial
    written(open_lab, "TXT", r'"\""')
    assert primary.header().serial == before + 1
    assert not [one for one in primary.rrsets() if "probe" in one.name]


def test_a_set_of_comments_without_records_is_not_there(open_lab: Lab) -> None:
    if open_lab.backend == "lmdb":
        pytest.skip("LMDB keeps no comments before 5.1")
    http = PowerDnsHttp(open_lab.primary.api_url, open_lab.api_key, None, 10.0)
    comment = {"content": "kept", "account": "x", "modified_at": 1}
    change = {"name": f"{NAME}.", "type": "A", "ttl": 60, "changetype": "REPLACE", "records": [], "comments": [comment]}
    reply = http.exchange(
        "PATCH", f"/api/v1/servers/localhost/zones/{ZONE}.", {}, json.dumps({"rrsets": [change]}).encode()
    )
    assert reply.status == 204
    primary = PowerDnsRestorer(open_lab.primary.api_url, "localhost", ZONE, open_lab.api_key)
    assert [one for one in primary.rrsets_at([NAME]) if one.type == "A"] == []
