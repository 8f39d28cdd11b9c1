"""`owners`: CODEOWNERS lines for contracts, from their owners."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import click

from hyops_gitops.adapters.checkout import work_tree
from hyops_gitops.adapters.files import read_source
from hyops_gitops.adapters.yaml.edit import TextWriter
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.adapters.yaml.schema import check_document
from hyops_gitops.cli.options import common_options, find_repository, place_in_checkout
from hyops_gitops.cli.output import echo, echo_json, echo_orders, note
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.errors import Exit, OutsideFailure, UsageError
from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.findings import FindingsError, Severity, findings_text, has_errors
from hyops_gitops.core.text import counted, first_few
from hyops_gitops.core.tree import SourceTree
from hyops_gitops.core.zone_tree import zone_tree
from hyops_gitops.validate.by_zone import zone_of_override, zones_apart
from hyops_gitops.validate.concerned import Scope
from hyops_gitops.validate.formats import findings_annotations
from hyops_gitops.validate.owners import (
    FORGES,
    NEW_PLACE,
    PLACES,
    ForgeName,
    OwnersFile,
    OwnersResult,
    find_owners,
)
from hyops_gitops.validate.validation import Validation, validate_tree

_MOST_BYTES = 16 * 1024 * 1024


@click.command()
@click.option("--write", is_flag=True, help="Write the lines into their block of the CODEOWNERS file.")
@click.option("--check", is_flag=True, help="Write nothing; exit 1 with a diff when the file is not up to date.")
@click.option(
    "--forge",
    "forge_name",
    type=click.Choice(FORGES),
    help="Whose CODEOWNERS file; default: the forge of the job or of HYOPS_FORGE_URL, else as the file's folder says, "
    "else github.",
)
@common_options("json", "github")
def owners(
    write: bool,
    check: bool,
    forge_name: ForgeName | None,
    repo: Path | None,
    authority_file: Path | None,
    output_format: str,
) -> int:
    """Write CODEOWNERS lines for contracts, out of endpoint_owner and policy.owners.

    Prints them by default. They stand in a marked block of the first CODEOWNERS file that the forge looks for, at its
    end if it has no block yet; other lines stay as they are. The last line that matches a file counts; on Gitea all do.
    """
    if write and check:
        raise UsageError("--write and --check exclude each other", code="usage")
    root = find_repository(repo)
    override = None if authority_file is None else read_source(authority_file.resolve(), str(authority_file))
    trees = _trees(work_tree(root), override)
    nothing: frozenset[str] = frozenset()
    authorities = [_sound(_read_zone(*each, Scope(nothing, each[0], nothing))) for each in trees]  # no contract is read
    top, prefix = place_in_checkout(root)
    forge = forge_name or _forge(os.environ, top)
    place = next((path for path in PLACES[forge] if os.path.lexists(top / path)), NEW_PLACE[forge])
    if not any(authority.policy.owners for authority in authorities):
        without = f"{first_few([authority.path for authority in authorities])} has no policy.owners"
        if not check:
            hint = 'add `owners: {TEAM: ["@ORGANISATION/TEAM"]}` under policy, in a pull request of its own'
            raise UsageError(without, code="no-owners", hint=hint)
        note(f"{without}: nothing to check")
        file = OwnersFile(place, (), None)
        return _checked(OwnersResult(forge, file, file, (), ()), output_format)
    with_table = [each for each, authority in zip(trees, authorities, strict=True) if authority.policy.owners]
    zones = [(_sound(whole), whole.contracts) for whole in (_read_zone(*each, None) for each in with_table)]
    result = _in_checkout(find_owners(forge, _read(top, place), zones, prefix), prefix)
    if write:
        return _written(result, TextWriter(top), output_format)
    return (_checked if check else _printed)(result, output_format)


def _trees(tree: SourceTree, override: SourceFile | None) -> list[tuple[SourceTree, SourceFile | None]]:
    """Each zone's tree, with what stands in for its authority file."""
    trees = {zone: zone_tree(tree, zone) for zone in zones_apart(tree.division)} or {"": tree}
    named = None if override is None else zone_of_override(override, read_document, trees)
    return [(part, override if zone == named else None) for zone, part in trees.items()]


