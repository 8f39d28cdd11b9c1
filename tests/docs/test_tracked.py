"""What is tracked is for everybody: nothing in it belongs to one machine."""

from pathlib import Path

import pytest

from .repository import ROOT, tracked_files

FORBIDDEN = [
    "/work/",
    "/tmp/e2e",  # noqa: S108 - looked for, not used
    "/opt/wheels",
    "pypi.org",
    "pythonhosted.org",
    "npmjs.org",
    "deb.debian.org",
    "-python.pkg.dev",
    "-apt.pkg.dev",
]


def test_no_tracked_file_names_a_path_of_one_machine_or_a_package_registry() -> None:
    files = tracked_files()
    if not files:
        pytest.skip("not a Git checkout")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in files
        if path != Path(__file__)
        for word in FORBIDDEN
        if word.encode() in path.read_bytes()
    ]
    assert found == []
