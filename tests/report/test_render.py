"""The files of a report: what they show, that they stand alone, and that nothing in a log becomes markup."""

import base64
import csv
import hashlib
import io
import re
import shlex
from dataclasses import replace
from urllib.parse import unquote

import pytest

from hyops_gitops.adapters.files import report_templates
from hyops_gitops.audit.report import ALWAYS
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.declaration import NOTHING_DECLARED
from hyops_gitops.log.chain import Problem
from hyops_gitops.report.facts import facts_of
from hyops_gitops.report.render import (
    endpoint_page,
    failed_report_files,
    is_own_report,
    report_files,
    verifying_commands,
)
from tests.golden import values
from tests.report.hostile import HOSTILE, hostile_facts
from tests.support.html_page import Element, parsed
from tests.support.reported import ORDERS, POSTGRES, SEARCH, pages_of, story, subject_of, with_entries


@pytest.fixture(scope="module")
def year() -> dict[str, str]:
    return pages_of(story().log())


@pytest.fixture(scope="module")
def golden() -> dict[str, str]:
    """A log with every type of entry and every field."""
    _, entries = values.log()
    return pages_of(with_entries(entries, values.ZONE))


def html(pages: dict[str, str]) -> dict[str, Element]:
    return {name: parsed(text) for name, text in pages.items() if name.endswith(".html")}


# --- every page


@pytest.mark.parametrize("which", ["year", "golden"])
def test_every_page_is_well_formed_and_stands_alone(which: str, request: pytest.FixtureRequest) -> None:
    pages = html(request.getfixturevalue(which))
    for name, page in pages.items():
        for element in page.all():
            assert not [key for key in element.attributes if key.startswith("on") or key in ("src", "style")], name
            assert element.tag not in ("link", "img", "iframe", "object", "base"), name
        for link in page.all("a"):
            assert not re.match(r"[a-z]+:|//", link.attributes["href"]), (name, link.attributes["href"])


@pytest.mark.parametrize("which", ["year", "golden"])
def test_every_link_leads_somewhere(which: str, request: pytest.FixtureRequest) -> None:
    files = request.getfixturevalue(which)
    pages = html(files)
    ids = {name: ids_of(page) for name, page in pages.items()}
    for name, page in pages.items():
        assert len(ids[name]) == len(set(ids[name])), name
        for link in page.all("a"):
            file, _, fragment = link.attributes["href"].partition("#")
            assert (file or name) in files, (name, link.attributes["href"])
            if fragment and "=" not in fragment:
                assert fragment in ids[file or name], (name, link.attributes["href"])


def ids_of(page: Element) -> list[str]:
    return [element.attributes["id"] for element in page.all() if "id" in element.attributes]


