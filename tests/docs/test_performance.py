"""docs/performance.md shows what its runs measured, and names cases that can be run again."""

import json
import os
import re

from bench.compare.cases import BY_NAME
from bench.compare.contest import CONVERGENCE
from bench.compare.report import answers_table, merged, picture, table
from tests.support.repository import ROOT, text

PAGE, RUNS, PICTURE = (ROOT / "docs" / f"performance.{kind}" for kind in ("md", "json", "svg"))


def test_tables_and_picture_are_those_of_the_runs() -> None:
    runs = merged([json.loads(RUNS.read_text())])
    page = _with(_with(PAGE.read_text(), "costs", table(runs)), "answers", answers_table(runs))
    if os.environ.get("HYOPS_WRITE_DOCS"):
        PAGE.write_text(page)
        PICTURE.write_text(picture(runs))
    assert PAGE.read_text() == page, "write it with: HYOPS_WRITE_DOCS=1 script/test tests/docs/test_performance.py"
    assert PICTURE.read_text() == picture(runs)


def _with(page: str, mark: str, wanted: str) -> str:
    """The page with the table after a mark replaced."""
    start = page.index(f"<!-- {mark} -->\n") + len(f"<!-- {mark} -->\n")
    return page[:start] + wanted + page[page.index("\n\n", start) + 1 :]


def test_the_cases_that_the_page_runs_exist() -> None:
    lines = re.findall(r"--only ([a-z0-9 -]+)", text("docs/performance.md"))
    named = {word for line in lines for word in line.partition(" --")[0].split()}
    assert named
    assert named <= {*BY_NAME, CONVERGENCE}
