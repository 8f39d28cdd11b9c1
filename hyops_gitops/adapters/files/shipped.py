"""Files that ship beside the modules: the only place that knows how a wheel and a source tree differ."""

from pathlib import Path

from hyops_gitops.core.handover.bundle import INSTALL

AUDIT_SCRIPT = "audit.sh"
_AUDIT_FILES = (AUDIT_SCRIPT, "audit.jq", "audit-contracts.jq", "audit-segments.sh")
_PACKAGE = Path(__file__).resolve().parents[2]


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
    files = {f"script/{name}": scripts / name for name in _AUDIT_FILES} | {INSTALL: scripts / "bundle-install"}
    return {path: file.read_bytes() for path, file in files.items()}


def auditor_kit() -> dict[str, bytes]:
    """What every export carries of the program, by name: how to audit with stock tools, and that as a script."""
    files = {name: shipped_directory("script") / name for name in _AUDIT_FILES}
    return {name: file.read_bytes() for name, file in files.items()} | {
        "AUDITING.md": (shipped_directory("docs") / "auditing.md").read_bytes()
    }
