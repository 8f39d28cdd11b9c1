"""What an audit holds entries against: what a clone says about one commit of the contracts. Values alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from hyops_gitops.core.contracts.contract import Contract
from hyops_gitops.core.evidence.entry_parts import Server
from hyops_gitops.core.verification.log_problems import Problem
from hyops_gitops.core.zone import Zone

SeparationOfDuties = Literal["enforce", "warn", "off"]


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What a clone says about one commit of the contracts."""

    commit: str
    on_branch: bool
    manifest: str
    authority_sha256: str | None  # of the authority file that the commit holds; None: it holds none
    contracts: tuple[Contract, ...]  # the valid ones
    desired: Zone  # what they ask for
    invalid: frozenset[str]  # the files with an error
    undecided: frozenset[str]  # names of which nothing is known here: their contracts are invalid
    required: Mapping[Server, str]  # whom the policy requires to serve a change, and the site of each
    required_roles: frozenset[str]
    separation: SeparationOfDuties
    own_authority: bool  # whether the authority file that the entry names was at hand


@dataclass(frozen=True, slots=True)
class Verdict:
    """Problems, and what could not be looked at."""

    problems: tuple[Problem, ...] = ()
    inconclusive: tuple[Problem, ...] = ()
