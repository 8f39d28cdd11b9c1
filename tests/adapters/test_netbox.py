"""NetBox's API over real connections: what is asked, what is understood, and each way to fail."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.adapters.host import tls as trust
from hyops_gitops.adapters.netbox import CarefulSession, NetboxIpam, netbox_from_environment
from hyops_gitops.core.errors import OutsideFailure, UsageError
from hyops_gitops.netbox.ipam import IpamAddress, IpamPrefix, IpamService, IpamVrf
from tests.support.dripping import dripping
from tests.support.netbox import (
    TOKEN,
    Answer,
    NetboxServer,
    address,
    answer,
    at_site,
    nested,
    netbox_server,
    on_device,
    prefix,
    service,
)
from tests.support.services import Authority, answering

if not os.environ.get("CI"):
    pytest.importorskip("pynetbox")


@pytest.fixture
def server() -> Iterator[NetboxServer]:
    with netbox_server(NetboxServer()) as started:
        yield started


def opened(url: str, token: str = TOKEN, deadline_s: float = 5.0, **environ: str) -> NetboxIpam:
    variables = {"HYOPS_NETBOX_URL": url, "HYOPS_NETBOX_TOKEN": token, **environ}
    return netbox_from_environment(variables, lambda _: None, deadline_s)


def refused(server: NetboxServer, token: str = TOKEN) -> OutsideFailure:
    with pytest.raises(OutsideFailure) as caught:
        opened(server.url, token).prefixes()
    assert token not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


# --- what is understood


def test_an_address_is_read_with_all_that_matters(server: NetboxServer) -> None:
    members = {
        "vrf": {"id": 3, "name": "Lab", "rd": "65000:3"},
        "role": {"value": "vrrp", "label": "VRRP"},
        "tenant": nested("Web"),
        "owner": {"id": 1, "name": "team-web"},
        "tags": [nested("dns")],
        **on_device(4),
    }
    server.put("ipam/ip-addresses", address(9, "fd00::1", dns_name="www.example.net.", **members))

    assert opened(server.url).addresses({"fd00::1"}) == [
        IpamAddress(
            9,
            "fd00::1",
            IpamVrf(3, ("Lab", "65000:3")),
            "active",
            "www.example.net.",
            "vrrp",
            ("team-web",),
            ("web", "Web"),
            frozenset({"dns"}),
            ("dcim.device", 4),
        )
    ]


def test_prefixes_and_services_of_older_releases_are_read(server: NetboxServer) -> None:
    server.version = "4.0.11"
    server.put("ipam/prefixes", {**prefix(1, "10.0.0.0/8"), "site": nested("Lab", 2), "owner": None})
    old = {"protocol": {"value": "udp"}, "ports": [53, 54], "port_mappings": None, "device": nested("web", 1)}
    server.put("ipam/services", {**service(1, [], []), **old, "parent_object_type": None})
    server.put("ipam/ip-addresses", address(1, "10.0.0.1", **on_device(1)))
    ipam = opened(server.url)

    assert [each.site for each in ipam.prefixes()] == ["lab"]
    (found,) = ipam.services(ipam.addresses({"10.0.0.1"}))
    assert found == IpamService(1, "main", frozenset({("udp", 53), ("udp", 54)}), frozenset(), ("dcim.device", 1))


def test_a_prefix_of_a_region_has_no_site(server: NetboxServer) -> None:
    server.put("ipam/prefixes", prefix(1, "10.0.0.0/8", scope_type="dcim.region", scope=nested("lab")))
    server.put("ipam/prefixes", prefix(2, "10.0.0.0/9", **at_site("lab"), vrf={"id": 3, "name": "Lab", "rd": None}))

    assert [(each.site, each.vrf) for each in opened(server.url).prefixes()] == [(None, None), ("lab", 3)]


def test_a_vrf_that_is_called_global_is_not_the_global_table(server: NetboxServer) -> None:
    server.put("ipam/ip-addresses", address(1, "10.0.0.1", vrf={"id": 5, "name": "global", "rd": None}))

    (found,) = opened(server.url).addresses({"10.0.0.1"})
    assert found.vrf.names == ("VRF global",)


def test_contacts_are_read_by_what_they_are_of(server: NetboxServer) -> None:
    for number, kind in enumerate(("ipam.ipaddress", "ipam.prefix", "dcim.device"), 1):
        given = {"id": number, "object_type": kind, "object_id": 7, "contact": nested(f"Ann{number}")}
        server.put("tenancy/contact-assignments", given)

    assert opened(server.url).contacts() == {("ipam.ipaddress", 7): ("Ann1",), ("ipam.prefix", 7): ("Ann2",)}


def test_a_tag_and_a_site_are_known_or_not(server: NetboxServer) -> None:
    ipam = opened(server.url)

    assert [ipam.knows("tag", "dns-endpoint"), ipam.knows("tag", "x")] == [True, False]
    assert [ipam.knows("netbox_site", "lab"), ipam.knows("netbox_site", "x")] == [True, False]


def test_text_that_utf8_cannot_hold_is_escaped(server: NetboxServer) -> None:
    server.put("ipam/ip-addresses", address(1, "10.0.0.1", dns_name="\ud800"))

    (found,) = opened(server.url).addresses({"10.0.0.1"})
    assert found.dns_name == "\\ud800"


# --- what is asked


def test_many_addresses_fit_into_few_request_lines(server: NetboxServer) -> None:
    wanted = {f"10.1.{high}.{low}" for high in range(4) for low in range(200)} | {
        f"fd00::{low:x}" for low in range(1, 100)
    }
    server.put("ipam/ip-addresses", *(address(number, text) for number, text in enumerate(sorted(wanted), 1)))
    server.put("ipam/ip-addresses", *(address(number, "10.9.9.9") for number in range(10_000, 18_000)))

    found = opened(server.url).addresses(wanted)

    assert {each.address for each in found} == wanted
    assert len(server.requests) < 10
    assert max(server.lines) <= 4094


def test_a_whole_list_is_read_where_that_takes_fewer_requests(server: NetboxServer) -> None:
    wanted = {f"10.1.{high}.{low}" for high in range(4) for low in range(200)}
    server.put("ipam/ip-addresses", *(address(number, text) for number, text in enumerate(sorted(wanted), 1)))
    server.put("ipam/ip-addresses", address(5000, "10.9.9.9"))

    found = opened(server.url).addresses(wanted)

    assert {each.address for each in found} == wanted
    assert [path for path, _ in server.requests] == ["status", "ipam/ip-addresses", "ipam/ip-addresses"]


def test_a_filter_that_the_server_ignores_adds_nothing(server: NetboxServer) -> None:
    def ignoring(own: NetboxServer, path: str, query: dict[str, list[str]]) -> Answer | None:
        left = {name: texts for name, texts in query.items() if name in {"limit", "start", "offset"}}
        return None if path == "status" else answer(own._page(path, own.objects.get(path, []), left))

    server.fault = ignoring
    server.put("ipam/ip-addresses", address(1, "10.0.0.1"), address(2, "10.0.0.2", tags=[nested("dns")]))
    server.put("ipam/services", service(1, ["tcp/1"], [1]), service(2, ["tcp/2"], [2], parent_object_id=2))
    ipam = opened(server.url)

    found = ipam.addresses({"10.0.0.1"})
    assert [each.id for each in found] == [1]
    assert [each.id for each in ipam.services(found)] == [1]
    assert [each.id for each in ipam.tagged("dns")] == [2]


@pytest.mark.parametrize("version", ["4.7.3", "4.5.0"])
def test_every_page_is_read_from_the_host_that_was_given(server: NetboxServer, version: str) -> None:
    server.version = version
    server.put(
        "ipam/prefixes", *(prefix(number, f"10.{number % 256}.{number // 256}.0/24") for number in range(1, 2502))
    )

    assert len(opened(server.url).prefixes()) == 2501
    assert [path for path, _ in server.requests] == ["status", *["ipam/prefixes"] * 3]


@pytest.mark.parametrize("token", [TOKEN, "0123456789abcdef0123456789abcdef01234567"])
def test_both_forms_of_token_are_sent(token: str) -> None:
    with netbox_server(NetboxServer(), token) as server:
        assert opened(server.url, token).prefixes() == []


# --- each way to fail


@pytest.mark.parametrize(
    "detail",
    [
        "Authentication credentials were not provided.",
        "Invalid v2 token",
        "Token expired",
        "Token disabled",
        "You do not have permission to perform this action.",
    ],
)
def test_a_token_that_may_not_is_refused_in_netboxs_words(server: NetboxServer, detail: str) -> None:
    server.fault = lambda *_: answer({"detail": detail}, 403)

    failure = refused(server)

    assert (failure.code, failure.message.endswith(f"answered 403 for status: {detail}")) == ("netbox-forbidden", True)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ((200, "text/html", b"<html>log in</html>"), "netbox-reply"),
        ((200, "application/json", b"[" * 100_000), "netbox-reply"),
        ((200, "application/json", b"[]"), "netbox-reply"),
        ((200, "application/json", b'{"netbox-version": 4}'), "netbox-reply"),
        ((400, "text/html", b"<h1>Bad Request</h1>"), "netbox-status"),
        ((404, "text/html", b"<h1>Not found</h1>"), "netbox-status"),
        ((406, "application/json", b'{"detail": "Invalid version"}'), "netbox-status"),
        ((500, "application/json", b'{"error": "x", "exception": "y"}'), "netbox-status"),
        ((302, "text/html", b"https://elsewhere.invalid/"), "netbox-redirect"),
    ],
)
def test_an_answer_that_is_none(server: NetboxServer, wrong: Answer, code: str) -> None:
    server.fault = lambda *_: wrong

    assert refused(server).code == code
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"results": {}},
        {"results": [], "next": 5},
        {"results": [], "count": "many"},
        {"results": [5], "next": None, "count": 1},
        {"results": [{}], "next": None, "count": 1},
        {"results": [prefix(1, "10.0.0.0/8", vrf=[])], "next": None, "count": 1},
        {"results": [prefix(1, "10.0.0.0/99")], "next": None, "count": 1},
        {"results": [prefix(1, "10.0.0.0/8", tags=[{"slug": 5}])], "next": None, "count": 1},
        {"results": [{**prefix(1, "10.0.0.0/8"), "id": True}], "next": None, "count": 1},
    ],
)
def test_a_list_of_another_shape(server: NetboxServer, wrong: object) -> None:
    server.fault = lambda _, path, __: None if path == "status" else answer(wrong)

    failure = refused(server)
    assert (failure.code, failure.message.startswith("cannot understand NetBox: ")) == ("netbox-reply", True)


@pytest.mark.parametrize("version", ["4.7.3", "4.5.0"])
def test_pages_that_change_meanwhile(server: NetboxServer, version: str) -> None:
    def growing(own: NetboxServer, path: str, _: object) -> None:
        own.objects["ipam/prefixes"].insert(0, prefix(len(own.requests) if path == "status" else 3, "10.0.0.0/8"))

    server.version, server.fault = version, growing
    server.put("ipam/prefixes", *(prefix(number, "10.0.0.0/24") for number in range(1, 2502)))

    failure = refused(server)
    assert (failure.code, failure.hint) == ("netbox-changed", "run it again")


@pytest.mark.parametrize("results", [[], [prefix(1, "10.0.0.0/8")]])
def test_links_without_end_end_the_reading(server: NetboxServer, results: list[object]) -> None:
    page = {"count": None, "next": "http://127.0.0.1/?start=0", "results": results}
    server.fault = lambda _, path, __: None if path == "status" else answer(page)

    assert refused(server).code in {"netbox-changed", "netbox-reply"}
    assert len(server.requests) <= 3


def test_a_server_that_is_busy_for_a_moment_is_asked_again(server: NetboxServer) -> None:
    pauses: list[float] = []
    busy = iter([503, 502])

    def once(*_: object) -> Answer | None:
        status = next(busy, None)
        return None if status is None else answer({"detail": "busy"}, status)

    server.fault = once
    session = CarefulSession(server.url, None, 5.0, pauses.append)

    assert NetboxIpam(session, TOKEN, lambda _: None).prefixes() == []
    assert pauses == [1.0, 2.0]


def test_a_server_that_answers_byte_by_byte_is_left() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    with dripping(head) as server, pytest.raises(OutsideFailure, match="answers too slowly") as caught:
        opened(server.url, deadline_s=0.3).prefixes()
    assert caught.value.code == "netbox-timeout"


def test_a_server_that_is_not_there() -> None:
    with netbox_server(NetboxServer()) as server:
        pass
    assert refused(server).code == "netbox-unreachable"


def test_a_certificate_of_an_unknown_authority_is_refused_and_a_named_one_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    trust._made.cache_clear()
    authority = Authority(tmp_path)
    head = 'HTTP/1.1 200 OK\r\nContent-Length: 25\r\nConnection: close\r\n\r\n{"netbox-version": "four"}'
    with answering(head, tls=authority.server("localhost")) as served:
        url = f"https://localhost:{served.port}"
        with pytest.raises(OutsideFailure, match="TLS with NetBox") as caught:
            opened(url).prefixes()
        with pytest.raises(OutsideFailure) as understood:
            opened(url, HYOPS_NETBOX_CA_FILE=str(authority.file)).prefixes()
    assert (caught.value.code, "HYOPS_NETBOX_CA_FILE" in caught.value.hint) == ("netbox-tls", True)
    assert understood.value.code == "netbox-reply"


@pytest.mark.parametrize(
    "url", ["http://netbox.example.net", "https://me:secret@netbox.example.net", "https://netbox.example.net/?a=b", "x"]
)
def test_a_url_that_no_token_is_sent_to(url: str) -> None:
    with pytest.raises(OutsideFailure) as caught:
        opened(url)
    assert caught.value.code == "netbox-url"


def test_what_the_environment_has_to_say(tmp_path: Path, server: NetboxServer) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")

    with pytest.raises(UsageError, match="HYOPS_NETBOX_URL is not set"):
        opened("")
    with pytest.raises(UsageError, match="HYOPS_NETBOX_TOKEN is not set"):
        opened(server.url, "")
    with pytest.raises(UsageError, match="cannot read HYOPS_NETBOX_TOKEN_FILE"):
        opened(server.url, "", HYOPS_NETBOX_TOKEN_FILE=str(tmp_path / "none"))
    assert opened(f"{server.url}/api/", "", HYOPS_NETBOX_TOKEN_FILE=str(file)).prefixes() == []


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, server: NetboxServer) -> None:
    monkeypatch.setitem(sys.modules, "pynetbox", None)

    with pytest.raises(OutsideFailure) as caught:
        opened(server.url)
    assert (caught.value.code, caught.value.hint) == ("no-pynetbox", "pip install 'hyops-gitops[netbox]'")


def test_services_are_asked_by_address_and_by_what_holds_it(server: NetboxServer) -> None:
    server.put("ipam/ip-addresses", address(1, "10.0.0.1", **on_device(4)))
    server.put("ipam/services", service(1, ["tcp/1"], [1]), service(2, ["tcp/2"], [], parent_object_id=4))
    server.put("ipam/services", service(3, ["tcp/3"], [], parent_object_id=9))
    server.put("ipam/services", *(service(number, ["tcp/9"], [999]) for number in range(10, 5010)))
    ipam = opened(server.url)

    found = ipam.services(ipam.addresses({"10.0.0.1"}))

    assert [each.id for each in found] == [1, 2]
    assert all("limit" in query for path, query in server.requests if path != "status")


def test_a_prefix_is_a_value(server: NetboxServer) -> None:
    server.put("ipam/prefixes", prefix(1, "10.1.0.0/16", owner={"id": 1, "name": "net"}, tags=[nested("here")]))

    (found,) = opened(server.url).prefixes()
    assert found == IpamPrefix(1, found.network, None, None, ("net",), (), frozenset({"here"}))
    assert str(found.network) == "10.1.0.0/16"