def test_the_policy_allows_the_style_and_the_script_by_their_digests_and_nothing_else(year: dict[str, str]) -> None:
    for page in html(year).values():
        policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
        rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
        assert rules == {
            "default-src": "'none'",
            "style-src": source("".join(map(str, page.one("style").children))),
            "script-src": rules["script-src"],
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        for script in page.all("script"):
            assert rules["script-src"] == source("".join(map(str, script.children)))


def source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_every_page_names_the_head(year: dict[str, str]) -> None:
    head = story().log().head
    for name, page in html(year).items():
        assert f"{head.seq}:{head.sha256}" in page.one("footer").text, name


def test_the_digests_are_of_every_file(year: dict[str, str]) -> None:
    listed = dict(line.split("  ")[::-1] for line in year["SHA256SUMS"].splitlines())
    assert listed == {name: sha256_hex(text.encode()) for name, text in year.items() if name != "SHA256SUMS"}


def test_the_same_log_gives_the_same_bytes(year: dict[str, str]) -> None:
    assert list(pages_of(story().log()).items()) == list(year.items())


# --- the verdict


def test_the_summary_says_what_was_verified_and_what_was_not_looked_at(year: dict[str, str]) -> None:
    page = parsed(year["index.html"])
    assert "The log verifies. 68 entries" in page.one(class_="verdict").text
    assert "Not checked here:" in page.text
    assert "hyops-gitops audit" in page.text


def test_a_log_that_does_not_verify_shows_why_and_nothing_of_itself() -> None:
    subject = subject_of(story().log(), Problem("chain", "log/x/0000/000002.json", f"prev.entry {HOSTILE}"))
    files = dict(failed_report_files(subject, report_templates(), ALWAYS))
    assert set(files) == {"index.html", "SHA256SUMS"}
    page = parsed(files["index.html"].decode())
    assert "The log does not verify. 1 problem." in page.one(class_="verdict").text
    assert "chain: prev.entry" in page.text
    assert page.all("script") == []
    assert ORDERS not in page.text


def test_entries_in_doubt_are_shown_and_marked() -> None:
    log = story().log()
    doubted = replace(log, ledger=replace(log.ledger, doubtful=(54,)))
    subject = subject_of(log, Problem("compromised", "log/x/0000/000054.json", "signed by a stolen key"))
    files = dict(report_files(facts_of(subject, doubted, (), ALWAYS), report_templates()))
    page = parsed(files["index.html"].decode())
    assert "The log does not verify." in page.one(class_="verdict").text
    marked = [
        item.text for item in parsed(files["timeline-0001.html"].decode()).one("ol").all("li") if "stolen" in item.text
    ]
    assert [text.split()[:2] for text in marked] == [["Entry", "54"]]


# --- the timeline, changes, endpoints, exceptions


def test_the_timeline_can_be_filtered_by_what_each_item_carries(year: dict[str, str]) -> None:
    item = parsed(year["timeline-0001.html"]).one("ol").all("li")[0]
    carried = {name.removeprefix("data-"): value.split("\n") for name, value in item.attributes.items()}
    assert carried == {
        "name": [SEARCH],
        "environment": ["prod"],
        "kind": ["maintenance"],
        "person": ["ada", "grace", "applier@hyops"],
        "outcome": ["converged"],
    }


def test_a_change_side_by_side(year: dict[str, str]) -> None:
    change = parsed(year["entries-0000.html"]).one("article", id="e55")
    intended, approved, applied, observed = (part.text for part in change.one(class_="four").all("section"))
    assert f"replace {ORDERS} A 10.12.0.32 TTL 30 → to 10.72.16.32 TTL 30" in intended
    assert "readiness:search.prod.hyops.internal: search warms up for an hour" in intended
    assert "Asked ada Approved grace" in approved
    assert "Reason no power at onprem Reference INC-4711" in approved
    assert "Outcome applied Accepted 2026-06-17 10:02:00" in applied
    assert "Not every required server was seen to answer" in observed
    assert "10.72.16.32 primary, secondary cloud, resolver clients" in observed
    picture = change.one("svg")
    assert picture.attributes["aria-labelledby"] == picture.one("title").attributes["id"]
    assert "secondary onprem not seen" in picture.one("title").text
    assert "tcp 10.72.16.33:5432 accepts connections" in change.text


def test_a_change_has_its_signature_and_its_place_in_the_chain(year: dict[str, str]) -> None:
    entry = story().log().entries[54]
    custody = parsed(year["entries-0000.html"]).one("article", id="e55").one("details").text
    for part in (entry.sha256, entry.envelope.prev_entry, entry.envelope.prev_sig, "applier@hyops", "SHA256:"):
        assert part in custody


def test_an_endpoint_with_how_long_each_target_served(year: dict[str, str]) -> None:
    rows = parsed(year[endpoint_page(POSTGRES)]).one("tbody").all("tr")
    assert [row.text for row in rows] == [
        "A 10.12.0.31 30 2026-01-14 11:31:00 2026-06-15 13:56:00 152 d 2 h entry 2, applied",
        "A 10.72.16.24 30 2026-06-15 13:56:00 2026-06-22 06:44:00 6 d 16 h entry 52, applied",
        "A 10.12.0.31 30 2026-06-22 06:44:00 2026-06-25 18:04:00 3 d 11 h entry 61, break-glass",
        "A 10.72.16.24 30 2026-06-25 18:04:00 the head 17 d 15 h entry 62, break-glass",
    ]


def test_exceptions_say_who_looked_or_that_no_one_did(year: dict[str, str]) -> None:
    items = [item.text for item in parsed(year["exceptions.html"]).one("ol").all("li")]
    assert any(
        "unreviewed break-glass segment 0b5e0b5e0b5e" in text and "no record of a look" in text for text in items
    )
    assert any("breakglass segment 5e9a3e475e9a" in text and "reviewed by grace@hyops" in text for text in items)


def test_the_times_of_each_server_with_median_and_worst(year: dict[str, str]) -> None:
    pictures = parsed(year["index.html"]).all("figure", class_="times")
    assert [picture.one("figcaption").text.split(" median")[0] for picture in pictures] == [
        "primary",
        "secondary cloud",
        "secondary onprem",
        "resolver clients",
    ]
    assert "28 changes, 1 not seen" in pictures[2].text
    assert all(picture.one("svg").attributes["aria-label"] for picture in pictures)


def test_the_table_for_samplers_has_a_row_for_each_changed_record_set(year: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(year["changes.csv"])))
    assert len(rows) == 34
    assert {row["outcome"] for row in rows} == {"applied", "break-glass"}


