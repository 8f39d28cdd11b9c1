"""`netbox suggest`: what it drafts, refuses, writes and leaves alone."""

from pathlib import Path

import pytest

from hyops_gitops.cli.wiring import LocalWorkspace
from hyops_gitops.core.errors import InvalidData, UsageError
from hyops_gitops.netbox.ipam import IpamAddress
from hyops_gitops.netbox.suggest import Suggestion, Suggestions, SuggestRequest, suggest
from tests.netbox.conftest import LAB, TAG, PlainIpam, known, prefix, service
from tests.support.contracts import AUTHORITY, MINIMAL

NAME = "db.prod.hyops.internal"
PATH = "endpoints/prod/db.yaml"
POLICY = (
    "policy: {netbox: {tag: dns-endpoint, places: [{prefix: 10.72.0.0/16, site: gcp}, "
    "{prefix: 10.12.0.0/16, site: onprem}]}}\n"
)
OURS = f"""\
# ours
endpoint_dns_name: {NAME}
endpoint_target: 10.12.0.30
endpoint_target_type: vip
endpoint_port: 5432
endpoint_cutover_required: false
endpoint_owner: data  # theirs
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for path, text in ((AUTHORITY, MINIMAL.decode() + POLICY), (PATH, "")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    (tmp_path / PATH).unlink()
    return tmp_path


def tagged(number: int, address: str, name: str = NAME, **members: object) -> IpamAddress:
    return known(number, address, dns_name=name, **{"tags": frozenset({TAG}), **members})


def drafted(repository: Path, ipam: PlainIpam, *names: str, update: bool = False, write: bool = False) -> Suggestions:
    return suggest(SuggestRequest(names, update, write), LocalWorkspace(repository, {}), ipam)


def only(found: Suggestions) -> Suggestion:
    (draft,) = found.drafts
    return draft


DATABASE = PlainIpam((tagged(1, "10.12.0.31"),), offered=(service(1, "tcp/5432", on=[1]),))


def test_a_draft_has_name_target_port_owner_and_sites(repository: Path) -> None:
    ipam = PlainIpam(
        (tagged(1, "10.12.0.31", "DB.prod.hyops.internal.", owner=("Data Platform",)), tagged(2, "10.72.0.31")),
        offered=(service(1, "tcp/5432", on=[1, 2]),),
    )

    draft = only(drafted(repository, ipam, write=True))

    assert (draft.outcome, draft.path) == ("new", PATH)
    assert (repository / PATH).read_text() == draft.content
    assert draft.content.splitlines() == [
        f"endpoint_dns_name: {NAME}",
        "endpoint_target: 10.72.0.31",
        "endpoint_target_type: host",
        "endpoint_port: 5432",
        "endpoint_cutover_required: true",
        "endpoint_owner: data-platform",
        "endpoint_sites: {gcp: 10.72.0.31, onprem: 10.12.0.31}",
    ]


def test_nothing_is_written_unless_it_is_asked_for(repository: Path) -> None:
    found = drafted(repository, DATABASE)

    assert (only(found).outcome, found.written) == ("new", False)
    assert not (repository / PATH).exists()


def test_a_file_that_is_there_stays_as_it_is(repository: Path) -> None:
    (repository / PATH).write_text(OURS)

    draft = only(drafted(repository, DATABASE, write=True))

    assert (draft.outcome, draft.why) == ("exists", ("endpoint_target", "endpoint_sites.onprem"))
    assert (repository / PATH).read_text() == OURS


def test_an_update_edits_what_differs_and_keeps_the_rest(repository: Path) -> None:
    (repository / PATH).write_text(OURS)

    draft = only(drafted(repository, DATABASE, update=True, write=True))

    assert draft.outcome == "updated"
    assert (repository / PATH).read_text() == draft.content
    assert draft.content.startswith(OURS.replace("10.12.0.30", "10.12.0.31"))
    assert only(drafted(repository, DATABASE, update=True)).outcome == "unchanged"


def test_an_update_moves_nothing_to_another_site(repository: Path) -> None:
    (repository / PATH).write_text(
        OURS.replace("10.12.0.30", "10.12.0.31") + "endpoint_sites: {onprem: 10.12.0.31, gcp: 10.72.0.9}\n"
    )
    ipam = PlainIpam((tagged(1, "10.12.0.31"), tagged(2, "10.72.0.31")), offered=(service(1, "tcp/5432", on=[1, 2]),))

    draft = only(drafted(repository, ipam, update=True))

    assert draft.why == ("endpoint_sites.gcp",)
    assert "endpoint_target: 10.12.0.31" in draft.content


def test_a_link_in_its_place_is_not_replaced(repository: Path) -> None:
    (repository / PATH).symlink_to("elsewhere.yaml")

    draft = only(drafted(repository, DATABASE, update=True, write=True))

    assert draft.outcome == "refused"
    assert (repository / PATH).is_symlink()


@pytest.mark.parametrize(
    ("ipam", "why"),
    [
        (PlainIpam((tagged(1, "10.12.0.31"),)), "expected one port in NetBox's services on 10.12.0.31, got none"),
        (
            PlainIpam((tagged(1, "10.12.0.31"),), offered=(service(1, "tcp/80", "tcp/443", on=[1]),)),
            "expected one port in NetBox's services on 10.12.0.31, got tcp/80, tcp/443",
        ),
        (
            PlainIpam((tagged(1, "10.12.0.31"), tagged(2, "10.9.0.1")), offered=(service(1, "tcp/1", on=[1, 2]),)),
            "expected a place in policy.netbox.places for 10.9.0.1 too",
        ),
        (PlainIpam((tagged(1, "10.12.0.31", ""),)), "it has the tag, and no dns_name"),
        (PlainIpam((tagged(1, "10.12.0.31", "a.b.prod.hyops.internal"),)), "expected <service>.<env>.hyops.internal"),
    ],
)
def test_a_draft_that_cannot_be_filled_is_refused(repository: Path, ipam: PlainIpam, why: str) -> None:
    found = drafted(repository, ipam, write=True)

    assert (only(found).outcome, only(found).why) == ("refused", (why,))
    assert found.refused


@pytest.mark.parametrize("name", ["../../x.prod.hyops.internal", "*.prod.hyops.internal", "_a.prod.hyops.internal"])
def test_a_name_that_is_no_host_name_becomes_no_path(repository: Path, name: str) -> None:
    ipam = PlainIpam((tagged(1, "10.12.0.31", name),), offered=(service(1, "tcp/5432", on=[1]),))

    draft = only(drafted(repository, ipam, write=True))

    assert (draft.outcome, draft.path) == ("refused", "")


def test_a_draft_that_would_not_validate_is_refused_and_the_others_are_written(repository: Path) -> None:
    ipam = PlainIpam(
        (tagged(1, "10.12.0.31"), tagged(2, "10.12.0.32", "db.test.hyops.internal")),
        offered=(service(1, "tcp/5432", on=[1, 2]),),
    )

    new, refused = drafted(repository, ipam, write=True).drafts

    assert (new.outcome, refused.outcome) == ("new", "refused")
    assert refused.why[0].startswith("name-environment: ")
    assert sorted(path.name for path in (repository / "endpoints").rglob("*.yaml")) == ["db.yaml"]


def test_only_expected_addresses_of_the_zone_are_drafted(repository: Path) -> None:
    ipam = PlainIpam(
        (
            tagged(1, "10.12.0.31", vrf=LAB),
            tagged(2, "10.12.0.32", status="reserved"),
            tagged(3, "10.12.0.33", "db.example.com"),
            known(4, "10.12.0.34", dns_name=NAME),
        )
    )

    assert drafted(repository, ipam).drafts == ()


def test_of_several_services_the_one_of_the_endpoints_name_has_the_port(repository: Path) -> None:
    offered = (service(1, "tcp/22", on=[1], name="ssh"), service(2, "udp/5432", on=[1], name="DB"))

    content = only(drafted(repository, PlainIpam((tagged(1, "10.12.0.31"),), offered=offered))).content

    assert "endpoint_port: 5432\n" in content
    assert "endpoint_protocol: udp\n" in content


def test_a_shared_address_is_a_vip_and_the_prefixs_owner_stands_in(repository: Path) -> None:
    ipam = PlainIpam(
        (tagged(1, "10.12.0.31", role="vrrp"),),
        (prefix(1, "10.12.0.0/16", owner=("net",)),),
        (service(1, "tcp/5432", on=[1]),),
    )

    content = only(drafted(repository, ipam)).content

    assert "endpoint_target_type: vip\n" in content
    assert "endpoint_owner: net\n" in content


def test_names_choose_what_is_drafted(repository: Path) -> None:
    ipam = PlainIpam(
        (tagged(1, "10.12.0.31"), tagged(2, "10.12.0.32", "api.prod.hyops.internal"), tagged(3, "10.12.0.33", "")),
        offered=(service(1, "tcp/5432", on=[1, 2]),),
    )

    assert [draft.name for draft in drafted(repository, ipam, "api.prod").drafts] == ["api.prod.hyops.internal"]
    with pytest.raises(UsageError, match="no tagged address of NetBox has the name"):
        drafted(repository, ipam, "web")


@pytest.mark.parametrize("ipam", [PlainIpam(unknown=frozenset({TAG})), None])
def test_a_tag_is_needed_and_has_to_be_known(repository: Path, ipam: PlainIpam | None) -> None:
    if ipam is None:
        (repository / AUTHORITY).write_bytes(MINIMAL)

    with pytest.raises(InvalidData, match="cannot suggest contracts") as caught:
        drafted(repository, ipam or PlainIpam())
    assert caught.value.code == "no-netbox-tag"
