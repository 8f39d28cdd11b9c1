"""What it means when a program of this machine cannot be started."""

from hyops_gitops.core.errors import OutsideFailure


def not_run(program: str, error: OSError, *, code: str, hint: str) -> OutsideFailure:
    """The failure to raise."""
    return OutsideFailure(why_not_run(program, error), code=code, hint=hint)


def why_not_run(program: str, error: OSError) -> str:
    """It is not there, or may not be run."""
    missing = isinstance(error, FileNotFoundError)
    return f"{program} is not installed" if missing else f"{program} cannot be run: {error.strerror}"
