"""What gh prints of a repository's rules."""

from pathlib import Path

import pytest

from hyops_gitops.adapters.forge.access import GithubRulesets
from hyops_gitops.core.errors import OutsideFailure


@pytest.mark.parametrize("printed", ["", "{}x", "3", '["text"]', '[{"type": 3}, {}]', "[" * 100_000])
def test_what_is_no_list_of_rules_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str) -> None:
    (tmp_path / "printed").write_text(printed)
    (tmp_path / "gh").write_text(f'#!/bin/sh\ncat "{tmp_path}/printed"\n')
    (tmp_path / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(OutsideFailure) as caught:
        GithubRulesets("a/b").rules_of("main")

    assert caught.value.code == "gh-failed"
