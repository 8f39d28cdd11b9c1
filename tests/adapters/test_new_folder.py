"""A folder is written whole or not at all, and what is there stays unless it may go."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyops_gitops.adapters.new_folder import write_folder
from hyops_gitops.core.errors import OutsideFailure, UsageError


def listed(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def broken() -> Iterator[tuple[str, bytes]]:
    yield "a", b"new"
    raise ValueError("half-way")


def test_files_and_programs(tmp_path: Path) -> None:
    write_folder(tmp_path / "made" / "here", [("a", b"1"), ("b", b"2")], frozenset({"b"}))
    assert (tmp_path / "made" / "here" / "a").read_bytes() == b"1"
    assert os.access(tmp_path / "made" / "here" / "b", os.X_OK)


def test_nothing_is_left_of_a_folder_that_could_not_be_made(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="half-way"):
        write_folder(tmp_path / "here", broken())
    assert listed(tmp_path) == []


def test_what_was_there_stays_where_the_new_one_could_not_be_made(tmp_path: Path) -> None:
    write_folder(tmp_path / "here", [("a", b"old")])
    with pytest.raises(ValueError, match="half-way"):
        write_folder(tmp_path / "here", broken(), may_replace=lambda _: True)
    assert (tmp_path / "here" / "a").read_bytes() == b"old"
    assert listed(tmp_path) == ["here"]


def test_a_folder_that_may_go_is_replaced_whole(tmp_path: Path) -> None:
    write_folder(tmp_path / "here", [("a", b"old"), ("gone", b"")])
    write_folder(tmp_path / "here", [("a", b"new")], may_replace=lambda _: True)
    assert {file.name: file.read_bytes() for file in (tmp_path / "here").iterdir()} == {"a": b"new"}
    assert listed(tmp_path) == ["here"]


def test_what_came_there_meanwhile_stays(tmp_path: Path) -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        yield "a", b"new"
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "b").write_bytes(b"theirs")

    with pytest.raises(UsageError):
        write_folder(tmp_path / "here", files())
    assert listed(tmp_path / "here") == ["b"]


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_anything_else_is_refused(tmp_path: Path, kind: str) -> None:
    place, other = tmp_path / "here", tmp_path / "other"
    other.mkdir()
    (other / "a").write_bytes(b"keep")
    if kind == "file":
        place.write_bytes(b"keep")
    elif kind == "link":
        place.symlink_to(other)
    else:
        place = other
    with pytest.raises(UsageError):
        write_folder(place, [("a", b"new")])
    assert (other / "a").read_bytes() == b"keep"


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutsideFailure, match="cannot write"):
        write_folder(tmp_path / "file" / "here", [("a", b"")])