def _read_zone(tree: SourceTree, override: SourceFile | None, scope: Scope | None) -> Validation:
    return validate_tree(tree, read_document, check_document, authority_override=override, scope=scope)


def _sound(found: Validation) -> Authority:
    """The authority of a tree without errors.

    Raises:
        FindingsError: of a contract with an error, the owner is not known.
    """
    if found.authority is None or found.invalid_paths:
        errors = tuple(each for each in found.findings if each.severity is Severity.ERROR)
        raise FindingsError(errors)
    return found.authority


def _forge(environ: Mapping[str, str], top: Path) -> ForgeName:
    from hyops_gitops.adapters.forge.forge import dialect_of, forge_url  # noqa: PLC0415 - `--forge` says it

    if environ.get("GITLAB_CI"):
        return "gitlab"
    if url := forge_url(environ):
        return dialect_of(url).name
    return next((forge for forge in FORGES if os.path.lexists(top / NEW_PLACE[forge])), "github")


def _read(top: Path, place: str) -> OwnersFile:
    """The file at a place of the checkout.

    Raises:
        OutsideFailure: code `cannot-read`: a link, also on the way to it, a folder, a device.
        InvalidData: code `owners-marks`.
    """
    file = top / place
    if not os.path.lexists(file):
        return OwnersFile.read(place, None)
    source = read_source(file, place, _MOST_BYTES)
    if file.parent.resolve() != top.resolve() / Path(place).parent:
        raise OutsideFailure(f"cannot read {place}: a link is on the way to it", code="cannot-read")
    if source.content is None:
        raise OutsideFailure(f"cannot read {place}: it {source.problem}", code="cannot-read")
    return OwnersFile.read(place, source.content)


def _in_checkout(result: OwnersResult, prefix: str) -> OwnersResult:
    """With each finding's path as in the checkout."""
    own = result.file.path
    shown = (each if each.path == own else replace(each, path=prefix + each.path) for each in result.findings)
    return replace(result, findings=tuple(shown))


def _checked(result: OwnersResult, output_format: str) -> int:
    _show_findings(result, output_format)
    if output_format == "json":
        echo_json(result.to_json())
    elif not result.is_current:
        echo(result.diff().rstrip("\n"))
        note(f"{result.file.path} is not up to date: `hyops-gitops owners --write --forge {result.forge}` writes it")
    return Exit.OK if result.is_current and not has_errors(result.findings) else Exit.NO


def _written(result: OwnersResult, writer: TextWriter, output_format: str) -> int:
    """Write the file, unless a finding is an error.

    Raises:
        FindingsError: nothing was written.
        OutsideFailure: code `cannot-write`.
    """
    errors = tuple(each for each in result.findings if each.severity is Severity.ERROR)
    if errors:
        raise FindingsError(errors, unwritten=True)
    if not result.is_current:
        writer.replace({result.wanted.path: result.wanted.content})
    _show_findings(result, output_format)
    if output_format == "json":
        echo_json(replace(result, file=result.wanted).to_json())
    else:
        done = "is up to date" if result.is_current else "written"
        echo(f"{result.file.path}: {counted(len(result.lines), 'line')}, {done}")
    return Exit.OK


def _printed(result: OwnersResult, output_format: str) -> int:
    _show_findings(result, output_format)
    if output_format == "json":
        echo_json(result.to_json())
    elif result.lines:
        echo("\n".join(result.lines))
    return Exit.NO if has_errors(result.findings) else Exit.OK


def _show_findings(result: OwnersResult, output_format: str) -> None:
    """Findings as annotations of the job, else as remarks."""
    if not result.findings or output_format == "json":
        return
    if output_format == "github":
        echo_orders(findings_annotations(result.findings, "").rstrip("\n"))
    else:
        note(findings_text(result.findings).rstrip("\n"))
