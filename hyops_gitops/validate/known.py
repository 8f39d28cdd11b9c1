"""What is known of contracts that several trees have in common."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.context import ZoneContext
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.document import Document
from hyops_gitops.core.findings import Finding
from hyops_gitops.validate.building import ContractDraft, build_contract, draft_contract
from hyops_gitops.validate.name_rules import check_name
from hyops_gitops.validate.target_rules import (
    check_cutover_ttl,
    check_home,
    check_readiness,
    check_sites,
    check_targets,
    check_ttl,
)


class KnownContracts:
    """Drafts, sound contracts and their values, by the document they are of.

    Trees of one history have most files in common. What has a finding is looked at again in each of them.
    """

    def __init__(self) -> None:
        self._drafts: dict[int, ContractDraft] = {}  # each keeps its document, whose id stays its own
        self._sound: dict[ZoneContext, set[int]] = {}
        self._contracts: dict[tuple[int, str, int], Contract] = {}

    def draft(self, document: Document) -> ContractDraft:
        """The draft of a document."""
        if id(document) not in self._drafts:
            self._drafts[id(document)] = draft_contract(document)
        return self._drafts[id(document)]

    def contract(self, draft: ContractDraft, authority: Authority) -> Contract:
        """The contract of a draft that has no error."""
        key = (id(draft.document), authority.zone, authority.policy.ttl.default)  # all that it takes of the authority
        if key not in self._contracts:
            self._contracts[key] = build_contract(draft, authority)
        return self._contracts[key]

    def findings(self, drafts: Iterable[ContractDraft], context: ZoneContext) -> Iterator[Finding]:
        """The findings about each contract by itself."""
        sound = self._sound.setdefault(replace(context, contract_paths=frozenset()), set())
        for draft in drafts:
            if id(draft.document) not in sound:
                found = tuple(about_contract(draft, context))
                yield from found
                if not found:  # other paths only matter to a contract that is not where its name belongs
                    sound.add(id(draft.document))


def about_contract(draft: ContractDraft, context: ZoneContext) -> Iterator[Finding]:
    """The findings about one contract by itself."""
    yield from check_name(draft, context)
    yield from check_ttl(draft, context)
    yield from check_cutover_ttl(draft, context)
    yield from check_home(draft)
    yield from check_readiness(draft)
    misplaced = tuple(check_targets(draft, context))
    yield from misplaced
    if not misplaced:  # a wrong target is reported once, not as a missing active site too
        yield from check_sites(draft)
