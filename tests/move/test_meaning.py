"""Any move of any contract: the target is the one meant, every site means what it meant, the rest stays."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyops_gitops.adapters.yaml.edit import new_text, set_values
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.document import Edit
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.move.contract_files import (
    Overlay,
    move_edits,
    site_edits,
    site_move_edits,
)
from hyops_gitops.validate.validation import MemoryTree, validate_tree
from tests.support.authority import AUTHORITY

PATH = "endpoints/prod/a.yaml"
SITES = ("onprem", "gcp", "edge")
addresses = st.lists(st.integers(1, 9).map("10.0.0.{}".format), min_size=1, max_size=3, unique=True).map(sorted)
targets = st.one_of(
    st.builds(Target, st.sampled_from([TargetType.HOST, TargetType.VIP]), addresses.map(tuple), st.integers(1, 3)),
    st.builds(
        Target, st.just(TargetType.DNS), st.sampled_from([("b.example.com",), ("c.example.com",)]), st.integers(1, 3)
    ),
)


class Nothing(SourceTree):
    """A tree without files."""

    def files(self) -> list[SourceFile]:
        return [SourceFile("authority/x.internal.yaml", AUTHORITY.encode())]


def read(text: str) -> Contract:
    validation = validate_tree(Overlay(Nothing(), {PATH: text.encode()}), read_document, check_document)
    assert [one for one in validation.findings if one.severity == "error"] == []
    (contract,) = validation.contracts
    return contract


@st.composite
def contract_texts(draw: st.DrawFn) -> str:
    """A contract with sites, each with as much of its own as it needs, or more."""
    sites = draw(st.dictionaries(st.sampled_from(SITES), targets, min_size=1))
    active = sites[draw(st.sampled_from(sorted(sites)))]
    written: dict[str, object] = {}
    for name, site in sites.items():
        value: object = site.values[0] if len(site.values) == 1 else list(site.values)
        own: dict[str, object] = {"target": value}
        if site.type is not active.type or draw(st.booleans()):
            own["type"] = site.type.value
        if site.port != active.port or draw(st.booleans()):
            own["port"] = site.port
        written[name] = own if len(own) > 1 or draw(st.booleans()) else value
    return new_text(
        {
            "endpoint_dns_name": "a.prod.x.internal",
            "endpoint_target": active.values[0] if len(active.values) == 1 else list(active.values),
            "endpoint_target_type": active.type.value,
            "endpoint_port": active.port,
            "endpoint_cutover_required": draw(st.booleans()),
            "endpoint_sites": written,
        },
        "# ours\n",
    )


def rest(contract: Contract) -> Contract:
    """All but target, sites, and where they stand."""
    return replace(contract, target=Target(TargetType.HOST, (), 0), sites={}, document=None)  # type: ignore[arg-type]  # compared


def edited(text: str, edits: tuple[Edit, ...]) -> Contract:
    return read(set_values(text, edits))


@settings(max_examples=60, deadline=None)
@given(contract_texts(), st.data())
def test_a_move_to_a_site(text: str, data: st.DataObject) -> None:
    before = read(text)
    site = data.draw(st.sampled_from(sorted(before.sites)))
    after = edited(text, move_edits(before, before.sites[site]))

    assert (after.target, after.sites) == (before.sites[site], before.sites)
    assert rest(after) == rest(before)


@settings(max_examples=60, deadline=None)
@given(contract_texts(), targets, st.sampled_from(SITES))
def test_a_site_gets_another_target_and_becomes_active(text: str, target: Target, site: str) -> None:
    before = read(text)
    after = edited(text, site_move_edits(before, site, target))

    assert (after.target, after.sites) == (target, {**before.sites, site: target})
    assert rest(after) == rest(before)


@settings(max_examples=60, deadline=None)
@given(contract_texts(), targets, st.sampled_from(SITES))
def test_a_standby_gets_another_target(text: str, target: Target, site: str) -> None:
    before = read(text)
    others = [name for name, one in before.sites.items() if one == before.target and name != site]
    if not others:
        return  # it is the active one: the case above
    after = edited(text, site_edits(before, site, target))

    assert (after.target, after.sites) == (before.target, {**before.sites, site: target})
    assert rest(after) == rest(before)


def test_a_contract_of_the_shipped_repository_there_and_back() -> None:
    text = (
        "endpoint_dns_name: a.prod.x.internal\nendpoint_target: 10.0.0.1\nendpoint_target_type: vip\n"
        "endpoint_port: 8443\nendpoint_cutover_required: true\nendpoint_sites:\n  onprem: 10.0.0.1\n"
        "  gcp: {target: 10.0.0.2, type: host, port: 443}\n"
    )
    first = read(text)
    there = set_values(text, move_edits(first, first.sites["gcp"]))

    assert "  onprem: {target: 10.0.0.1, type: vip, port: 8443}\n" in there
    assert read(set_values(there, move_edits(read(there), first.sites["onprem"]))).sites == first.sites


@pytest.mark.parametrize("site", SITES)
def test_a_move_to_where_it_is_has_no_edits(site: str) -> None:
    contract = read(
        "endpoint_dns_name: a.prod.x.internal\nendpoint_target: 10.0.0.1\nendpoint_target_type: vip\nendpoint_port: 1\n"
        f"endpoint_cutover_required: true\nendpoint_sites: {{{site}: 10.0.0.1}}\n"
    )

    assert (move_edits(contract, contract.target), site_move_edits(contract, site, contract.target)) == ((), ())


def test_a_tree_with_replaced_files_answers_as_one_that_was_written() -> None:
    under = MemoryTree(
        {"endpoints/prod/a.yaml": b"old a", "endpoints/prod/b.yaml": b"b", "endpoints/prod/c.yaml": b"c"}
    )
    other = MemoryTree({"endpoints/prod/a.yaml": b"new a", "endpoints/prod/b.yaml": b"other"})
    made = {"endpoints/prod/a.yaml": b"new a", "endpoints/prod/new.yaml": b"New"}
    overlay, written = Overlay(under, made), MemoryTree({**under.contents, **made})

    assert list(overlay.entries().items()) == list(written.entries().items())
    assert overlay.read(list(written.contents)) == written.read(list(written.contents))
    assert overlay.changed(other) == written.changed(other)
    assert overlay.changed(under) == written.changed(under) == frozenset(made)
    for text in ("old", "new", "b", "nothing"):
        assert overlay.mentioning([text]) == written.mentioning([text])
