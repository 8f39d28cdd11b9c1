"""One target under atheris: `python -m tests.fuzz.run TARGET [--planted] [libFuzzer's flags and corpora]`.

Only the modules of its parsers are instrumented, and those that lead an input to them: all of the program takes seconds
to instrument at each start, and runs several times slower.
"""

import importlib
import sys
from contextlib import ExitStack

import atheris

from tests.fuzz.planting import functions, planting
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer ends the process."""
    name, *flags = sys.argv[1:]
    target = TARGETS[name]
    with ExitStack() as planted:
        if "--planted" in flags:
            planted.enter_context(planting(target.planted))
        for module in sorted({parser.partition(":")[0] for parser in (*target.parsers, *target.guides)}):
            found = importlib.import_module(f"hyops_gitops.{module}")
            for _, function in functions(vars(found), found.__name__):
                atheris.instrument_func(function)
        atheris.Setup([sys.argv[0], *(flag for flag in flags if flag != "--planted")], target.read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
