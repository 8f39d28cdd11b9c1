"""What it means when a program of this machine cannot be started."""

from hyops_gitops.core.errors import OutsideFailure


def not_run(program: str, error: OSError, *, code: str, hint: str) -> OutsideFailure:
    """The failure to raise: it is not there, or may not be run."""
    why = "is not installed" if isinstance(error, FileNotFoundError) else f"cannot be run: {error.strerror}"
    return OutsideFailure(f"{program} {why}", code=code, hint=hint)
