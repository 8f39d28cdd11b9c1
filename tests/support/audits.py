"""Every audit there is, of one world."""

import subprocess

from tests.support.repository import ROOT
from tests.support.world import World


def audited(world: World, *zone: str) -> None:
    """The log verifies, the audit has nothing to say against it, and neither has script/audit.sh.

    `zone` is `--zone` and its name, where the repository has several.
    """
    assert world.cli("evidence", "verify", *zone).exit == 0
    audit = world.cli("audit", "--offline", "--format", "json", *zone).document()
    assert (audit["problems"], audit["inconclusive"]) == ([], []), audit
    script = ROOT / "script" / "audit.sh"
    command = ["bash", script, world.root, world.root / "authority/allowed_signers", "--branch", world.branch]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
