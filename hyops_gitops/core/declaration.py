"""Declarations and overrides in a commit's trailers."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated

from hyops_gitops.core.codec import JsonObject
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.fields import ALWAYS, At, Keywords
from hyops_gitops.core.findings import Rule
from hyops_gitops.core.guards import Override
from hyops_gitops.core.names import canonical_name, name_problem
from hyops_gitops.core.text import masked

COMMIT_TRAILER = Rule(
    "commit-trailer",
    "Hyops- trailers of the commits are ones that an apply takes (checked with --changed-since).",
    "One that is misspelt, or stands where git sees no trailer, lifts and declares nothing: seen at the failover.",
    "Put it into the message's last paragraph, spelt as docs/apply.md has it; or repeat it in a later commit.",
    "Hyops-Site-Lost: onprem, and a paragraph Co-authored-by: after it",
)


KINDS = ("drill", "incident", "maintenance")
Words = Annotated[str, Keywords.of(maxLength=200)]


@dataclass(frozen=True, slots=True)
class DeclaredHold(JsonObject):
    """An endpoint left in place by its site's failover, and why."""

    name: str  # its DNS name
    reason: Words  # why, masked


@dataclass(frozen=True, slots=True)
class Declaration(JsonObject):
    """The reason for a change, and known outages during it."""

    kind: str | None = None  # drill, incident or maintenance
    reason: Words | None = None  # why, masked
    reference: Words | None = None  # a ticket, a decision or an incident, masked
    sites_lost: Annotated[tuple[str, ...], At("site_lost")] = ()  # sites whose servers cannot answer
    holds: tuple[DeclaredHold, ...] = ()  # endpoints that a failover of their site leaves where they are

    def masked(self) -> "Declaration":
        """Fit for the log: each text cut, and without secrets and addresses."""
        return replace(
            self,
            reason=masked(self.reason) if self.reason else None,
            reference=masked(self.reference) if self.reference else None,
            holds=tuple(DeclaredHold(hold.name, masked(hold.reason)) for hold in self.holds),
        )


NOTHING_DECLARED = Declaration()


PREFIX = "hyops-"
KEYS = frozenset(f"{PREFIX}{key}" for key in ("kind", "reason", "reference", "site-lost", "override", "hold"))
_OUR_NAME = f"{PREFIX}gitops"
_FENCES = ("```", "~~~")
_LIKE_A_TRAILER = re.compile(
    r"(?P<lead>[\s>*+|#`'\"-]*)(?P<key>hyops[-_][a-z_-]+)(?P<colon>\s*[:=])(?P<value>.*)", re.IGNORECASE
)
_SITE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # as the schemas say
# What a commit cannot vouch for itself: where it stands, what came with it, and that another person approved it.
_NOT_BY_COMMIT = frozenset({"history", "mixed-commit", "separation-of-duties"})


@dataclass(frozen=True, slots=True)
class Trailer(JsonObject):
    """One trailer as written, and the commit that it stands in."""

    commit: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class UntakenTrailer(JsonObject):
    """A line that looks like a trailer where git reads none."""

    commit: str
    key: str
    value: str
    is_quoted: Annotated[bool, At("quoted"), ALWAYS] = False  # quoted, indented or only much like one: prose

    @property
    def message(self) -> str:
        """The problem with the line."""
        where = "a trailer starts a line of the message's last paragraph, and all lines of that are trailers"
        return f"line '{self.key}: {self.value}' is not read as a trailer: {where}"


@dataclass(frozen=True, slots=True)
class TrailerProblem:
    """A trailer that is left out because it cannot be understood."""

    commit: str
    message: str


@dataclass(frozen=True, slots=True)
class TrailerReading:
    """Declaration, overrides and problems read from trailers."""

    declaration: Declaration
    overrides: tuple[Override, ...]
    problems: tuple[TrailerProblem, ...]


