"""What contracts, commits, people and servers say stays text, wherever it is shown.

No order to a terminal, no Markdown or HTML, no command to the runner of a job, no traceback; bounded where a place is.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyops_gitops.apply.receipt import Receipt
from hyops_gitops.apply.text import MAX_BYTES, error_markdown, proposal_markdown, receipt_markdown, receipt_text
from hyops_gitops.cli.output import echo, echo_json, echo_orders, note
from hyops_gitops.core.canonical import canonical_json
from hyops_gitops.core.errors import HyopsError, OutsideFailure
from hyops_gitops.core.findings import Finding, findings_json, findings_text
from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.server_report import ServerReport
from hyops_gitops.core.text import MAX_TEXT, masked
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.envelope import EntryList, decode
from hyops_gitops.log.pages import folder_readme, log_page, subject
from hyops_gitops.plan.limits import Proposal
from hyops_gitops.plan.plan import GuardRefusal, Note, Plan
from hyops_gitops.validate.formats import findings_annotations, findings_sarif
from hyops_gitops.validate.rules import RULES
from tests.support.plans import LOOSE

GOLDEN = Path(__file__).parent.parent / "golden" / "bytes"
PIECES = (
    *("\x1b[2J\x1b]0;x\x07", "\x9b31m", "\r", "\n", "\t", "\x7f", "\x00", "\u202e", "\u2028", "\ud800", "\ufeff"),
    *("::error::", "::stop-commands::x", "##[add-mask]", "##[error]", "##", "[", "%0A", "%25", ",", "::"),
    *(
        "`",
        "```",
        "|",
        "<script>",
        "</details>",
        "[x](https://e.example)",
        "![x](//e)",
        "@all",
        "# ",
        "\\",
        "&lt;",
        "*",
    ),
    *("x", " ", "long " * 50, "ü", "\U0001f600"),
)
hostile = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_V2 = re.compile(r"\s*::[A-Za-z-]+[ :]")


def check_printed(text: str) -> None:
    """Nothing that is printed is more than text."""
    for line in text.split("\n"):
        assert line.isprintable()
        assert "##[" not in line
        assert not _V2.match(line)


@few
@given(hostile)
def test_what_leaves_as_text(capsys: pytest.CaptureFixture[str], text: str) -> None:
    echo(text)
    note(text)
    echo_json({"text": text, text: [text]})

    out, err = capsys.readouterr()
    check_printed(out)
    check_printed(err)


@few
@given(hostile, hostile, hostile)
def test_findings(capsys: pytest.CaptureFixture[str], path: str, message: str, hint: str) -> None:
    findings = [Finding(path, 1, 1, "yaml-key", message, hint)]

    echo(findings_text(findings))
    echo_json(findings_json(findings, 1))
    echo_json(findings_sarif(findings, RULES.values(), "1"))
    check_printed(capsys.readouterr().out)

    echo_orders(findings_annotations(findings))
    line, empty, last = capsys.readouterr().out.split("\n")
    assert (empty, last) == ("", "")
    assert line.isprintable()
    assert "##[" not in line
    command, parameters, _ = line[2:].replace(" ", "::", 1).split("::", 2)
    assert command == "error"
    assert [pair.partition("=")[0] for pair in parameters.split(",")] == ["file", "line", "col", "title"]


def fenced(page: str) -> tuple[list[str], list[str]]:
    """The lines outside and inside of a page's one fence."""
    lines = page.split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("```"))
    fence = lines[begin].removesuffix("diff")
    end = lines.index(fence, begin + 1)
    inside = lines[begin + 1 : end]
    assert all(len(run) < len(fence) for line in inside for run in re.findall("`+", line))
    return [*lines[:begin], *lines[end + 1 :]], inside


@few
@given(hostile, hostile)
def test_pages_for_a_job_s_summary(capsys: pytest.CaptureFixture[str], one: str, other: str) -> None:
    refusals, notes = (GuardRefusal("foreign", None, one, other),), (Note("a.z.internal", other),)
    nothing = (Zone.of("z.internal", ()), ManagedSet.of("z.internal", ()))
    plan = Plan("z.internal", *nothing, changes=(), refusals=refusals, notes=notes)
    proposal = Proposal(plan, "c" * 40, dirty=False, source="evidence", serial=1, seq=7, limits=LOOSE, warnings=(one,))
    server = ServerReport("secondary", one, other, "stale", None)
    receipt = Receipt("failed", "c" * 40, plan, reason=one, servers=(server,), timings_ms={"patch": 1})
    error = OutsideFailure(one, code="x", hint=other)

    pages = (
        proposal_markdown(proposal),
        receipt_markdown(receipt),
        error_markdown(error, [Finding(one, 1, 1, "x", other)]),
    )
    for page in pages:
        outside, inside = fenced(page)
        assert all(line.isprintable() for line in (*outside, *inside))
        assert not re.search(r"[<>\[\]@!]|https?:", "".join(outside))
        assert len(page.encode("utf-8", "backslashreplace")) < MAX_BYTES + 1000
        echo(page)
    echo(receipt_text(receipt))
    check_printed(capsys.readouterr().out)


_WORDS = frozenset({"title", "reason", "reference", "why", "principal", "detail", "message", "subject", "source"})
_PEOPLE = frozenset({"author", "by", "merged_by"})


def spoilt(value: Any, text: str, key: str = "") -> Any:
    """An entry whose people and words are this text."""
    if isinstance(value, dict):
        person = key in _PEOPLE
        return {name: text if person and name == "name" else spoilt(item, text, name) for name, item in value.items()}
    if isinstance(value, list):
        return [spoilt(item, text, key) for item in value]
    return text if key in _WORDS and isinstance(value, str) else value


def spoilt_log(text: str) -> Iterator[bytes]:
    for file in sorted((GOLDEN / "log").glob("*.json")):
        data = file.read_bytes()
        try:
            blob = canonical_json(spoilt(json.loads(data), text))
            decode(blob)
        except HyopsError:  # such a text is no value there
            blob = data
        yield blob


@few
@given(hostile)
def test_the_log_s_pages_and_subjects(text: str) -> None:
    entries = EntryList(spoilt_log(text))

    rows = log_page("golden.internal", entries).decode("ascii").split("\n")
    rows += folder_readme("golden.internal", entries, len(entries)).decode("ascii").split("\n")
    for row in filter(None, rows):
        bare = re.sub(r"\\.", "", row)
        assert bare.isprintable()
        assert not re.search(r"[<`\[\]]|://", bare)
        assert not bare.startswith("|") or bare.count("|") in (8, 5)
    for entry in entries:
        line = subject(entry, entries)
        assert line.isprintable()
        assert line.isascii()
        assert len(line) < 4000


@few
@given(hostile)
def test_a_masked_text_is_one_short_line(text: str) -> None:
    assert masked(text).isprintable()
    assert len(masked(text)) <= MAX_TEXT
