"""The content of a bundle, unpacked."""

from pathlib import Path

from tests.support.clone import run


def unpack(content: bytes, directory: Path) -> Path:
    """The one folder of a bundle."""
    directory.mkdir()
    run("tar", "-xzf", "-", "-C", directory, stdin=content)
    (folder,) = directory.iterdir()
    return folder
