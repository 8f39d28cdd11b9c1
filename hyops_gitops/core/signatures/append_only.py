"""Whether `authority/allowed_signers` only grew: whoever could verify an old entry must always be able to. Pure."""

from collections.abc import Iterable, Iterator, Sequence

from hyops_gitops.core.document import Mark
from hyops_gitops.core.findings import Finding
from hyops_gitops.core.rules.catalog import finding
from hyops_gitops.core.rules.tree import SIGNERS_PATH, START
from hyops_gitops.core.signatures.signers import SignerLine, fingerprint

RULE = "signers-append-only"


def check_append_only(before: Sequence[SignerLine], after: Sequence[SignerLine], since: str) -> Iterator[Finding]:
    """What was taken out of the file, or widened in it, since an earlier revision."""
    known = {line.key for line in before}
    matched: set[int] = set()
    for old in before:
        new = _same(old, after)
        if new is None:
            hint = f"put back line {old.line} of {since}; a key is retired by valid-before, never by taking it out"
            message = f"the line of {old.principal}, {fingerprint(old.key)}, was removed or changed since {since}"
            yield finding(RULE, SIGNERS_PATH, START, message, hint)
            continue
        matched.add(new.line)
        yield from _check_line(old, new, since)
    for line in after:
        if line.key in known and line.line not in matched:
            message = f"{fingerprint(line.key)} was listed before, and gets another principal or namespaces here"
            yield _at(line, message, "a key keeps its principal and namespaces; use a new key for another purpose")


def _check_line(old: SignerLine, new: SignerLine, since: str) -> Iterator[Finding]:
    name = f"{new.principal}, {fingerprint(new.key)}"
    if _namespaces(old) != _namespaces(new):
        was = ",".join(old.namespaces) if old.namespaces is not None else "any namespace"
        message = f"the namespaces of {name} changed since {since}, where they were {was}"
        yield _at(new, message, "a key keeps its namespaces; use a new key for another purpose")
    if old.valid_before is not None and (new.valid_before is None or new.valid_before > old.valid_before):
        message = f"valid-before of {name} was taken out or moved later since {since}"
        yield _at(new, message, f'put back valid-before="{old.valid_before:%Y%m%d%H%M%S}Z"; a dead key stays dead')
    if old.valid_after != new.valid_after:
        message = f"valid-after of {name} changed since {since}"
        yield _at(new, message, "leave it as it was: entries signed before depend on it")


def _same(old: SignerLine, lines: Iterable[SignerLine]) -> SignerLine | None:
    """The line that goes on from an old one: same principal, same key, for namespaces in common."""
    of_key = [line for line in lines if (line.principal, line.key) == (old.principal, old.key)]
    exact = (line for line in of_key if _namespaces(line) == _namespaces(old))
    return next(exact, None) or next((line for line in of_key if line.overlaps(old)), None)


def _namespaces(line: SignerLine) -> frozenset[str] | None:
    return None if line.namespaces is None else frozenset(line.namespaces)


def _at(line: SignerLine, message: str, hint: str) -> Finding:
    return finding(RULE, SIGNERS_PATH, Mark(line.line, 1), message, hint)
