"""The result of init, and the steps left to do by hand."""

import json
from collections.abc import Iterator
from typing import Annotated

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Of
from hyops_gitops.core.findings import printable
from hyops_gitops.init.repository import PLACEHOLDER_REF, PLACEHOLDER_REPO, Ruleset
from hyops_gitops.init.zone_contracts import UnmappedRRset

_KEY = "/path/to/applier-key"


@dataclass(frozen=True, slots=True)
class NextSteps:
    """The steps that a new repository needs before its first apply."""

    authority: Authority
    has_tool: bool
    has_key: bool
    has_contracts: bool
    committed: bool
    log_started: bool
    has_owners: bool

    @property
    def title(self) -> str:
        """What was made."""
        return f"a repository for {self.authority.zone}"

    def lines(self) -> Iterator[str]:
        """One step each."""
        api = self.authority.primary.api
        if not self.has_key:
            yield (
                "make the applier's key, `ssh-keygen -t ed25519 -N '' -f FILE`, and add to authority/allowed_signers "
                'the line `PRINCIPAL namespaces="hyops-gitops" KEY`, KEY being the first two words of FILE.pub'
            )
        if not self.has_tool:
            yield (
                f"replace {PLACEHOLDER_REPO} and {PLACEHOLDER_REF} in .pre-commit-config.yaml and .github/workflows/ "
                "by the tool's repository and the full id of a commit of it"
            )
        if not self.has_owners:
            yield "replace @CHANGE-ME in .github/CODEOWNERS by the approvers of changes of the authority"
        if not self.has_contracts:
            yield "write a first contract; endpoints/README.md shows one"
        yield "`hyops-gitops validate`"
        if not self.committed:
            yield "`git add -A && git commit -m 'Begin'`"
        if not self.log_started:
            yield f"`export HYOPS_SIGNING_KEY_FILE={_KEY}`, `hyops-gitops evidence init`, and commit the line it adds"
        if self.authority.evidence.remote:
            yield f"`git push {self.authority.evidence.remote} main`"
        yield f"`export {api.key_env}=... HYOPS_PRIMARY_URL={api.url} HYOPS_SIGNING_KEY_FILE={_KEY}`"
        yield "`hyops-gitops doctor`, which checks everything that a first apply needs"
        yield "`hyops-gitops plan --live`, then `hyops-gitops apply`"

    def markdown(self) -> str:
        """The steps as a numbered list."""
        return "\n".join(f"{number}. {_sentence(line)}" for number, line in enumerate(self.lines(), start=1))


@dataclass(frozen=True, slots=True)
class FurtherZoneSteps:
    """The steps that a further zone needs before its first apply."""

    authority: Authority
    has_contracts: bool
    committed: bool
    log_started: bool

    @property
    def title(self) -> str:
        """What was made."""
        return f"a further zone, {self.authority.zone}"

    def lines(self) -> Iterator[str]:
        """One step each."""
        zone, api, evidence = self.authority.zone, self.authority.primary.api, self.authority.evidence
        if not self.has_contracts:
            yield f"write a first contract; endpoints/{zone}/README.md shows one"
        yield "`hyops-gitops validate`"
        if not self.committed:
            yield f"commit it on a branch of its own: `git add -A && git commit -m 'Add the zone {zone}'`"
        if evidence.remote:
            yield f"protect {evidence.branch} on the forge: `hyops-gitops init . --github print` has its rulesets"
            yield "merge it into main by a pull request"
        if not self.log_started:
            start = f"`export HYOPS_SIGNING_KEY_FILE={_KEY}`, `hyops-gitops evidence init --zone {zone}`"
            yield f"on main, {start}, and merge the line it adds"
        yield f"give the applier {api.key_env}, and `{zone}={api.url}` in HYOPS_PRIMARY_URL, a ZONE=URL for each zone"
        yield f"`hyops-gitops doctor --zone {zone}`, which checks everything that a first apply needs"
        yield f"`hyops-gitops plan --live --zone {zone}`, then `hyops-gitops apply --zone {zone}`"


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


class InitDocument:
    """The repository that init made or completed, hyops-init/1."""

    FORMAT = "hyops-init/1"
    zone: str
    written: tuple[str, ...]
    kept: tuple[str, ...]
    taken_over: tuple[str, ...]
    unmapped: tuple[UnmappedRRset, ...]
    principal: str | None
    key: str | None
    commit: str | None
    genesis: Annotated[str | None, Of(lambda result: result.genesis and f"sha256:{result.genesis}")]
    rulesets: tuple[object, ...]
    rulesets_said: Annotated[tuple[str, ...], Of("ruleset_reports")]
    next: Annotated[tuple[str, ...], Of(lambda result: tuple(result.next.lines()))]


@dataclass(frozen=True, slots=True)
class InitResult(JsonReport):
    """The repository that init made or completed."""

    FORM = InitDocument
    zone: str
    written: tuple[str, ...]
    kept: tuple[str, ...]  # existed already
    taken_over: tuple[str, ...]  # contracts made from the zone's records
    unmapped: tuple[UnmappedRRset, ...]
    principal: str | None  # listed as a signer
    key: str | None  # `<type> <base64>`
    next: NextSteps | FurtherZoneSteps
    commit: str | None = None
    genesis: str | None = None
    rulesets: tuple[Ruleset, ...] = ()
    ruleset_reports: tuple[str, ...] = ()  # one each, where they were set


def init_text(result: InitResult, directory: str, generated_key: str | None) -> str:
    """The result, and the next steps."""
    return "\n".join(_lines(result, printable(directory), generated_key))


def _lines(result: InitResult, directory: str, generated_key: str | None) -> Iterator[str]:
    yield f"{directory}: {result.next.title}, {len(result.written)} files written"
    yield from (f"  kept {printable(path)}, which existed" for path in result.kept)
    if generated_key is not None:
        where = printable(generated_key)
        yield f"the key of {result.principal or 'the applier'}: its private half is only in {where}"
        yield "  keep it where only the applier reads it: as a secret of its environment, or on its host"
    if result.taken_over or result.unmapped:
        yield from _taken_over(result)
    if result.genesis is not None:
        yield f"the log is started; genesis sha256:{result.genesis}"
    yield from (f"ruleset {printable(report)}" for report in result.ruleset_reports)
    if result.rulesets and not result.ruleset_reports:
        yield "rulesets, to import one by one under Settings, Rules, or by `--github set`:"
        yield from (json.dumps(ruleset, indent=2) for ruleset in result.rulesets)
    yield "next:"
    yield from (f"  {number}. {printable(line)}" for number, line in enumerate(result.next.lines(), start=1))


def _taken_over(result: InitResult) -> Iterator[str]:
    yield f"{len(result.taken_over)} contracts made from the zone's records; resolve the TODO in each"
    if result.unmapped:
        yield f"{len(result.unmapped)} RRsets without a contract stay as they are:"
    for rrset in result.unmapped:
        rdata = printable(" ".join(rrset.rdata))
        yield f"  {printable(rrset.name)} {rrset.type} {rdata}: {printable(rrset.reason)}"
        if rrset.hint:
            yield f"    hint: {printable(rrset.hint)}"
