"""Files that ship beside the modules: the only place that knows how a wheel and a source tree differ."""

from pathlib import Path

from hyops_gitops.core.bundle import INSTALL

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_directory(name: str) -> Path:
    """A folder: inside the package in a wheel, beside it in an editable install."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def source_tree() -> Path | None:
    """Where the program's own source is, None when it runs from a wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() else None


def bundle_files() -> dict[str, bytes]:
    """What every bundle carries of the program beside its wheel, by path in the bundle."""
    scripts = shipped_directory("script")
    files = {f"script/{name}": scripts / name for name in ("audit.sh", "audit.jq")} | {
        INSTALL: scripts / "bundle-install"
    }
    return {path: file.read_bytes() for path, file in files.items()}
