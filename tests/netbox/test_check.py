"""Each rule of `netbox check`, with plain values."""

import json

import pytest

from hyops_gitops.adapters.yaml.schema import shipped_schemas
from hyops_gitops.core.findings import Finding, Severity
from hyops_gitops.netbox.check import NETBOX_RULES, check_contracts, check_zones
from tests.netbox.conftest import LAB, PlainIpam, known, prefix, service
from tests.support.contracts import AUTHORITY, MINIMAL, contract_text, validated
from tests.support.zoned import SECOND, authority_path, everything, repository

PATH = "endpoints/prod/db.yaml"
NAME = "db.prod.hyops.internal"
SITES = "endpoint_sites: {onprem: 10.12.0.31, gcp: 10.72.0.31}\n"
PLACES = "{places: [{prefix: 10.12.0.0/16, site: onprem}, {prefix: 10.72.0.0/16, site: gcp}]}"


def check(ipam: PlainIpam, extra: str = "", policy: str = "{}", **others: str) -> tuple[Finding, ...]:
    contracts = {PATH: contract_text(NAME, "10.12.0.31", extra=extra)}
    contracts |= {f"endpoints/prod/{name}.yaml": text for name, text in others.items()}
    found = validated(contracts, MINIMAL + f"policy: {{netbox: {policy}}}\n".encode())
    assert found.findings == ()
    assert found.authority is not None
    return check_contracts(found.contracts, found.authority, ipam)


def lines(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{each.line}:{each.column} {each.rule}: {each.message}" for each in findings]


def test_an_address_that_agrees_has_no_finding() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", dns_name="DB.prod.hyops.internal.", owner=("Data Platform",)),))

    assert check(ipam, "endpoint_owner: data-platform\n") == ()


def test_an_address_is_not_found_or_not_visible() -> None:
    assert lines(check(PlainIpam())) == [
        "2:18 netbox-address: 10.12.0.31 is not found in NetBox, or not visible to this token"
    ]


def test_the_targets_of_every_site_are_looked_at_once() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),))

    (only,) = check(ipam, SITES)

    assert (only.path, only.line, only.rule) == (PATH, 6, "netbox-address")
    assert "10.72.0.31" in only.message
    assert ipam.asked.count("addresses") == 1


def test_an_ipv6_address_is_known_in_any_spelling() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"), known(2, "fd00:12::31")))

    other = contract_text("six.prod.hyops.internal", "fd00:0012:0::31")
    assert check(ipam, six=other) == ()


def test_a_name_as_a_target_is_not_asked_for() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),))

    assert check(ipam, old=contract_text("old.prod.hyops.internal", NAME, "dns")) == ()


@pytest.mark.parametrize("status", ["reserved", "deprecated", "dhcp", "slaac", "planned"])
def test_an_address_has_to_be_active(status: str) -> None:
    (only,) = check(PlainIpam((known(1, "10.12.0.31", status=status),)))

    assert (only.rule, status in only.message) == ("netbox-status", True)


def test_the_policy_can_allow_other_states() -> None:
    assert check(PlainIpam((known(1, "10.12.0.31", status="live"),)), policy="{statuses: [active, live]}") == ()


def test_another_vrf_is_another_address() -> None:
    (only,) = check(PlainIpam((known(1, "10.12.0.31", vrf=LAB, status="reserved"),)))

    assert (only.rule, only.message) == ("netbox-vrf", "expected 10.12.0.31 in VRF global, got Lab")


def test_of_two_vrfs_the_expected_one_counts() -> None:
    assert check(PlainIpam((known(1, "10.12.0.31", vrf=LAB, status="reserved"), known(2, "10.12.0.31")))) == ()


@pytest.mark.parametrize("name", ["Lab", "65000:7"])
def test_a_vrf_is_known_by_name_and_route_distinguisher(name: str) -> None:
    assert check(PlainIpam((known(1, "10.12.0.31", vrf=LAB),)), policy=f'{{vrfs: ["{name}"]}}') == ()


def test_an_address_in_two_expected_vrfs_is_undecided() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", vrf=LAB), known(2, "10.12.0.31")))

    (only,) = check(ipam, policy="{vrfs: [global, Lab]}")

    assert (only.rule, "2 of the expected VRFs" in only.message) == ("netbox-vrf", True)


def test_a_place_says_the_vrf_of_its_prefix() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", vrf=LAB), known(2, "10.12.0.31", status="reserved")))

    places = "{vrfs: [global], places: [{prefix: 10.0.0.0/8, vrf: global}, {prefix: 10.12.0.0/16, vrf: Lab}]}"
    assert check(ipam, policy=places) == ()


