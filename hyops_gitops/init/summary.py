"""What `init` made, and what is left to do by hand."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.findings import printable
from hyops_gitops.init.repository import PLACEHOLDER_REF, PLACEHOLDER_REPO, Ruleset
from hyops_gitops.init.zone_contracts import UnmappedRRset

_KEY = "/path/to/applier-key"


@dataclass(frozen=True, slots=True)
class NextSteps:
    """What the first apply of a new repository still needs."""

    authority: Authority
    has_tool: bool
    has_key: bool
    has_contracts: bool
    committed: bool
    log_started: bool
    has_owners: bool

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
                "by the tool's repository and the full id of one commit of it"
            )
        if not self.has_owners:
            yield "replace @CHANGE-ME in .github/CODEOWNERS by those who approve changes of the authority"
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
        yield "`hyops-gitops doctor` tries everything that a first apply needs"
        yield "`hyops-gitops plan --live`, then `hyops-gitops apply`"

    def markdown(self) -> str:
        """The steps as a numbered list."""
        return "\n".join(f"{number}. {_sentence(line)}" for number, line in enumerate(self.lines(), start=1))


def _sentence(line: str) -> str:
    return f"{line[0].upper()}{line[1:]}."


@dataclass(frozen=True, slots=True)
class InitResult:
    """A repository that exists now."""

    zone: str
    written: tuple[str, ...]
    kept: tuple[str, ...]  # were there
    taken_over: tuple[str, ...]  # contracts of the zone as it was
    unmapped: tuple[UnmappedRRset, ...]
    principal: str | None  # who was listed as a signer
    key: str | None  # `<type> <base64>`
    next: NextSteps
    commit: str | None = None
    genesis: str | None = None
    rulesets: tuple[Ruleset, ...] = ()
    rulesets_said: tuple[str, ...] = ()  # what became of each, where they were set

    def to_json(self) -> dict[str, object]:
        """`hyops-init/1`."""
        return {
            "format": "hyops-init/1",
            "zone": self.zone,
            "written": list(self.written),
            "kept": list(self.kept),
            "taken_over": list(self.taken_over),
            "unmapped": [rrset.to_json() for rrset in self.unmapped],
            "principal": self.principal,
            "key": self.key,
            "commit": self.commit,
            "genesis": f"sha256:{self.genesis}" if self.genesis else None,
            "rulesets": list(self.rulesets),
            "rulesets_said": list(self.rulesets_said),
            "next": list(self.next.lines()),
        }


def init_text(begun: InitResult, directory: str, generated_key: str | None) -> str:
    """The result, and what to do next."""
    return "\n".join(_lines(begun, printable(directory), generated_key))


def _lines(begun: InitResult, directory: str, generated_key: str | None) -> Iterator[str]:
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
        yield from (json.dumps(ruleset, indent=2) for ruleset in begun.rulesets)
    yield "next:"
    yield from (f"  {number}. {printable(line)}" for number, line in enumerate(begun.next.lines(), start=1))


def _taken_over(begun: InitResult) -> Iterator[str]:
    yield f"{len(begun.taken_over)} contracts of names that the zone holds; look for the TODO in each"
    if begun.unmapped:
        yield f"{len(begun.unmapped)} RRsets have no contract and stay as they are:"
    for rrset in begun.unmapped:
        rdata = printable(" ".join(rrset.rdata))
        yield f"  {printable(rrset.name)} {rrset.type} {rdata}: {printable(rrset.reason)}"
        if rrset.hint:
            yield f"    hint: {printable(rrset.hint)}"