def read_trailers(trailers: Iterable[Trailer]) -> TrailerReading:
    """Read trailers in order.

    Of several kinds, reasons or references the last one counts.
    """
    texts: dict[str, str] = {}
    sites: dict[str, None] = {}
    holds: dict[DeclaredHold, None] = {}
    overrides: dict[Override, None] = {}
    problems: list[TrailerProblem] = []
    for trailer in trailers:
        try:
            match trailer.key.lower():
                case "hyops-kind":
                    texts["kind"] = _kind(trailer.value)
                case "hyops-reason" | "hyops-reference" as key:
                    texts[key.removeprefix(PREFIX)] = _text(trailer.value)
                case "hyops-site-lost":
                    sites[_site(trailer.value)] = None
                case "hyops-override":
                    overrides[_override(trailer.value)] = None
                case "hyops-hold":
                    holds[_hold(trailer.value)] = None
                case key if key.startswith(PREFIX):
                    problems.append(_problem(trailer, "no such trailer is known"))
        except (_Wrong, UsageError) as error:
            problems.append(_problem(trailer, error.message if isinstance(error, UsageError) else str(error)))
    declaration = Declaration(
        texts.get("kind"), texts.get("reason"), texts.get("reference"), tuple(sites), tuple(holds)
    )
    return TrailerReading(declaration, tuple(overrides), tuple(problems))


def untaken_lines(commit: str, message: str, taken: Iterable[Trailer]) -> tuple[UntakenTrailer, ...]:
    """The lines that only look like our trailers."""
    if PREFIX[:-1] not in message.lower():
        return ()
    read = {_meaning(trailer) for trailer in taken}
    found = (line for line in _lines_like_trailers(commit, message) if _meaning(line) not in read)
    return tuple(dict.fromkeys(found))


def without_repeated(untaken: Iterable[UntakenTrailer], taken: Iterable[Trailer]) -> tuple[UntakenTrailer, ...]:
    """Of these lines, those that no trailer says."""
    read = {_meaning(trailer) for trailer in taken}
    return tuple(line for line in untaken if _meaning(line) not in read)


def _meaning(line: Trailer | UntakenTrailer) -> tuple[str, str]:
    return line.key.lower(), " ".join(line.value.split())


def _lines_like_trailers(commit: str, message: str) -> Iterator[UntakenTrailer]:
    lines = message.split("\n")
    fenced = False
    for number, line in enumerate(lines):
        fenced ^= line.lstrip().startswith(_FENCES)
        match = _LIKE_A_TRAILER.match(line)
        if match is None:
            continue
        key, colon = match["key"].lower(), match["colon"].strip()
        if key not in KEYS and (number == 0 or colon != ":" or key.startswith(_OUR_NAME)):
            continue  # prose: who meant a trailer would have written one that exists
        value = match["value"]
        for following in lines[number + 1 :]:  # folded
            if not following[:1].isspace() or not following.strip():
                break
            value = f"{value} {following.strip()}"
        exact = key in KEYS and colon == ":" and not match["lead"]
        yield UntakenTrailer(commit, match["key"], value.strip(), fenced or not exact)


class _Wrong(Exception):
    """A trailer's value is malformed."""


def _problem(trailer: Trailer, why: str) -> TrailerProblem:
    return TrailerProblem(trailer.commit, f"trailer '{trailer.key}: {trailer.value}': {why}")


def _kind(value: str) -> str:
    if value not in KINDS:
        raise _Wrong(f"expected {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return value


def _text(value: str) -> str:
    if not value:
        raise _Wrong("it is empty")
    return value


def _site(value: str) -> str:
    if not _SITE.fullmatch(value):
        raise _Wrong("expected a site name of lower-case letters, digits and hyphens")
    return value


def _override(value: str) -> Override:
    override = Override.parse(value, source="trailer")
    if override.guard in _NOT_BY_COMMIT:
        raise _Wrong(f"a commit cannot lift {override.guard!r} about itself; pass --override when applying it")
    return override


def _hold(value: str) -> DeclaredHold:
    name, _, reason = value.partition("=")
    name, reason = canonical_name(name.strip()), reason.strip()
    if (problem := name_problem(name)) is not None:
        raise _Wrong(f"expected NAME=REASON: {problem}")
    if not reason:
        raise _Wrong("expected NAME=REASON: the reason is missing")
    return DeclaredHold(name, reason)
