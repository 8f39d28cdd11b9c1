"""`netbox check` about 1,432 contracts and 3,000 addresses: what is wrong is found, and nothing else."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.stories.netbox.conftest import Caller
from tests.support.netbox_scene import CASES, Scene

MAX_REQUESTS = 30


def found_in(findings: list[dict[str, Any]], root: Path) -> list[tuple[str, str, str]]:
    """Each as the scene names it: file, rule, and the line that it stands at."""
    return sorted(
        (item["path"], item["rule"], (root / item["path"]).read_text().splitlines()[item["line"] - 1])
        for item in findings
    )


@pytest.mark.parametrize("who", ["reader", "reader-v1"])
def test_all_that_is_wrong_is_found_and_nothing_else(call: Caller, scene: Scene, who: str) -> None:
    ran = call("check", "--format", "json", who=who)

    assert (ran.code, ran.err) == (1, "")
    found = found_in(ran.findings(), call.folder)
    expected = sorted(scene.expected)
    assert [item[:2] for item in found] == [item[:2] for item in expected]
    assert [item for item, known in zip(found, expected, strict=True) if known[2] not in item[2]] == []
    assert len(CASES) > 20
    assert sum(case.rule is not None for case in CASES) == 20


def test_few_requests_are_made_and_none_that_writes(call: Caller) -> None:
    asked = call.netbox.front.requests
    asked.clear()

    call("check")

    assert {request.method for request in asked} == {"GET"}
    assert len(asked) <= MAX_REQUESTS
    assert [target for target, times in Counter(request.target for request in asked).items() if times > 1] == []


def test_paths_select_what_is_asked_about(call_small: Caller) -> None:
    ran = call_small("check", "endpoints/prod/reserved.yaml", "--format", "json")

    assert (ran.code, [item["rule"] for item in ran.findings()]) == (1, ["netbox-status"])


def test_all_right_is_exit_0(call_small: Caller) -> None:
    ran = call_small("check", "endpoints/prod/final-dot.yaml", "endpoints/dev/app00001.yaml")

    assert (ran.code, ran.out) == (0, "")
