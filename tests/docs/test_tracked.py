"""What is tracked is for everybody: nothing in it belongs to one machine."""

from pathlib import Path

import pytest

from tests.support.repository import ROOT, tracked_files


def test_no_tracked_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a Git checkout")
    # A path of one component, such as a container's home, may stand in a text by chance.
    forbidden = [f"{path}/".encode() for path in (ROOT, Path.home()) if len(path.parts) > 2]
    found = [
        f"{path.relative_to(ROOT)}: {word.decode()}"
        for path in files
        for word in forbidden
        if word in path.read_bytes()
    ]
    assert found == []
