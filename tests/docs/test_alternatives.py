"""The figures on docs/alternatives.md are those of docs/performance.md."""

import os

from tests.support.repository import ROOT, first_cells, text

PAGE = ROOT / "docs" / "alternatives.md"
SIZES = ("100", "1,000", "10,000")
CASES = ("first apply, to an empty zone", "validate everything", "plan one change, offline", "apply one change")
MARK = "<!-- beside -->\n"


def test_the_costs_beside_octodns_are_the_measured_ones() -> None:
    measured = {row[:2]: row[2:4] for row in first_cells(text("docs/performance.md"), "endpoints | case")}
    rows = [(size, case, *measured[size, case]) for case in CASES for size in SIZES]
    table = ["| endpoints | case | this | octoDNS |", "|---|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    page = PAGE.read_text()
    start = page.index(MARK) + len(MARK)
    wanted = page[:start] + "\n".join(table) + page[page.index("\n\n", start) :]
    if os.environ.get("HYOPS_WRITE_DOCS"):
        PAGE.write_text(wanted)

    assert PAGE.read_text() == wanted, "write it with: HYOPS_WRITE_DOCS=1 script/test tests/docs/test_alternatives.py"
