"""Contracts that nobody in their right mind writes are found wrong like others."""

import ipaddress

import pytest

from hyops_gitops.core.context import ZoneContext, zone_context
from hyops_gitops.core.document import Document
from hyops_gitops.validate.building import ContractDraft, draft_contract
from hyops_gitops.validate.reference_rules import Deletions, check_references
from hyops_gitops.validate.target_rules import check_targets

PROD = "prod.z.internal"
OCTETS = (0, 1, 168, 169, 253, 254, 255)
NO_DELETIONS = Deletions("HEAD", frozenset())


def draft(service: str, **fields: object) -> ContractDraft:
    data = {"endpoint_target_type": "host", "endpoint_port": 1, **fields}
    return draft_contract(Document(f"endpoints/prod/{service}.yaml", data, {}, {}))


def context(*drafts: ContractDraft) -> ZoneContext:
    authority = Document("authority/z.internal.yaml", {"zone": "z.internal", "environments": ["prod"]}, {}, {})
    return zone_context(authority, {one.path for one in drafts})


@pytest.mark.parametrize("target", [":" * 60_000 + "x", "0." * 30_000 + "x", "[" * 60_000])
def test_a_target_without_end(target: str) -> None:
    one = draft("a", endpoint_target=target)
    assert [found.rule for found in check_targets(one, context(one))] == ["target-type"]


@pytest.mark.parametrize("nameless", [".", ""])
def test_a_name_that_is_none_beside_a_target_that_nobody_defines(nameless: str) -> None:
    drafts = [
        draft("a", endpoint_dns_name=nameless, endpoint_target="10.0.0.1"),
        draft(
            "b", endpoint_dns_name="b.prod.z.internal", endpoint_target="c.prod.z.internal", endpoint_target_type="dns"
        ),
    ]
    found = check_references(drafts, context(*drafts), NO_DELETIONS)
    assert [(one.rule, one.path) for one in found] == [("target-dangling", "endpoints/prod/b.yaml")]


def test_an_address_is_refused_where_python_calls_it_special() -> None:
    wrong = []
    for address in (
        ipaddress.IPv4Address((first << 24) + (second << 16) + 1) for first in range(256) for second in OCTETS
    ):
        special = address.is_multicast or address.is_link_local or address.packed[0] == 0
        one = draft("a", endpoint_target=str(address))
        if special != bool(list(check_targets(one, context(one)))):
            wrong.append(address)
    assert wrong == []
