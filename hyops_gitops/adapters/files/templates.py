"""The shipped templates of a new repository."""

from pathlib import Path

_TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_DOT = "dot-"  # a hidden file would be lost on the way into a wheel, or overlooked


def load_templates() -> dict[str, str]:
    """Every template by the path it has in a repository."""
    return {
        "/".join(_named(part) for part in file.relative_to(_TEMPLATES).parts): file.read_text(encoding="utf-8")
        for file in sorted(_TEMPLATES.rglob("*"))
        if file.is_file()
    }


def _named(part: str) -> str:
    return f".{part.removeprefix(_DOT)}" if part.startswith(_DOT) else part
