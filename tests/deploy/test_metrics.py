"""The alert rules, and the script that writes for the node exporter."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from hyops_gitops.observe.drift import DriftKind
from hyops_gitops.observe.metrics import METRICS
from tests.support.commands import programs
from tests.support.repository import ROOT
from tests.support.world import World

RULES = ROOT / "deploy" / "metrics" / "alerts.yml"
TESTS = ROOT / "tests" / "deploy" / "alerts.test.yml"
COLLECT = ROOT / "deploy" / "metrics" / "collect"


def rules() -> list[dict[str, Any]]:
    loaded = YAML(typ="safe", pure=True).load(RULES.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that is named, and the labels it is asked for."""
    for name, labels in re.findall(r"\b(hyops[_:][a-z_]+)(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r"(\w+)(?==|!=|!~|=~)", labels))


def test_rules_name_metrics_and_labels_that_are_printed() -> None:
    labels = {metric.name: {"zone", *metric.labels} for metric in METRICS}
    for rule in rules():
        asked = list(selectors(rule["expr"]))
        assert asked
        for name, wanted in asked:
            assert wanted <= labels[name], rule
        if "record" in rule:
            labels[rule["record"]] = labels[asked[0][0]]
        shown = set(re.findall(r"\$labels\.(\w+)", str(rule.get("annotations"))))
        assert shown <= labels[asked[0][0]], rule


def test_every_metric_that_can_be_wrong_has_an_alert() -> None:
    used = {name for rule in rules() for name, _ in selectors(rule["expr"])}
    for_dashboards = {"hyops_names", "hyops_log_entries", "hyops_drift_notes", "hyops_server_serial"}

    assert {metric.name for metric in METRICS} - used == for_dashboards


def test_kinds_in_rules_are_the_programs() -> None:
    kinds = {kind for match in re.findall(r'kind!?[=~]+"([^"]+)"', RULES.read_text()) for kind in match.split("|")}

    assert kinds <= {*DriftKind, "review", "segment", "gap", "compromised"}


def test_the_tests_of_the_rules_ask_for_every_alert_and_name_real_series() -> None:
    tests = TESTS.read_text(encoding="utf-8")
    labels = {metric.name: {"zone", *metric.labels} for metric in METRICS}
    series = re.findall(r"series: '(\w+)\{([^}]*)\}'", tests)

    assert all(set(re.findall(r"(\w+)=", given)) == labels[name] for name, given in series)
    for alert in (rule["alert"] for rule in rules() if "alert" in rule):
        assert tests.count(f"alertname: {alert}\n") + tests.count(f"alertname: {alert}}}") == 2, alert


def test_promtool_takes_the_rules_and_their_tests(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        if "CI" in os.environ:
            pytest.fail("promtool is not installed, and CI must run this")
        pytest.skip("promtool is not installed: apt-get install prometheus")
    for file in (RULES, TESTS):
        shutil.copy(file, tmp_path)
    subprocess.run([promtool, "check", "rules", RULES.name], cwd=tmp_path, check=True, capture_output=True)
    done = subprocess.run([promtool, "test", "rules", TESTS.name], cwd=tmp_path, check=False, capture_output=True)

    assert done.returncode == 0, done.stdout + done.stderr


# --- collect


def collect(world: World, folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COLLECT, world.root, folder, "--dns"],
        env={**world.environ, "PATH": f"{programs()}:{os.environ['PATH']}", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_collect_writes_whole_files_that_others_can_read(offline: World, tmp_path: Path) -> None:
    (folder := tmp_path / "textfile").mkdir()
    ran = collect(offline, folder)

    assert ran.returncode == 0, ran.stderr
    assert sorted(file.name for file in folder.iterdir()) == ["hyops-drift.prom", "hyops-status.prom"]
    for file in folder.iterdir():
        assert file.read_text().endswith("\n# EOF\n")
        assert file.stat().st_mode & 0o777 == 0o644
        if promtool := shutil.which("promtool"):
            with file.open() as text:
                checked = subprocess.run(
                    [promtool, "check", "metrics"], stdin=text, text=True, check=False, capture_output=True
                )
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_collect_keeps_what_was_there_where_nothing_whole_is_printed(offline: World, tmp_path: Path) -> None:
    (folder := tmp_path / "textfile").mkdir()
    (folder / "hyops-status.prom").write_text("as before\n")
    (broken := tmp_path / "bin").mkdir()
    (broken / "hyops-gitops").write_text("#!/bin/sh\necho '# HELP hyops_names half of'\nexit 1\n")
    (broken / "hyops-gitops").chmod(0o755)
    ran = collect(offline, folder, PATH=f"{broken}:{os.environ['PATH']}")

    assert ran.returncode == 1
    assert "collect: status printed no metrics" in ran.stderr
    assert {file.name: file.read_text() for file in folder.iterdir()} == {"hyops-status.prom": "as before\n"}


def test_collect_looks_at_what_is_here_where_the_forge_is_gone(offline: World, tmp_path: Path) -> None:
    (folder := tmp_path / "textfile").mkdir()
    offline.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    ran = collect(offline, folder)

    assert ran.returncode == 0
    assert "collect: cannot fetch the log" in ran.stderr
    assert len(list(folder.iterdir())) == 2


def test_collect_without_a_folder_says_how(offline: World, tmp_path: Path) -> None:
    ran = collect(offline, tmp_path / "missing")

    assert (ran.returncode, ran.stderr.startswith("usage: collect ")) == (2, True)
