"""What validation hands on: contracts and the authority as values, and what is left out of them."""

from hyops_gitops.adapters.files import WorkTree
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.authority import DEFAULT_OVERRIDABLE, NO_ASSERTIONS, Assertions, ServerAddress
from hyops_gitops.core.contract import Contract, Readiness, Target, TargetType
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.zone import RRset
from hyops_gitops.validate.validation import Validation, validate_tree
from tests.support.contracts import AUTHORITY, MINIMAL, contract_text, validated
from tests.support.repository import ROOT

BASE = ROOT / "tests" / "cases" / "base"


def only(validation: Validation) -> Contract:
    assert validation.findings == ()
    (contract,) = validation.contracts
    return contract


def test_a_contract_has_every_field_as_written() -> None:
    extra = (
        "endpoint_ttl: 30\nendpoint_protocol: tcp\nendpoint_owner: data\nendpoint_description: d\n"
        "endpoint_source: s#1\n"
        "endpoint_home: onprem\nendpoint_sites:\n  onprem: 10.0.0.1\n"
        "  gcp: {target: db.example.com, type: dns, port: 6432}\n"
        "endpoint_readiness: [{type: tcp}, {type: http, path: /health}]\n"
    )
    contract = only(
        validated({"endpoints/prod/db.yaml": contract_text("db.prod.hyops.internal", "10.0.0.1", "host", extra)})
    )

    assert str(contract.name) == "db.prod.hyops.internal"
    assert contract.target == Target(TargetType.HOST, ("10.0.0.1",), 5432)
    assert contract.sites == {"onprem": contract.target, "gcp": Target(TargetType.DNS, ("db.example.com",), 6432)}
    assert (contract.ttl, contract.protocol, contract.home, contract.cutover_required) == (30, "tcp", "onprem", True)
    assert (contract.owner, contract.description, contract.source) == ("data", "d", "s#1")
    assert contract.readiness == (Readiness("tcp", {}), Readiness("http", {"path": "/health"}))


def test_addresses_of_both_families_become_canonical_rrsets() -> None:
    text = contract_text("db.prod.hyops.internal", "[10.0.0.2, 'FD00:0::1', 10.0.0.1]", "vip")

    assert only(validated({"endpoints/prod/db.yaml": text})).rrsets() == (
        RRset("db.prod.hyops.internal", "A", 60, ("10.0.0.1", "10.0.0.2")),
        RRset("db.prod.hyops.internal", "AAAA", 60, ("fd00::1",)),
    )


def test_a_minimal_authority_gets_the_defaults() -> None:
    authority = validated({}).authority

    assert authority is not None
    assert authority.primary.api.server_id == "localhost"
    assert authority.primary.dns is None
    assert authority.secondaries[0].dns == ServerAddress("fd00::53", 53)
    assert authority.policy.max_deletes == 5
    assert authority.policy.lease_s == 120
    assert authority.policy.overridable == frozenset(DEFAULT_OVERRIDABLE)
    assert authority.policy.convergence.require == ("secondaries",)
    assert (authority.evidence.branch, authority.evidence.remote, authority.evidence.genesis) == (
        "evidence",
        None,
        None,
    )


def test_a_primary_with_an_address_is_required_by_default() -> None:
    authority = validated({}, MINIMAL.replace(b"site: hetzner", b'site: hetzner, dns: "10.0.0.53:53"')).authority

    assert authority is not None
    assert authority.policy.convergence.require == ("primary", "secondaries")


def test_assertions_are_none_unless_the_policy_makes_some() -> None:
    told = (
        b"policy: {assertions: {max_environment_cutovers: {prod: 3}, anti_flap_minutes: 30, "
        b"move_together: [[a.prod.hyops.internal, b.shared.hyops.internal]]}}\n"
    )
    silent, loud = validated({}, MINIMAL).authority, validated({}, MINIMAL + told).authority

    assert silent is not None
    assert loud is not None
    assert silent.policy.assertions == NO_ASSERTIONS
    assert loud.policy.assertions == Assertions(
        {"prod": 3}, 30, (("a.prod.hyops.internal", "b.shared.hyops.internal"),)
    )


def test_an_empty_list_of_overridable_guards_means_none() -> None:
    authority = validated({}, MINIMAL + b"policy: {overridable: []}\n").authority

    assert authority is not None
    assert authority.policy.overridable == frozenset()


def test_a_contract_with_an_error_is_left_out_and_still_defines_its_name() -> None:
    validation = validated(
        {
            "endpoints/prod/db.yaml": "endpoint_dns_name: [\n",
            "endpoints/prod/alias.yaml": contract_text("alias.prod.hyops.internal", "db.prod.hyops.internal", "dns"),
        }
    )

    assert [contract.path for contract in validation.contracts] == ["endpoints/prod/alias.yaml"]
    assert [one.rule for one in validation.findings] == ["yaml-syntax"]
    assert validation.invalid_paths == {"endpoints/prod/db.yaml"}


def test_an_authority_with_an_error_gives_no_contracts_but_their_findings() -> None:
    broken = MINIMAL.replace(b"site: hetzner", b"site: onprem")
    validation = validated({"endpoints/prod/db.yaml": contract_text("db.prd.hyops.internal", "10.0.0.1")}, broken)

    assert validation.authority is None
    assert validation.contracts == ()
    assert [one.rule for one in validation.findings] == ["authority-failure-domain", "name-environment"]


def test_a_part_of_the_authority_with_a_finding_makes_no_findings_in_contracts() -> None:
    broken = MINIMAL.replace(b"[prod]", b"prod")
    validation = validated({"endpoints/prod/db.yaml": contract_text("db.prod.hyops.internal", "10.0.0.1")}, broken)

    assert [one.path for one in validation.findings] == [AUTHORITY]


def test_an_override_takes_the_repositorys_genesis() -> None:
    genesis = b"evidence: {genesis: 'sha256:" + b"a" * 64 + b"'}\n"
    validation = validated({}, MINIMAL + genesis, override=SourceFile("/lab/authority.yaml", MINIMAL))

    assert validation.findings == ()
    assert validation.authority is not None
    assert validation.authority.path == "/lab/authority.yaml"
    assert validation.authority.evidence.genesis == "a" * 64


def test_files_are_handed_on_by_path() -> None:
    validation = validate_tree(WorkTree(BASE), read_document, check_document)

    assert validation.checked == 3
    assert validation.files["authority/allowed_signers"] == b"# nobody yet\n"
    assert validation.references["endpoints/prod/db.yaml"] == {"endpoints/prod/postgres.yaml"}
