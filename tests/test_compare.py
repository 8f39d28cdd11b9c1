"""bench/compare stays alive: its short form measures, proves and writes what it promises."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench.compare.cases import CASES, CONTROL, FLOOR, OCTO, OURS, Case
from bench.compare.contest import CONVERGENCE
from bench.compare.measure import Sample
from bench.compare.report import Measured, picture, table
from bench.compare.tree import Tree
from tests.support.databases import require
from tests.support.repository import ROOT


@pytest.mark.authority
def test_the_short_form_measures_what_was_done(tmp_path: Path) -> None:
    require("gsqlite3")
    cases = ["validate-file", "apply-one", CONVERGENCE]
    words = [sys.executable, "-m", "bench.compare", "--short", "--only", *cases, "--without", OCTO, CONTROL]
    written = [f"--json={tmp_path / 'runs.json'}", f"--svg={tmp_path / 'picture.svg'}"]
    done = subprocess.run([*words, *written], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "runs.json").read_text())
    assert document["format"] == "hyops-bench-compare/1"
    (size,) = document["sizes"]
    assert {case: sorted(tools) for case, tools in size["cases"].items()} == {
        "validate-file": [OURS],
        "apply-one": sorted([OURS, FLOOR]),
        CONVERGENCE: sorted([OURS, FLOOR]),
    }
    assert size["cases"][CONVERGENCE][OURS][0]["last_s"] > 0
    assert "| 100 | apply one change |" in done.stdout
    ET.parse(tmp_path / "picture.svg")  # noqa: S314 - our own file


def test_a_ratio_is_to_the_peers_case_that_a_case_names() -> None:
    samples = {"validate": {OCTO: [_sample(2.0)]}, "validate-file": {OURS: [_sample(0.2), _sample(0.4), _sample(0.3)]}}
    measured = Measured(100, samples, 7)
    assert measured.ratio(_case("validate-file"), OCTO) == pytest.approx(0.15)
    assert "| 100 | validate one file (the hook) | 0.30 |  |  |  | 0.15 |" in table([measured])


def test_a_picture_has_a_line_for_each_tool_of_a_case() -> None:
    cases = {"validate": {OURS: [_sample(0.5)], OCTO: [_sample(2.0)]}}
    drawn = picture([Measured(100, cases, 7), Measured(1000, cases, 7)])
    assert drawn.count("<polyline") == 2


def test_what_a_document_says_is_what_was_measured() -> None:
    measured = Measured(100, {"plan": {OURS: [_sample(0.5)]}}, 7)
    assert Measured.from_json(json.loads(json.dumps(measured.to_json()))) == measured


def test_a_tree_has_three_environments_and_a_third_of_it_has_sites() -> None:
    tree = Tree(90)
    assert {label.split(".")[1] for label in tree.labels()} == {"dev", "staging", "prod"}
    sites = [index for index in range(90) if tree.has_sites(index)]
    assert len(sites) == 30
    assert {tree.label(index).split(".")[1] for index in sites} == {"dev", "staging", "prod"}


def test_moves_change_the_target_of_as_many_as_asked() -> None:
    tree = Tree(1000)
    before = [tree.target(index) for index in range(1000)]
    moved = [*tree.move(1), *tree.move(100)]
    assert len(moved) == 101
    assert moved == [index for index in sorted(moved, key=moved.index) if tree.target(index) != before[index]]
    assert {tree.has_sites(index) for index in moved[1:]} == {True}


def test_every_case_is_compared_with_one_that_the_peers_have() -> None:
    known = {case.name for case in CASES if case.peers}
    assert {case.against for case in CASES if case.against} <= known


def _case(name: str) -> Case:
    return next(case for case in CASES if case.name == name)


def _sample(cpu_s: float) -> Sample:
    return Sample(1.0, cpu_s, 30.0)
