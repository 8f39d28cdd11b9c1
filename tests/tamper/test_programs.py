"""script/audit.sh where a program cannot run: that is no verdict on the log, and never a false alarm."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.book import SCRIPT, Book, audit_script, write_tree
from tests.support.passwd import NO_USER, UID, without_passwd_entry
from tests.support.programs import only_listed

TOOLS = "git ssh-keygen sha256sum jq awk cmp comm cut diff find grep head realpath sed sort tail tr wc xargs"
LATE = "cat mkdir paste split"  # of its later parts
CRASH = "kill -SEGV $$"
DAMAGED = 'echo "$0: error while loading shared libraries: libz.so" >&2; exit 127'
UNREADABLE = 'echo "fatal: unable to read tree" >&2; exit 128'


def broken(folder: Path, tool: str, how: str, *, after: int = 0) -> dict[str, str]:
    """An environment in which a tool breaks, from its first call on or a later one."""
    folder.mkdir()
    real, calls = shutil.which(tool), folder / "calls"
    count = f'echo >>"{calls}"\n[ "$(/usr/bin/wc -l <"{calls}")" -gt {after} ] || exec {real} "$@"\n'
    (folder / tool).write_text(f"#!/bin/bash\n{count}{how}\n")
    (folder / tool).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_the_programs_that_are_listed_are_enough(clone: Callable[[], Path], signers: Path, tmp_path: Path) -> None:
    fine, said = audit_script(clone(), signers, env={**os.environ, "PATH": only_listed(tmp_path / "bin")})

    assert fine, said


@pytest.mark.parametrize("tool", f"{TOOLS} {LATE}".split())
def test_a_program_that_cannot_run_is_named_and_no_verdict(
    tool: str, clone: Callable[[], Path], signers: Path, tmp_path: Path
) -> None:
    fine, said = audit_script(clone(), signers, env=broken(tmp_path / "bin", tool, CRASH))
    assert not fine
    assert said.endswith("CANNOT CONCLUDE\n"), said
    assert (
        f"cannot run {tool}" in said or f"cannot run {'xargs' if tool in ('awk', 'cat', 'sha256sum') else tool}" in said
    )
    assert "FAILED" not in said


@pytest.mark.parametrize(("tool", "after"), [("git", 9), ("git", 30), ("ssh-keygen", 12), ("jq", 4), ("sha256sum", 3)])
@pytest.mark.parametrize("how", [CRASH, DAMAGED])
def test_a_program_that_breaks_on_the_way_is_no_verdict(
    tool: str, after: int, how: str, clone: Callable[[], Path], signers: Path, tmp_path: Path
) -> None:
    fine, said = audit_script(clone(), signers, env=broken(tmp_path / "bin", tool, how, after=after))
    assert (fine, said.splitlines()[-1], "FAILED" in said) == (False, "CANNOT CONCLUDE", False), said


@pytest.mark.parametrize("after", [9, 30])
def test_a_repository_that_git_cannot_read_is_no_verdict(
    after: int, clone: Callable[[], Path], signers: Path, tmp_path: Path
) -> None:
    fine, said = audit_script(clone(), signers, env=broken(tmp_path / "bin", "git", UNREADABLE, after=after))
    assert (fine, said.splitlines()[-1], "FAILED" in said) == (False, "CANNOT CONCLUDE", False), said


def test_a_user_without_a_passwd_entry_is_no_verdict(book: Book, signers: Path, tmp_path: Path) -> None:
    tree = write_tree(book.files, tmp_path / "tree")
    command = ["bash", str(SCRIPT), str(tree), str(signers), "--genesis", book.genesis]

    def said(*become: str) -> str:
        return subprocess.run([*become, *command], capture_output=True, text=True, check=False).stdout

    hindered = said(*without_passwd_entry())
    assert f"UNKNOWN  cannot run ssh-keygen: {NO_USER}" in hindered
    assert hindered.endswith("CANNOT CONCLUDE\n")
    assert "FAILED" not in hindered
    passwd = tmp_path / "passwd"
    passwd.write_text(Path("/etc/passwd").read_text() + f"applier:x:{UID}:{UID}::/tmp:/bin/sh\n")
    assert said(*without_passwd_entry(passwd)).endswith("\nOK\n")


def test_a_repository_of_another_user_is_no_verdict_until_it_is_trusted(
    clone: Callable[[], Path], signers: Path
) -> None:
    root = clone()
    other = {**os.environ, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}  # git's own way to test this
    fine, said = audit_script(root, signers, env=other)
    assert not fine
    assert f"cannot run git: fatal: detected dubious ownership in repository at '{root}" in said
    assert said.endswith("CANNOT CONCLUDE\n")
    named = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": str(root)}
    fine, said = audit_script(root, signers, env={**other, **named})
    assert fine, said
