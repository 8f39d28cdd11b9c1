"""The request of an apply."""

from dataclasses import dataclass

from hyops_gitops.core.guards import Override


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """One call of apply."""

    revision: str  # what to apply
    work_tree_matters: bool  # whether uncommitted contracts refuse: no commit was named
    overrides: tuple[Override, ...] = ()
    wait: bool = True  # for another writer's open intent
    recover: int | None = None  # the open intent whose writer the operator knows to be gone
    sites_lost: tuple[str, ...] = ()  # whose servers cannot answer
    watch: bool = True  # after a cutover, resolvers and other servers that the policy does not require