def test_of_shared_addresses_the_one_that_agrees_best_counts() -> None:
    ipam = PlainIpam(
        (known(1, "10.12.0.31", role="anycast", status="reserved"), known(2, "10.12.0.31", role="anycast"))
    )

    assert check(ipam) == ()


def test_another_dns_name_is_reported() -> None:
    (only,) = check(PlainIpam((known(1, "10.12.0.31", dns_name="cache.prod.hyops.internal"),)))

    assert (only.rule, only.line) == ("netbox-dns-name", 2)
    assert "got cache.prod.hyops.internal" in only.message


def test_two_names_at_one_address_share_its_dns_name() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", dns_name=NAME),))

    assert check(ipam, cache=contract_text("cache.prod.hyops.internal", "10.12.0.31")) == ()


def test_an_alias_may_be_the_dns_name() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", dns_name="old.prod.hyops.internal"),))

    assert check(ipam, 'endpoint_aliases: [{name: old.prod.hyops.internal, until: "2027-01-31"}]\n') == ()


@pytest.mark.parametrize("field", ["owner", "tenant"])
def test_the_chosen_owner_is_compared(field: str) -> None:
    ipam = PlainIpam((known(1, "10.12.0.31", **{field: ("platform",)}),))

    (only,) = check(ipam, "endpoint_owner: data\n", f"{{owner: {field}}}")
    assert (only.rule, only.line) == ("netbox-owner", 6)
    assert check(ipam, "endpoint_owner: Platform\n", f"{{owner: {field}}}") == ()
    assert check(ipam, "endpoint_owner: data\n", "{owner: none}") == ()


def test_the_owner_of_the_longest_prefix_with_one_stands_in() -> None:
    around = (prefix(1, "10.0.0.0/8", owner=("net",)), prefix(2, "10.12.0.0/16", owner=("data",)))
    ipam = PlainIpam((known(1, "10.12.0.31"),), (*around, prefix(3, "10.12.0.0/24")))

    assert check(ipam, "endpoint_owner: data\n") == ()
    assert [each.rule for each in check(ipam, "endpoint_owner: net\n")] == ["netbox-owner"]


def test_a_prefix_of_another_vrf_says_nothing() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),), (prefix(1, "10.12.0.0/16", owner=("net",), vrf=7),))

    assert check(ipam, "endpoint_owner: data\n") == ()


def test_one_of_the_contacts_has_to_be_the_owner() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),), people={("ipam.ipaddress", 1): ("Ann", "Data Team")})

    assert check(ipam, "endpoint_owner: data-team\n", "{owner: contact}") == ()
    assert [each.rule for each in check(ipam, "endpoint_owner: bob\n", "{owner: contact}")] == ["netbox-owner"]


def test_a_service_on_the_address_has_the_port() -> None:
    address = (known(1, "10.12.0.31"),)

    assert check(PlainIpam(address, offered=(service(1, "tcp/5432", on=[1]),))) == ()
    (only,) = check(PlainIpam(address, offered=(service(1, "udp/5432", "tcp/80", on=[1]),)))
    assert only.message == "expected a service on tcp/5432 of 10.12.0.31 in NetBox, got tcp/80, udp/5432"


def test_a_service_without_addresses_counts_for_all_of_its_device() -> None:
    address = (known(1, "10.12.0.31", holder=("dcim.device", 4)),)

    assert check(PlainIpam(address, offered=(service(1, "tcp/80", parent=("dcim.device", 5)),))) == ()
    wrong = check(PlainIpam(address, offered=(service(1, "tcp/80", parent=("dcim.device", 4)),)))
    assert [each.rule for each in wrong] == ["netbox-service"]


def test_a_missing_service_matters_where_the_policy_says_so() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),))

    assert check(ipam) == ()
    (only,) = check(ipam, policy="{services: required}")
    assert (only.rule, only.message.endswith("got none")) == ("netbox-service", True)


def test_an_ignored_rule_asks_for_no_services() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),), offered=(service(1, "tcp/80", on=[1]),))

    assert check(ipam, policy="{findings: {netbox-service: ignore}}") == ()
    assert "services" not in ipam.asked


def test_a_standby_in_the_prefix_of_another_site_is_reported() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"), known(2, "10.12.0.32")))

    (only,) = check(ipam, "endpoint_sites: {onprem: 10.12.0.31, gcp: 10.12.0.32}\n", PLACES)

    message = "10.12.0.32 is at gcp in endpoint_sites, but prefix 10.12.0.0/16 stands for onprem"
    assert (only.rule, only.message) == ("netbox-site", message)


def test_an_address_outside_of_all_places_of_its_site_is_reported() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"), known(2, "10.99.0.1")))

    (only,) = check(ipam, "endpoint_sites: {onprem: 10.12.0.31, gcp: 10.99.0.1}\n", PLACES)

    assert only.message == "expected 10.99.0.1 in prefix 10.72.0.0/16, which gcp stands for"


