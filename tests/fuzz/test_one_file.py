"""What is found about one file alone is what is found about the whole tree."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.validate.validation import MemoryTree, validate_tree
from tests.fuzz.one_file import AUTHORITY, CONTRACT, FILES, OTHER, TODAY, authority_findings, contract_findings

CORPUS = Path(__file__).parent / "corpus"


def inputs(name: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize("data", [FILES[CONTRACT], *inputs("contract")])
def test_of_a_contract(data: bytes) -> None:
    tree = MemoryTree({**FILES, CONTRACT: data})

    whole = validate_tree(tree, read_document, check_document, as_of=TODAY)

    assert contract_findings(data) == whole.findings


@pytest.mark.parametrize("data", [FILES[AUTHORITY], *inputs("authority")])
def test_of_an_authority(data: bytes) -> None:
    tree = MemoryTree({**FILES, AUTHORITY: data})

    whole = validate_tree(tree, read_document, check_document, as_of=TODAY)

    assert authority_findings(data)[AUTHORITY] == whole.findings


@pytest.mark.parametrize("data", [FILES[AUTHORITY], *inputs("authority")])
def test_of_an_authority_in_the_place_of_another(data: bytes) -> None:
    given = SourceFile(OTHER, data)

    whole = validate_tree(MemoryTree(FILES), read_document, check_document, authority_override=given, as_of=TODAY)

    assert authority_findings(data)[OTHER] == whole.findings
