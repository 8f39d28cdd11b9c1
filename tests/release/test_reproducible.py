"""The same tree makes the same bytes, wherever, whenever and by whomever it is built."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from hyops_gitops.adapters.wheels import pack, repacked
from tests.support.repository import ROOT

PARTS = ("hyops_gitops", "schemas", "docs", "script", "pyproject.toml", "README.md", "LICENSE", ".gitignore")


def build(target: str, top: Path, *, mask: int, at: int, **environ: str) -> bytes:
    """A wheel or an sdist of a copy of this tree, whose files have this time."""
    source = top / "source"
    source.mkdir(parents=True)
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source / part)
    for path in (source, *source.rglob("*")):
        path.chmod((0o777 if path.is_dir() or os.access(path, os.X_OK) else 0o666) & ~mask)
        os.utime(path, (at, at))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", top / "made"],
        cwd=source,
        env={"PATH": os.environ["PATH"], "HOME": str(top), **environ},
        umask=mask,
        check=True,
        capture_output=True,
    )
    (made,) = (top / "made").iterdir()
    return made.read_bytes()


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_two_builds_are_the_same_bytes(target: str, tmp_path: Path) -> None:
    here = build(target, tmp_path / "here", mask=0o022, at=1_000_000_000, TZ="UTC", LC_ALL="C", PYTHONHASHSEED="1")
    there = build(
        target,
        tmp_path / "a longer way" / "there",
        mask=0o077,
        at=1_700_000_000,
        TZ="Pacific/Auckland",
        LC_ALL="C.UTF-8",
        PYTHONHASHSEED="2",
    )

    assert here == there


def test_a_bundle_has_the_same_wheel_of_a_source_tree_and_of_what_is_installed(tmp_path: Path) -> None:
    built = build("wheel", tmp_path, mask=0o022, at=1_000_000_000, SOURCE_DATE_EPOCH="315705600")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(tmp_path / "site"), *map(str, (tmp_path / "made").iterdir())], check=True)
    (info,) = (tmp_path / "site").glob("*.dist-info")

    assert repacked(built) == pack(metadata.Distribution.at(info))[1]
