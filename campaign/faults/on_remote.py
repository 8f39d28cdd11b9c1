"""Faults of the remote that has the log."""

import shutil

from campaign.place import OPERATOR, git
from campaign.trial import Trial
from tests.support.world import Ran

_SEGMENT_MARKS = ("intent-signing", "patching", "patched", "proving", "result-signing")


def remote_gone(trial: Trial) -> Ran:
    _remote_goes(trial)
    return trial.apply()


def remote_gone_later(trial: Trial) -> Ran:
    """It goes with the first push, the intent's, which it has accepted."""
    remote = trial.scene.remote
    away = remote.with_suffix(".gone")
    _hook(trial, "post-receive", f"mv '{remote}' '{away}'")
    trial.on_lift(lambda: away.rename(remote) if away.exists() else None)
    return trial.apply()


def remote_refuses(trial: Trial) -> Ran:
    """Every push, or the first, or all but the first."""
    count = trial.scene.remote / "count"
    count.unlink(missing_ok=True)
    when = trial.rng.choice(["true", '[ "$n" = 1 ]', '[ "$n" -gt 1 ]'])
    counted = f"n=$(($(cat '{count}' 2>/dev/null || echo 0) + 1)); echo $n >'{count}'"
    _hook(trial, "pre-receive", f"{counted}; if {when}; then echo no >&2; exit 1; fi")
    return trial.apply()


def glass_broken(trial: Trial) -> Ran:
    """It is gone for longer: an operator makes the change without it, and it is reconciled afterwards."""
    root = trial.world.root
    key = {"HYOPS_SIGNING_KEY_FILE": str(trial.world.key.with_name(OPERATOR))}
    words = ("breakglass", "apply", "--reason", "campaign", "--yes")
    fault = trial.rng.choice([{}, {"RECOVERY_AT": trial.rng.choice(_SEGMENT_MARKS)}])
    _remote_goes(trial)
    ran = trial.run(*words, world=None, **key, **fault)
    if ran.exit not in (0, 3, 4):
        ran = trial.run(*words, world=None, **key)  # settles what is open
    trial.lift()
    for folder in sorted((root / "segments").glob("[0-9a-f]*")):
        refused = trial.apply()
        trial.expect(refused.exit == 3, f"apply ended with {refused.exit} while a segment is not in the log")
        brought = trial.run("reconcile", str(folder))
        trial.expect(brought.exit == 0, f"reconcile ended with {brought.exit}")
    shutil.rmtree(root / "segments", ignore_errors=True)
    return ran


def remote_slow(trial: Trial) -> Ran:
    _hook(trial, trial.rng.choice(["pre-receive", "post-receive"]), f"sleep {trial.rng.choice([0.5, 1.5])}")
    return trial.apply()


def remote_rewound(trial: Trial) -> Ran:
    """Its newest entries are gone; a mirror, here the campaign, still has them."""
    remote, branch = trial.scene.remote, "refs/heads/evidence"
    head = git(remote, "rev-parse", branch)
    commits = git(remote, "rev-list", "--first-parent", branch).split()
    back = min(trial.rng.choice([1, 2, 3]), len(commits) - 1)
    git(remote, "update-ref", branch, commits[back])
    trial.on_lift(lambda: git(remote, "update-ref", branch, head))
    return trial.apply()


def remote_rewound_later(trial: Trial) -> Ran:
    """It takes the first push, the intent's, and loses it; a mirror still has it."""
    remote, branch, kept = trial.scene.remote, "refs/heads/evidence", trial.scene.remote / "kept"
    kept.unlink(missing_ok=True)
    old = git(remote, "rev-parse", branch)
    rewinds = f"git rev-parse {branch} >'{kept}'; git update-ref {branch} {old}"
    _hook(trial, "post-receive", f"[ -e '{kept}' ] || {{ {rewinds}; }}")

    def restore() -> None:
        if kept.exists() and git(remote, "rev-parse", branch) == old:
            git(remote, "update-ref", branch, kept.read_text().strip())

    trial.on_lift(restore)
    return trial.apply()


def _remote_goes(trial: Trial) -> None:
    remote = trial.scene.remote
    away = remote.with_suffix(".gone")
    remote.rename(away)
    trial.on_lift(lambda: away.rename(remote))


def _hook(trial: Trial, name: str, body: str) -> None:
    path = trial.scene.remote / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    trial.on_lift(path.unlink)
