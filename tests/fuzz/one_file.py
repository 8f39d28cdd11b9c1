"""One file of a tree under its rules, the rest of the tree being as it always is.

`validate_tree` reads and judges all files each time; here the others are read once. `test_one_file.py` holds that both
find the same.
"""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import ZoneContext, zone_context
from hyops_gitops.core.document import Document
from hyops_gitops.core.findings import Finding, has_errors
from hyops_gitops.validate.authority_rules import check_authority, check_override
from hyops_gitops.validate.building import ContractDraft, build_authority, build_contract, draft_contract
from hyops_gitops.validate.known import about_contract
from hyops_gitops.validate.name_rules import check_aliases
from hyops_gitops.validate.netbox_policy import netbox_policy
from hyops_gitops.validate.reference_rules import Deletions, check_references, references

BASE = Path(__file__).parent.parent / "cases" / "base"
FILES = {
    file.relative_to(BASE).as_posix(): file.read_bytes()
    for file in sorted(BASE.rglob("*"))
    if file.is_file() and file.suffix != ".md"
}
AUTHORITY, OTHER = "authority/hyops.internal.yaml", "other.yaml"
CONTRACT = "endpoints/prod/postgres.yaml"
CONTRACTS = frozenset(path for path in FILES if path.startswith("endpoints/"))
TODAY = datetime(2026, 11, 30, tzinfo=UTC).date()
_NONE_DELETED = Deletions("the base", frozenset())


def contract_findings(data: bytes) -> tuple[Finding, ...]:
    """The findings about a tree with this contract in it, which is built if it has no error."""
    document, read = _read("endpoint", CONTRACT, data)
    if document is None:
        return tuple(sorted([*read, *_among(_others(), _context())]))
    draft = draft_contract(document)
    drafts = tuple(sorted((*_others(), draft), key=lambda draft: draft.path))
    findings = tuple(sorted([*read, *about_contract(draft, _context()), *_among(drafts, _context())]))
    if not has_errors(tuple(finding for finding in findings if finding.path == CONTRACT)):
        build_contract(draft, _authority())
    return findings


def authority_findings(data: bytes) -> Mapping[str, tuple[Finding, ...]]:
    """The findings about a tree with this authority file, and with it in the place of its own, by the file's path.

    It is read once for both, and built where it has no error.
    """
    document, read = _read("authority", AUTHORITY, data)
    return {path: tuple(sorted(_about_authority(path, document, read))) for path in (AUTHORITY, OTHER)}


def _about_authority(path: str, document: Document | None, read: tuple[Finding, ...]) -> Iterator[Finding]:
    read = tuple(replace(finding, path=path) for finding in read)
    yield from read
    if document is None:
        yield from _about_all(zone_context(None, CONTRACTS))
        return
    document = replace(document, path=path)
    foreign = () if path == AUTHORITY else tuple(check_override(document, _document("authority", AUTHORITY)))
    found = (*check_authority(document, in_tree=path == AUTHORITY), *foreign)
    yield from found
    if not has_errors((*read, *found)):
        build_authority(document)
        netbox_policy(document)
    yield from _about_all(_context() if foreign else zone_context(document, CONTRACTS))


@functools.lru_cache(maxsize=64)
def _about_all(context: ZoneContext) -> tuple[Finding, ...]:
    """The findings about the other files, of which only this much depends on the authority."""
    drafts = tuple(_draft(path) for path in sorted(CONTRACTS))
    about = (finding for draft in drafts for finding in about_contract(draft, context))
    return (*about, *_among(drafts, context))


def _among(drafts: tuple[ContractDraft, ...], context: ZoneContext) -> Iterator[Finding]:
    yield from check_aliases(drafts, context, TODAY)
    yield from check_references(drafts, context, _NONE_DELETED)
    references(drafts, context)


def _read(
    schema: Literal["endpoint", "authority"], path: str, data: bytes
) -> tuple[Document | None, tuple[Finding, ...]]:
    document, findings = read_document(path, data)
    if document is None:
        return None, findings
    document, malformed = check_document(schema, document)
    return document, (*findings, *malformed)


@functools.cache
def _document(schema: Literal["endpoint", "authority"], path: str) -> Document:
    document, findings = _read(schema, path, FILES[path])
    assert document is not None
    assert not findings
    return document


@functools.cache
def _draft(path: str) -> ContractDraft:
    return draft_contract(_document("endpoint", path))


@functools.cache
def _others() -> tuple[ContractDraft, ...]:
    return tuple(_draft(path) for path in sorted(CONTRACTS) if path != CONTRACT)


@functools.cache
def _context() -> ZoneContext:
    return zone_context(_document("authority", AUTHORITY), CONTRACTS)


@functools.cache
def _authority() -> Authority:
    return build_authority(_document("authority", AUTHORITY))