# --- nothing from a log is markup


def test_hostile_text_in_every_field_stays_text() -> None:
    files = {name: content.decode() for name, content in report_files(hostile_facts(), report_templates())}
    for name, page in html(files).items():
        assert len(page.all("script")) <= 1, name
        assert page.all("img") == [], name
        for element in page.all():
            assert not [key for key in element.attributes if key.startswith("on")], name
    shown = parsed(files["timeline-0001.html"]).one("ol").text
    assert "<script>alert(1)</script>" in shown
    assert "{{ 7*7 }}" in shown
    assert not {"\u202e", "\x1b", "\x07"} & set("".join(files.values()))


def test_hostile_names_lead_to_files_of_the_report() -> None:
    for name in ("../../etc/passwd", "a/b", "*.prod", "-rf", "x" * 250, HOSTILE, "con.prod\0"):
        assert re.fullmatch(r"endpoint-(x-[0-9a-f]{32})\.html", endpoint_page(name)), name
    assert unquote(endpoint_page(POSTGRES)) == f"endpoint-{POSTGRES}.html"


def test_hostile_text_in_the_table_is_no_formula() -> None:
    rows = list(
        csv.reader(io.StringIO(dict(report_files(hostile_facts(), report_templates()))["changes.csv"].decode()))
    )
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]


def test_commands_quote_what_an_entry_says() -> None:
    entry = story().log().entries[54]
    evil = replace(entry, envelope=replace(entry.envelope, principal="$(touch x); 'a b'"))
    (line,) = (line for line in verifying_commands(subject_of(story().log()), evil) if "ssh-keygen" in line)
    assert shlex.split(line)[6:8] == ["-I", "$(touch x); 'a b'"]


# --- the folder


def test_a_report_is_known_by_its_mark_and_its_files(year: dict[str, str]) -> None:
    index, sums = year["index.html"].encode(), year["SHA256SUMS"].encode()
    assert is_own_report(year, index, sums)
    assert not is_own_report([*year, "notes.txt"], index, sums)
    assert not is_own_report(year, b"<html>", sums)
    assert not is_own_report(["index.html", "SHA256SUMS"], index, sums)


def test_long_lists_are_cut_and_say_so() -> None:
    told = story()
    many = {f"host{number}.dev.hyops.internal": f"10.30.{number // 250}.{number % 250 + 1}" for number in range(150)}
    told.move("Many at once", many, values.DECLARED)
    page = parsed(pages_of(told.log())["entries-0000.html"]).all("article")[-1]
    assert "and 50 more; changes.csv has them all" in page.text


def test_entries_of_a_long_log_lie_on_pages_of_their_own() -> None:
    told = story()
    for number in range(260):
        told.move("Again", {ORDERS: f"10.40.{number // 250}.{number % 250 + 1}"}, NOTHING_DECLARED, minutes=10)
    pages = pages_of(told.log())
    assert [name for name in sorted(pages) if name.startswith("timeline-")] == [
        "timeline-0001.html",
        "timeline-0002.html",
    ]
    assert len([name for name in pages if name.startswith("entries-")]) == 6
    pager = parsed(pages["timeline-0002.html"]).one("nav", class_="pager")
    assert [link.attributes["href"] for link in pager.all("a")] == ["timeline-0002.html", "timeline-0001.html"]
