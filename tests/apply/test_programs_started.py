"""The programs that an apply starts: a budget, since each costs as much as a thousand lines of work."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from hyops_gitops.adapters.ssh.signing import KEY_VARIABLE, signer_from_environment
from tests.support.site import Site

pytestmark = pytest.mark.authority

MOST = 18
ONCE_AN_ENTRY = ("push", "unpack-objects")


def test_an_apply_keeps_its_budget_of_programs(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = subprocess.Popen.__init__

    def counted(self: Any, command: Sequence[str], *args: Any, **options: Any) -> None:
        words = [word for word in command if "." not in word and "=" not in word and "/" not in word]
        started.append(" ".join(word for word in words if word not in ("-C", "-c"))[:40])
        start(self, command, *args, **options)

    site.change()
    signer = signer_from_environment(site.world.environ)  # the tests' own starts no program
    monkeypatch.setattr(subprocess.Popen, "__init__", counted)
    site.apply(swap=lambda ports: ports.replaced(open_signer=lambda: signer))
    verbs = Counter(words.split()[1] for words in started if words.startswith("git "))

    assert len(started) <= MOST, "\n".join(started)
    assert {verb: verbs[verb] for verb in ONCE_AN_ENTRY} == dict.fromkeys(ONCE_AN_ENTRY, 2)  # intent and result
    assert verbs["fetch"] == 0
    assert verbs["ls-remote"] == 2  # before the intent, and before the result
    assert KEY_VARIABLE in site.world.environ
    assert sum(words.startswith("ssh-keygen") for words in started) == 1
