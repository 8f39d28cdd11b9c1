"""Many appliers on one log and one zone: they take turns, and nothing is lost or done twice."""

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from hyops_gitops.log.entries import Intent, Unchanged
from tests.recovery.harness import LONG, ROOT, Applier, Site, results

TEAMS = 10
CHANGES = 10 if LONG else 2  # of each team

pytestmark = [pytest.mark.authority, pytest.mark.every_backend]


def test_ten_appliers_take_turns(site: Site, tmp_path: Path) -> None:
    world, before = site.world, len(site.verified().entries)
    processes = []
    for team in range(1, TEAMS + 1):
        clone = world.clone(tmp_path / f"clone{team}").root
        command = [sys.executable, "-m", "tests.recovery.racer", str(clone), world.zone, str(team), str(CHANGES)]
        with (tmp_path / f"said{team}").open("wb") as log_file:
            environ = {**world.environ, "PYTHONPATH": str(ROOT)}
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environ, stderr=log_file))
    try:
        ends = [process.wait(timeout=120 * CHANGES) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    said = "".join((tmp_path / f"said{team}").read_text() for team in range(1, TEAMS + 1))
    assert ends == [0] * TEAMS, said
    assert "Traceback" not in said

    world.git("pull", "-q", "--rebase", "origin", "main")
    for team in range(1, TEAMS + 1):
        for number in range(CHANGES):
            site.targets[f"t{team}-{number}"] = f"10.{team}.0.{number + 1}"
    log = site.check()

    parents = world.git("rev-list", "--parents", "origin/evidence").splitlines()
    assert len(parents) == len(log.entries)  # one commit an entry, and
    assert [len(line.split()) for line in parents] == [2] * (len(parents) - 1) + [1]  # one line of them
    created = Counter(change.name for one in log.applied() for change in one.intent.changes)
    assert set(created.values()) == {1}
    merged = Counter(
        commit.commit
        for entry in log.entries[before:]
        if (isinstance(entry.body, Intent) and results(log)[entry.seq].outcome == "applied")
        or isinstance(entry.body, Unchanged)
        for commit in entry.body.merged
    )
    assert set(merged.values()) == {1}
    assert len(merged) == TEAMS * CHANGES
    assert not any(patch.settles for patch in site.proxy.patches)
    refused = [patch for patch in site.proxy.updates() if not patch.landed]
    assert not any(patch.status < 500 for patch in refused)


def test_three_merges_during_one_run_become_one_apply(site: Site) -> None:
    site.change()
    with Applier(site.world, at="patching", raising="SIGSTOP") as first:
        first.wait_until_stopped()
        commits = [site.change(service) for service in ("second", "third", "fourth")]
        with Applier(site.world) as second:
            assert second.process.stderr is not None
            while b"waiting for intent" not in (line := second.process.stderr.readline()):
                assert line, "it did not wait"
            first.process.send_signal(signal.SIGCONT)
            assert first.finish().exit == 0
            assert second.finish().exit == 0
    newest = site.check().last_applied
    assert newest is not None
    assert [one.commit for one in newest.intent.merged] == commits
    assert len(newest.intent.changes) == 3
