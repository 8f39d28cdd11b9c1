"""Many appliers on one log and one zone: they take turns, and nothing is lost or done twice."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from hyops_gitops.log.entries import Intent, Unchanged
from tests.support import racer
from tests.support.commands import Forked
from tests.support.repository import ROOT
from tests.support.site import LONG, Applier, Site, results

TEAMS = 10
CHANGES = 10 if LONG else 1  # of each team

pytestmark = [pytest.mark.authority, pytest.mark.every_backend]


def test_ten_appliers_take_turns(site: Site, tmp_path: Path) -> None:
    world, before = site.world, len(site.verified().entries)
    # A clone of a folder that others push to meanwhile may fail: git links objects that are only on their way.
    clones = {str(team): str(world.clone(tmp_path / f"clone{team}").root) for team in range(1, TEAMS + 1)}
    processes = []
    try:
        for name, clone in clones.items():
            processes.append(Forked(racer.main, [clone, world.zone, name, str(CHANGES)], ROOT, world.environ))
        ends = [process.wait(120 * CHANGES) for process in processes]
        said = "".join(process.err.decode() for process in processes)
    finally:
        for process in processes:
            process.end()
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
    created = Counter(change.name for one in log.applied_after(0) for change in one.intent.changes)
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
            second.wait_for_words(b"waiting for intent")
            first.process.send_signal(signal.SIGCONT)
            assert first.finish().exit == 0
            assert second.finish().exit == 0
    newest = site.check().last_applied
    assert newest is not None
    assert [one.commit for one in newest.intent.merged] == commits
    assert len(newest.intent.changes) == 3
