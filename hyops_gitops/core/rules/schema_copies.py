"""The copies of the schemas that editors use: a warning where one is not what the program checks by."""

import json
from collections.abc import Iterable, Iterator

from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding
from hyops_gitops.core.rules.tree import START

Copy = tuple[str, bytes, bytes]  # path, its content, the content of the shipped one


def check_copies(copies: Iterable[Copy]) -> Iterator[Finding]:
    """Compared as JSON: an editor may have laid it out anew."""
    for path, content, shipped in copies:
        if content != shipped and _parsed(content) != json.loads(shipped):
            message = "this copy is not the schema that the program checks by"
            hint = f"delete it, then `hyops-gitops init .` writes it anew: git rm {path}"
            yield finding("schema-copy-stale", path, START, message, hint)


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
