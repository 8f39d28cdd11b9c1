"""A report as files: pages, CSV, and their digests.

Every page stands alone. Style and script are in it, allowed by their SHA-256 alone, and nothing else may be loaded, so
that a page works from a file system, and injected markup would do nothing even if escaping failed.
"""

import base64
import hashlib
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from hyops_gitops.audit.report import Period, changes_csv
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import time_text
from hyops_gitops.core.findings import printable
from hyops_gitops.core.signers import fingerprint
from hyops_gitops.core.text import counted
from hyops_gitops.log.entries import Intent
from hyops_gitops.log.envelope import ENTRIES_PER_FOLDER, Entry, entry_path
from hyops_gitops.log.trust import MAIN_NAMESPACE, TRUST_NAMESPACE
from hyops_gitops.report.facts import Account, Facts, ReportSubject
from hyops_gitops.report.figures import (
    HEIGHT,
    WIDTH,
    Scale,
    answers_by_key,
    duration_text,
    lanes,
    ms_text,
    tenure_bars,
)

ENTRIES_PER_PAGE = 500  # of the timeline
CHANGES_SHOWN = 100  # of one entry, and rows of the endpoints' own tables; changes.csv has all
_LISTED = 500  # distinct values of a filter on the first page
GENERATOR = "hyops-gitops report"
INDEX, SUMS = "index.html", "SHA256SUMS"
_PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]{0,199}")
_STYLE, _SCRIPT = "report.css", "report.js"


