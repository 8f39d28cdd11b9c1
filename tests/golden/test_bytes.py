"""The bytes of the log do not change: every type of entry, its pages and its state files, against files kept here.

A file under `bytes/` is written once (HYOPS_WRITE_GOLDEN=1, where it does not exist) and never edited: what a released
program wrote must be read for ever. A new optional field gets a new value in `values.py`, at the end, and new files.
"""

import os
from pathlib import Path

import pytest

from hyops_gitops.core.managed import ManagedSet
from hyops_gitops.core.zone import Zone
from hyops_gitops.log.entries import BODY_TYPES
from hyops_gitops.log.envelope import decode, encode
from hyops_gitops.log.pages import folder_readme, log_page, readme, subject
from tests.golden import values

BYTES = Path(__file__).parent / "bytes"
ENTRIES = sorted(
    path.relative_to(BYTES).as_posix() for path in BYTES.glob("*/*.json") if path.parent.name != "documents"
)


def kept(path: str, written: bytes) -> bytes:
    """The bytes kept at a path; written there first where nothing is kept yet and the environment asks for it."""
    file = BYTES / path
    if not file.exists() and os.environ.get("HYOPS_WRITE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(written)
    return file.read_bytes()


def test_every_entry_of_the_log_is_written_byte_for_byte() -> None:
    for seq, written in enumerate(values.log()[0], 1):
        assert written == kept(f"log/{seq:06d}.json", written), seq


def test_every_entry_of_a_segment_is_written_byte_for_byte() -> None:
    for seq, written in enumerate(values.segment()[0], 1):
        assert written == kept(f"segment/{seq:06d}.json", written), seq


def test_every_entry_about_damage_is_written_byte_for_byte() -> None:
    for seq, written in enumerate(values.damage()[0], 1):
        assert written == kept(f"damage/{seq:06d}.json", written), seq


def test_every_entry_about_late_proof_is_written_byte_for_byte() -> None:
    for seq, written in enumerate(values.proof()[0], 1):
        assert written == kept(f"proof/{seq:06d}.json", written), seq


def test_every_type_of_entry_is_kept() -> None:
    assert {entry.type for entry in values.log()[1]} == set(BODY_TYPES)


@pytest.mark.parametrize("path", ENTRIES)
def test_a_kept_entry_is_read_and_written_again_byte_for_byte(path: str) -> None:
    data = (BYTES / path).read_bytes()
    entry = decode(data)
    assert encode(entry.envelope, entry.body) == data


def test_the_pages_for_people_are_written_byte_for_byte() -> None:
    _, entries = values.log()
    pages = {
        "LOG.md": log_page(values.ZONE, entries),
        "README.md": readme(values.ZONE),
        "log-README.md": folder_readme(values.ZONE, entries, len(entries)),
        "subjects.txt": "".join(f"{subject(entry, entries)}\n" for entry in entries).encode(),
    }
    for path, written in pages.items():
        assert written == kept(f"pages/{path}", written), path


def test_zone_and_state_files_are_written_and_read_byte_for_byte() -> None:
    zone, state = values.ZONE_AFTER.text().encode(), values.STATE.text().encode()
    assert zone == kept("zones/zone.zone", zone)
    assert state == kept("zones/state.zone", state)
    assert Zone.parse(values.ZONE, zone.decode()).text().encode() == zone
    assert ManagedSet.parse(values.ZONE, state.decode()).text().encode() == state
