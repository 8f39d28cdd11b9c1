"""Our JSON Schemas, as shipped."""

import functools
import json
from pathlib import Path
from typing import Literal, cast

from hyops_gitops.adapters.files.shipped import shipped_directory

SchemaName = Literal["endpoint", "authority", "evidence", "plan"]


def schema_directory() -> Path:
    """Where they are."""
    return shipped_directory("schemas")


@functools.cache
def load_schema(name: SchemaName) -> dict[str, object]:
    """One shipped schema. A repository's own copies are for editors and are never read."""
    text = (schema_directory() / f"{name}.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))


def shipped_schemas() -> dict[str, bytes]:
    """Every schema by the path of its copy in a repository."""
    return {f"schemas/{file.name}": file.read_bytes() for file in sorted(schema_directory().glob("*.schema.json"))}


def schema_copies(root: Path) -> list[tuple[str, bytes, bytes]]:
    """A repository's copies: path, content, and the content of the shipped one."""
    if (root / "schemas").resolve() == schema_directory():
        return []
    shipped = shipped_schemas().items()
    return [(path, _read(root / path), content) for path, content in shipped if (root / path).is_file()]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes().replace(b"\r\n", b"\n")  # what git makes of it on disk is no other schema
    except OSError:
        return b""
