"""One target under atheris: `python -m tests.fuzz.run TARGET [--planted] [libFuzzer's flags and corpora]`."""

import sys
from contextlib import ExitStack

import atheris

with atheris.instrument_imports(include=["hyops_gitops"]):
    from tests.fuzz.planting import planting
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer ends the process."""
    name, *flags = sys.argv[1:]
    target = TARGETS[name]
    with ExitStack() as planted:
        if "--planted" in flags:
            for function in planted.enter_context(planting(target.planted)):
                atheris.instrument_func(function)
        atheris.Setup([sys.argv[0], *(flag for flag in flags if flag != "--planted")], target.read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
