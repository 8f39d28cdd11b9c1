"""docs/reliability.md shows what its runs found."""

import json
import os

from campaign.report import FORMAT, Line, table
from tests.support.repository import ROOT

PAGE, RUNS = (ROOT / "docs" / f"reliability.{kind}" for kind in ("md", "json"))


def test_the_tables_are_those_of_the_runs() -> None:
    document = json.loads(RUNS.read_text())
    assert document["format"] == FORMAT
    page = PAGE.read_text()
    for mark, first in (("backends", "storage"), ("faults", "fault")):
        start = page.index(f"<!-- {mark} -->\n") + len(f"<!-- {mark} -->\n")
        shown = table((Line(**line) for line in document[mark]), first)
        page = page[:start] + shown + "\n" + page[page.index("\n\n", start) + 1 :]
    if os.environ.get("HYOPS_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "write it with: HYOPS_WRITE_DOCS=1 script/test tests/docs/test_reliability.py"