def test_the_longest_prefix_says_the_site() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"), known(2, "10.72.0.31")))

    places = "{places: [{prefix: 10.0.0.0/8, site: onprem}, {prefix: 10.72.0.0/16, site: gcp}]}"
    assert check(ipam, SITES, places) == ()


def test_the_site_of_the_longest_prefix_that_has_one_counts() -> None:
    around = (prefix(1, "10.12.0.0/16", site="lab"), prefix(2, "10.12.0.0/24"), prefix(3, "10.72.0.0/16", site="lab"))
    ipam = PlainIpam((known(1, "10.12.0.31"), known(2, "10.72.0.31")), around)

    places = "{places: [{netbox_site: lab, site: onprem}, {netbox_site: cloud, site: gcp}]}"
    (only,) = check(ipam, SITES, places)
    assert only.message == "10.72.0.31 is at gcp in endpoint_sites, but site lab stands for onprem"


def test_a_tag_of_the_address_or_its_prefix_says_the_site() -> None:
    addresses = (known(1, "10.12.0.31", tags=frozenset({"here"})), known(2, "10.72.0.31"))

    places = "{places: [{tag: here, site: onprem}, {tag: there, site: gcp}]}"
    assert check(PlainIpam(addresses, (prefix(1, "10.72.0.0/16", tags=frozenset({"there"})),)), SITES, places) == ()
    assert [each.rule for each in check(PlainIpam(addresses), SITES, places)] == ["netbox-site"]


def test_each_kind_of_place_has_to_agree() -> None:
    addresses = (known(1, "10.12.0.31", tags=frozenset({"there"})), known(2, "10.72.0.31"))

    places = PLACES.replace("]}", ", {tag: there, site: gcp}]}")
    assert [each.message for each in check(PlainIpam(addresses), SITES, places)] == [
        "10.12.0.31 is at onprem in endpoint_sites, but tag there stands for gcp"
    ]


def test_a_contract_without_sites_has_no_site_to_compare() -> None:
    assert check(PlainIpam((known(1, "10.12.0.31"),)), policy="{places: [{prefix: 10.12.0.0/16, site: gcp}]}") == ()


def test_a_place_for_other_environments_is_reported() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),))

    (only,) = check(ipam, policy="{places: [{prefix: 10.12.0.0/16, environments: [shared]}]}")
    assert only.message == "10.12.0.31 is of prod, but prefix 10.12.0.0/16 is for shared"
    assert check(ipam, policy="{places: [{prefix: 10.12.0.0/16, environments: [shared, prod]}]}") == ()


def test_a_tag_and_a_site_of_the_policy_have_to_exist() -> None:
    ipam = PlainIpam((known(1, "10.12.0.31"),), unknown=frozenset({"dns", "fns1"}))

    found = check(ipam, policy="{tag: dns, places: [{netbox_site: fns1, site: gcp}, {tag: dns, site: gcp}]}")

    assert [(each.path, each.rule) for each in found] == [(AUTHORITY, "netbox-policy")] * 3
    assert [each.message for each in found] == [
        "NetBox knows no tag 'dns'",
        "NetBox knows no site 'fns1'",
        "NetBox knows no tag 'dns'",
    ]


def test_the_policy_says_how_much_a_finding_counts() -> None:
    (only,) = check(PlainIpam(), policy="{findings: {netbox-address: warning}}")

    assert only.severity is Severity.WARNING
    assert check(PlainIpam(), policy="{findings: {netbox-address: ignore}}") == ()


def test_the_policys_findings_are_the_rules() -> None:
    schema = json.loads(shipped_schemas()["schemas/authority.schema.json"])
    findings = schema["properties"]["policy"]["properties"]["netbox"]["properties"]["findings"]

    assert list(findings["properties"]) == [rule.id for rule in NETBOX_RULES]


def test_each_zone_is_measured_by_its_own_policy_and_shares_addresses_with_others() -> None:
    files = {**repository({NAME: "10.12.0.31", f"wiki.prod.{SECOND}": "10.12.0.31"})}
    files[authority_path(SECOND)] += b"policy: {netbox: {statuses: [planned]}}\n"
    zones = [
        (part.validation.authority, part.validation.contracts)
        for part in everything(files).parts
        if part.validation.authority is not None
    ]
    ipam = PlainIpam((known(1, "10.12.0.31", status="planned", dns_name=f"wiki.prod.{SECOND}"),))

    found = check_zones(zones, ipam)

    assert [(each.path, each.rule) for each in found] == [(PATH, "netbox-status")]
    assert check_zones(zones, ipam, {f"endpoints/{SECOND}/prod/wiki.yaml"}) == ()
