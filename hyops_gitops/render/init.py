"""What `init` made, as text."""

import json
from collections.abc import Iterator

from hyops_gitops.core.onboarding.init_report import Begun
from hyops_gitops.render.findings import printable


def begun_text(begun: Begun, directory: str, generated_key: str | None) -> str:
    """The result, and what to do next."""
    return "\n".join(_lines(begun, printable(directory), generated_key))


def _lines(begun: Begun, directory: str, generated_key: str | None) -> Iterator[str]:
    yield f"{directory}: a repository for {begun.zone}, {len(begun.written)} files written"
    yield from (f"  kept {printable(path)}, which was there" for path in begun.kept)
    if generated_key is not None:
        where = printable(generated_key)
        yield f"the key of {begun.principal or 'the applier'}: its private half is {where}, and nowhere else"
        yield "  keep it where only the applier reads it: as a secret of the environment that applies, or on its host"
    if begun.taken_over or begun.unmapped:
        yield from _taken_over(begun)
    if begun.genesis is not None:
        yield f"the log is started; genesis sha256:{begun.genesis}"
    yield from (f"ruleset {printable(said)}" for said in begun.rulesets_said)
    if begun.rulesets and not begun.rulesets_said:
        yield "rulesets, each to be imported under Settings, Rules, or by `--github set`:"
        yield from (json.dumps(one, indent=2) for one in begun.rulesets)
    yield "next:"
    yield from (f"  {number}. {printable(line)}" for number, line in enumerate(begun.next.lines(), start=1))


def _taken_over(begun: Begun) -> Iterator[str]:
    yield f"{len(begun.taken_over)} contracts of names that the zone holds; look for the TODO in each"
    if begun.unmapped:
        yield f"{len(begun.unmapped)} RRsets have no contract and stay as they are:"
    for one in begun.unmapped:
        rdata = printable(" ".join(one.rdata))
        yield f"  {printable(one.name)} {one.type} {rdata}: {printable(one.reason)}"
        if one.hint:
            yield f"    hint: {printable(one.hint)}"
