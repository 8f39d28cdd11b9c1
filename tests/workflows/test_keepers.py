"""The jobs that keep one comment and one issue: they treat what they are given as text."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workflows.reading import PATH, Runner

HOSTILE = "### Plan\n\n```diff\n$(touch owned) `touch owned` \"; touch owned; '\\n ${PATH}\n```"
Keep = Callable[..., dict[str, Any]]


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Runs one of the jobs with these expressions; what the forge then holds."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shutil.copyfile(Path(__file__).parent / "gh.py", programs / "gh")
    (programs / "gh").chmod(0o755)
    state = tmp_path / "state.json"

    def kept(name: str, job: str, **given: str) -> dict[str, Any]:
        environ = {"PATH": f"{programs}:{PATH}", "GH_STATE": str(state), "GITHUB_REPOSITORY": "acme/dns"}
        runner = Runner(tmp_path, tmp_path / "temp", {"github.token": "t", **given}, environ)
        assert runner.run(name, job).failed is None, runner.said
        assert "owned" not in os.listdir(tmp_path)  # noqa: PTH208 - names are all that is asked
        found: dict[str, Any] = json.loads(state.read_text())
        return found

    return kept


def test_one_comment_is_written_and_then_kept_up_to_date(keep: Keep) -> None:
    def plan(text: str) -> dict[str, Any]:
        return keep(
            "validate", "comment", **{"github.event.pull_request.number": "7", "needs.contracts.outputs.plan": text}
        )

    plan("first")
    found = plan(HOSTILE)

    assert [one["body"] for one in found["things"]] == [f"<!-- hyops-gitops plan -->\n{HOSTILE}"]
    assert [call[0] for call in found["calls"]] == ["GET", "POST", "GET", "PATCH"]
    assert found["calls"][1][1] == "repos/acme/dns/issues/7/comments"


def test_one_issue_is_opened_updated_and_closed(keep: Keep) -> None:
    def drift(found: str, report: str) -> dict[str, Any]:
        where = {"github.server_url": "https://forge.example", "github.repository": "acme/dns", "github.run_id": "5"}
        return keep(
            "drift", "issue", **where, **{"needs.look.outputs.found": found, "needs.look.outputs.report": report}
        )

    assert drift("false", "")["things"] == []
    drift("true", "first")
    again = drift("true", HOSTILE)
    gone = drift("false", "")

    assert len(again["things"]) == 1
    assert HOSTILE in again["things"][0]["body"]
    assert again["things"][0]["body"].endswith("Last run: https://forge.example/acme/dns/actions/runs/5")
    assert (gone["things"][0]["state"], gone["things"][0]["state_reason"]) == ("closed", "completed")
    assert gone["calls"][-2][:2] == ["POST", "https://forge.example/things/0/comments"]
