"""Where our JSON Schemas are: the only place that knows how a wheel and an editable install differ."""

import functools
import json
from pathlib import Path
from typing import Literal, cast

SchemaName = Literal["endpoint", "authority", "evidence", "plan"]

_PACKAGE = Path(__file__).resolve().parent.parent


def schema_directory() -> Path:
    """The shipped schemas: inside the package in a wheel, beside it in an editable install."""
    inside = _PACKAGE / "schemas"
    return inside if inside.is_dir() else _PACKAGE.parent / "schemas"


@functools.cache
def load_schema(name: SchemaName) -> dict[str, object]:
    """One shipped schema. A repository's own copies are for editors and are never read."""
    text = (schema_directory() / f"{name}.schema.json").read_text(encoding="utf-8")
    return cast("dict[str, object]", json.loads(text))
