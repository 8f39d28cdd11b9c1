"""What is known of contracts from other trees changes nothing about a tree."""

from functools import cache
from pathlib import Path

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.audit.commits import checked_once
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.zone import RRset
from hyops_gitops.validate.known import KnownContracts
from hyops_gitops.validate.validation import MemoryTree, Validation, validate_tree
from tests.support.contracts import MINIMAL, contract_text
from tests.support.repository import ROOT

CASES = ROOT / "tests" / "cases"
BASE = {file.relative_to(CASES / "base").as_posix(): file.read_bytes() for file in CASES.glob("base/*/**/*.*")}


def tree_of(case: Path) -> MemoryTree:
    """The tree of a case of `tests/cases`: what it has in place of the base's files, or beside them."""
    roots = [file for name in ("authority", "endpoints") for file in case.glob(f"{name}/**/*")]
    own = {file.relative_to(case).as_posix(): file.read_bytes() for file in roots if file.is_file()}
    return MemoryTree(BASE | own)


def shown(validation: Validation) -> tuple[tuple[Finding, ...], list[tuple[str, tuple[RRset, ...], tuple[str, ...]]]]:
    contracts = [(each.path, each.rrsets(), tuple(each.sites)) for each in validation.contracts]
    return validation.findings, contracts


def test_each_tree_has_the_findings_and_contracts_that_it_has_alone() -> None:
    read, check, known = cache(read_document), checked_once(check_document), KnownContracts()
    with_findings = 0
    for case in sorted(CASES.glob("invalid/*/*")):
        tree = tree_of(case)
        alone = validate_tree(tree, read_document, check_document)

        assert shown(validate_tree(tree, read, check, known=known)) == shown(alone), case
        with_findings += bool(alone.findings)

    assert with_findings > 50


def test_a_sound_contract_is_looked_at_again_under_another_policy() -> None:
    path, name = "endpoints/prod/db.yaml", "db.prod.hyops.internal"
    text = contract_text(name, "10.0.0.1", "host", "endpoint_ttl: 30\n").encode()
    strict = MINIMAL + b"policy: {ttl: {min: 40, default: 50}}\n"
    read, check, known = cache(read_document), checked_once(check_document), KnownContracts()

    found = [
        [finding.rule for finding in validate_tree(MemoryTree(files), read, check, known=known).findings]
        for authority in (MINIMAL, strict, MINIMAL)
        for files in [{"authority/hyops.internal.yaml": authority, path: text}]
    ]

    assert found == [[], ["ttl-bounds"], []]


def test_a_contract_without_ttl_gets_the_default_of_each_authority() -> None:
    path, name = "endpoints/prod/db.yaml", "db.prod.hyops.internal"
    text = contract_text(name, "10.0.0.1", "host", "").encode()
    other = MINIMAL + b"policy: {ttl: {default: 50}}\n"
    read, check, known = cache(read_document), checked_once(check_document), KnownContracts()

    ttls = [
        [contract.ttl for contract in validate_tree(MemoryTree(files), read, check, known=known).contracts]
        for authority in (MINIMAL, other, MINIMAL)
        for files in [{"authority/hyops.internal.yaml": authority, path: text}]
    ]

    assert ttls == [[60], [50], [60]]
