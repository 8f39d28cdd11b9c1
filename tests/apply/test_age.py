"""The work of an apply: the same at any age of the log."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest

from hyops_gitops.adapters.git.snapshot import GitSnapshot
from hyops_gitops.log import envelope
from tests.support.site import Site

pytestmark = pytest.mark.authority


class Work:
    """What applies read of the log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entries = self.files = self.decoded = 0
        read, entry = GitSnapshot.read, envelope._entry

        def counted_read(snapshot: GitSnapshot, paths: Collection[str]) -> Mapping[str, bytes]:
            self.files += len(paths)
            self.entries += sum(path.endswith(".json") for path in paths)
            return read(snapshot, paths)

        def counted_entry(*given: Any) -> envelope.Entry:
            self.decoded += 1
            return entry(*given)

        monkeypatch.setattr(GitSnapshot, "read", counted_read)
        monkeypatch.setattr(envelope, "_entry", counted_entry)

    def of_a_move(self, site: Site) -> tuple[int, int, int]:
        """Entries and files read, and entries decoded, by one apply that moves `first`."""
        self.entries = self.files = self.decoded = 0
        site.change()
        assert site.apply().outcome == "applied"
        return self.entries, self.files, self.decoded


def test_an_apply_reads_as_much_of_an_old_log_as_of_a_young_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moves of one name, whose records caches have long forgotten by the next apply or not."""
    work = Work(monkeypatch)
    found = [work.of_a_move(site) for _ in range(7)]
    assert found[2:] == [found[2]] * 5
    assert found[2][0] <= 8  # genesis, the newest pair, the head, and what the apply itself wrote
