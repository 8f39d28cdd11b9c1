"""Moves of endpoints as values: commits, results."""

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Annotated

from hyops_gitops.core.codec import JsonObject, JsonReport
from hyops_gitops.core.contract import Contract, Target
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.declaration import Declaration
from hyops_gitops.core.document import Edit
from hyops_gitops.core.errors import Exit
from hyops_gitops.core.fields import LEFT_OUT, NEVER, At
from hyops_gitops.core.guards import Override
from hyops_gitops.core.readiness import ReadinessReport
from hyops_gitops.move.contract_files import move_edits, site_move_edits
from hyops_gitops.plan.limits import Proposal


@dataclass(frozen=True, slots=True)
class Move(JsonReport):
    """One endpoint before and after."""

    name: str
    path: str
    environment: str
    before: Target
    from_site: Annotated[str | None, At("before.site")]
    after: Target
    to_site: Annotated[str | None, At("after.site")]
    ttl: int  # that clients have of the old target
    edits: Annotated[tuple[Edit, ...], NEVER]
    zone: Annotated[str | None, LEFT_OUT] = None  # where the repository has several

    @property
    def addresses(self) -> str:
        """`postgres.prod.hyops.internal: 10.12.0.31 -> 10.72.16.24`."""
        return f"{self.name}: {', '.join(self.before.values)} -> {', '.join(self.after.values)}"


@dataclass(frozen=True, slots=True)
class SkippedEndpoint(JsonObject):
    """An endpoint that a failover leaves alone, and the reason."""

    name: str
    reason: str
    zone: Annotated[str | None, LEFT_OUT] = None  # as of a move


def move_of(contract: Contract, target: Target, site: str | None = None) -> Move:
    """The move of an endpoint to a target, perhaps for a site."""
    edits = move_edits(contract, target) if site is None else site_move_edits(contract, site, target)
    arrives = site or next((name for name, own in contract.sites.items() if own == target), None)
    return Move(
        str(contract.name),
        contract.path,
        contract.name.environment,
        contract.target,
        contract.active_site,
        target,
        arrives,
        contract.ttl,
        edits,
    )


@dataclass(frozen=True, slots=True)
class MoveResult(JsonReport):
    """Moves, and how far they got: edited, committed, pushed."""

    FORMAT = "hyops-move/1"
    verb: str  # cutover, prepare, failback, failover
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...] = ()
    warnings: tuple[str, ...] = ()
    written: tuple[str, ...] = ()  # files of the work tree
    branch: str | None = None
    commit: str | None = None
    pushed: bool = False
    pull_request: str | None = None  # its address
    next: tuple[str, ...] = ()  # commands


_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class CommitText:
    """Text of a commit: subject, body, and trailers as its last paragraph."""

    subject: str
    body: str = ""
    trailers: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The whole message."""
        parts = [self.subject, self.body, "\n".join(self.trailers)]
        return "\n\n".join(part for part in parts if part) + "\n"

    @property
    def description(self) -> str:
        """Body and trailers, for the description of a pull request."""
        return "\n\n".join(part for part in (self.body, "\n".join(self.trailers)) if part)


def trailer_lines(declared: Declaration, overrides: Iterable[Override] = ()) -> tuple[str, ...]:
    """The trailers of these declarations, as `core.declaration` reads them."""
    found = [
        ("Kind", declared.kind),
        ("Reason", declared.reason),
        ("Reference", declared.reference),
        *(("Site-Lost", site) for site in declared.sites_lost),
        *(("Hold", f"{hold.name}={hold.reason}") for hold in declared.holds),
        *(("Override", str(override)) for override in overrides),
    ]
    return tuple(f"Hyops-{key}: {' '.join(text.split())}" for key, text in found if text)


def branch_name(verb: str, *words: str) -> str:
    """`failover/onprem-to-gcp`: letters, digits, dots and hyphens only."""
    safe = (_UNSAFE.sub("-", word).strip("-.") for word in words)
    return f"{verb}/{'-'.join(word for word in safe if word)}"


def commit_commands(branch: str, paths: Sequence[str], text: CommitText) -> tuple[str, ...]:
    """The commands that commit edited files on a new branch."""
    messages = [part for part in (text.subject, text.body, "\n".join(text.trailers)) if part]
    return (
        shlex.join(["git", "switch", "-c", branch]),
        shlex.join(["git", "add", *paths]),
        shlex.join(["git", "commit", *(word for part in messages for word in ("-m", part))]),
    )


def pull_request_command(branch: str, text: CommitText) -> tuple[str, ...]:
    """The command that opens a pull request with the forge's own program."""
    return ("gh", "pr", "create", "--head", branch, "--title", text.subject, "--body", text.description)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The answer of a failover that was only checked."""

    origin: str
    to: str
    moves: tuple[Move, ...]
    skipped: tuple[SkippedEndpoint, ...]
    readiness: tuple[ReadinessReport, ...]  # one for each move, in their order
    proposal: Proposal  # with the contracts as the failover would leave them
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> Exit:
        """The exit code of the failover's apply, by its plan."""
        return Exit.REFUSED if self.proposal.plan.refusals else Exit.OK

    @property
    def environments(self) -> tuple[tuple[str, tuple[tuple[Move, ReadinessReport], ...]], ...]:
        """Moves and readiness of their targets, by environment."""
        pairs = list(zip(self.moves, self.readiness, strict=True))
        names = sorted({move.environment for move in self.moves})
        return tuple((name, tuple(pair for pair in pairs if pair[0].environment == name)) for name in names)

    def to_json(self) -> dict[str, object]:
        """`hyops-failover-check/1`."""
        return {
            "format": "hyops-failover-check/1",
            "from": self.origin,
            "to": self.to,
            "passes": self.exit_code is Exit.OK,
            "environments": [
                {
                    "name": name,
                    "ready": sum(report.verdict == "ready" for _, report in pairs),
                    "endpoints": [{**move.to_json(), "readiness": report.to_json()} for move, report in pairs],
                }
                for name, pairs in self.environments
            ],
            "skipped": [endpoint.to_json() for endpoint in self.skipped],
            "warnings": list(self.warnings),
            "plan": self.proposal.to_json(),
        }