def report_files(facts: Facts, templates: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """The files of a report, one at a time; digests last."""
    return _with_sums(_Pages(facts.subject, templates, facts.period).all(facts))


def failed_report_files(
    subject: ReportSubject, templates: Mapping[str, str], period: Period
) -> Iterator[tuple[str, bytes]]:
    """The files of a report of a log that does not verify."""
    return _with_sums(_Pages(subject, templates, period).verdict())


def is_own_report(names: Collection[str], index: bytes, sums: bytes) -> bool:
    """Whether a folder with these files holds a report and nothing else."""
    listed = {line.partition(b"  ")[2].decode("utf-8", "replace") for line in sums.splitlines()}
    return f'<meta name="generator" content="{GENERATOR}">'.encode() in index and set(names) == {SUMS, *listed}


def _with_sums(files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    lines = []
    for name, content in files:
        lines.append(f"{sha256_hex(content)}  {name}\n")
        yield name, content
    yield SUMS, "".join(sorted(lines, key=lambda line: line.partition("  ")[2])).encode()


# --- addresses of pages


def timeline_page(seq: int) -> str:
    """The page of the timeline that an entry is on."""
    return f"timeline-{(seq - 1) // ENTRIES_PER_PAGE + 1:04d}.html"


def folder_page_name(seq: int) -> str:
    """The page with an entry in full, numbered as its folder."""
    return f"entries-{seq // ENTRIES_PER_FOLDER:04d}.html"


def endpoint_page(name: str) -> str:
    """The page of a name, which may hold anything that DNS allows."""
    plain = name if _PLAIN_NAME.fullmatch(name) else f"x-{sha256_hex(name.encode())[:32]}"
    return f"endpoint-{plain}.html"


@dataclass(frozen=True, slots=True)
class FilterValue:
    """A value of a filter, and the pages that have it."""

    value: str
    count: int
    pages: tuple[tuple[str, int], ...]


class _Pages:
    """The templates with what every page has."""

    def __init__(self, subject: ReportSubject, templates: Mapping[str, str], period: Period) -> None:
        self.environment = Environment(
            loader=DictLoader(dict(templates)),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
            keep_trailing_newline=True,
        )
        style, script = (templates[name].strip() for name in (_STYLE, _SCRIPT))
        self.environment.filters |= {
            "time": time_text,
            "day": lambda moment: f"{moment.astimezone(UTC):%Y-%m-%d}",
            "clock": lambda moment: f"{moment.astimezone(UTC):%H:%M:%S}",
            "ms": ms_text,
            "duration": duration_text,
            "several": _several,
            "fingerprint": fingerprint,
        }
        self.environment.globals |= {
            "subject": subject,
            "period": period,
            "generator": GENERATOR,
            "style": Markup(style),  # noqa: S704 - our own file
            "script": Markup(script),  # noqa: S704 - our own file
            "policy": f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
            "base-uri 'none'; form-action 'none'",
            "counted": counted,
            "endpoint_page": endpoint_page,
            "width": WIDTH,
            "height": HEIGHT,
        }

    def page(self, template: str, **values: object) -> bytes:
        return self.environment.get_template(template).render(values).encode()

    def verdict(self) -> Iterator[tuple[str, bytes]]:
        """The one page of a log that does not verify."""
        yield INDEX, self.page("index.html", facts=None, nav=(), head=None)

    def all(self, facts: Facts) -> Iterator[tuple[str, bytes]]:
        """Every page of a log, and the table for samplers."""
        linked = {seq for account in facts.accounts for seq in (account.seq, account.end.seq if account.end else 0)}
        blocks = _grouped(facts.accounts, timeline_page)
        newest = next(reversed(blocks), "")
        self.environment.globals |= {
            "facts": facts,
            "head": facts.log.head,
            "newest": newest,
            "entry_href": lambda seq: f"{folder_page_name(seq)}#e{seq}" if seq in linked else "",
            "nav": (INDEX, newest, "exceptions.html", "endpoints.html"),
        }
        yield INDEX, self._index(facts, blocks)
        for name, accounts in blocks.items():
            others = [(page, _span(found)) for page, found in reversed(blocks.items())]
            yield name, self.page("timeline.html", here=name, accounts=accounts[::-1], others=others)
        yield "exceptions.html", self.page("exceptions.html", here="exceptions.html")
        yield from self._entries(facts)
        yield from self._endpoints(facts)
        yield "changes.csv", changes_csv(facts.rows).encode()

    def _index(self, facts: Facts, blocks: Mapping[str, Sequence[Account]]) -> bytes:
        tallies = {
            "kind": _tallies(blocks, lambda account: (account.kind,)),
            "outcome": _tallies(blocks, lambda account: (account.outcome,)),
            "environment": _tallies(blocks, lambda account: account.environments),
            "person": _tallies(blocks, lambda account: account.people),
        }
        scale = Scale.of(facts.servers)
        return self.page("index.html", here=INDEX, tallies=tallies, scale=scale)

    def _entries(self, facts: Facts) -> Iterator[tuple[str, bytes]]:
        template = self.environment.get_template("entries.html")
        folders = _grouped(facts.accounts, folder_page_name)
        names = list(folders)
        for place, (name, accounts) in enumerate(folders.items()):
            yield (
                name,
                template.render(
                    here="",
                    accounts=accounts,
                    before=names[place - 1] if place else "",
                    after=names[place + 1] if place + 1 < len(names) else "",
                    shown=CHANGES_SHOWN,
                    commands=self._commands(facts),
                    answers_by_key=answers_by_key,
                    lanes=lanes,
                    path_of=lambda seq: entry_path(facts.subject.zone, seq),
                ).encode(),
            )

    def _endpoints(self, facts: Facts) -> Iterator[tuple[str, bytes]]:
        end = facts.log.head.envelope.time
        yield "endpoints.html", self.page("endpoints.html", here="endpoints.html", end=end)
        template = self.environment.get_template("endpoint.html")
        for name, accounts in facts.by_name.items():
            tenures = facts.tenures.of.get(name, [])
            bars = {
                rrtype: tenure_bars([tenure for tenure in tenures if tenure.type == rrtype], end)
                for rrtype in dict.fromkeys(tenure.type for tenure in tenures)
            }
            yield (
                endpoint_page(name),
                template.render(here="", name=name, tenures=tenures, bars=bars, end=end, accounts=accounts).encode(),
            )

    def _commands(self, facts: Facts) -> Callable[[Entry], Sequence[str]]:
        return lambda entry: verifying_commands(facts.subject, entry)


def verifying_commands(subject: ReportSubject, entry: Entry) -> tuple[str, ...]:
    """Commands for bash that verify one entry in a clone.

    Each fails where something is wrong. What an entry says is quoted: it goes to a shell.
    """
    envelope, seq = entry.envelope, entry.seq
    file = f"entry-{seq}.json"
    blob = f"git --no-replace-objects cat-file blob {shlex.quote(subject.commit)}:"
    path = shlex.quote(entry_path(subject.zone, seq))
    moment = time_text(envelope.time).translate(str.maketrans("", "", "TZ:-"))

    def signature(namespace: str) -> str:
        return (
            f"TZ=UTC ssh-keygen -Y verify -f authority/allowed_signers -I {shlex.quote(envelope.principal)} "
            f"-n {namespace} -O verify-time={moment} -s {file}.sig < {file}"
        )

    signed = signature(MAIN_NAMESPACE)
    if entry.type == "trust":
        signed = f"{signed} ||\n  {signature(TRUST_NAMESPACE)}"
    lines = [
        f"{blob}{path} > {file}",
        f"{blob}{path}.sig > {file}.sig",
        f"echo '{entry.sha256}  {file}' | sha256sum -c",
        f"jq -cS . {file} | cmp - {file}",
        signed,
    ]
    if seq > 1:
        before = shlex.quote(entry_path(subject.zone, seq - 1))
        lines += [
            f"{blob}{before} | sha256sum -c <(jq -r '.predicate.prev.entry + \"  -\"' {file})",
            f"{blob}{before}.sig | sha256sum -c <(jq -r '.predicate.prev.sig + \"  -\"' {file})",
        ]
    if isinstance(entry.body, Intent):
        lines.append(
            "jq -cS '{zone: .subject[0].name, zone_sha256: .predicate.zone.before.whole, "
            f"changes: .predicate.plan.changes}}' {file} |\n"
            f"  sha256sum -c <(jq -r '.predicate.plan.digest + \"  -\"' {file})"
        )
    return tuple(lines)


def _source(text: str) -> str:
    """The expression that allows an inline element in a policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shown(value: object) -> object:
    """Text on one line, other characters by their numbers."""
    return value if isinstance(value, Markup) else printable(str(value))


def _several(values: Iterable[str]) -> Markup:
    """Values of an attribute that the script takes apart at line ends."""
    return Markup("\n").join(escape(printable(value)) for value in values)


def _grouped(accounts: Iterable[Account], page_of: Callable[[int], str]) -> dict[str, list[Account]]:
    found: dict[str, list[Account]] = {}
    for account in accounts:
        found.setdefault(page_of(account.seq), []).append(account)
    return found


def _span(accounts: Sequence[Account]) -> tuple[datetime, datetime]:
    return accounts[0].entry.envelope.time, accounts[-1].entry.envelope.time


def _tallies(
    blocks: Mapping[str, Sequence[Account]], values_of: Callable[[Account], Iterable[str]]
) -> tuple[FilterValue, ...]:
    """Each value with its pages, most frequent first."""
    found: dict[str, dict[str, int]] = {}
    for page, accounts in blocks.items():
        for account in accounts:
            for value in values_of(account):
                pages = found.setdefault(value, {})
                pages[page] = pages.get(page, 0) + 1
    made = (FilterValue(value, sum(pages.values()), tuple(pages.items())) for value, pages in found.items())
    return tuple(sorted(made, key=lambda tally: (-tally.count, tally.value)))[:_LISTED]
