"""Measure what a change costs us and the peers; `python -m bench.compare --sizes 1000 --only apply-one plan`.

Prints a table, and with --json and --svg writes all runs and a picture. Asserts no time; after each timed apply the log
is verified and audited and every server is asked, untimed.
"""

import argparse
import compileall
import json
import os
import platform
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import hyops_gitops
from bench.compare import tools
from bench.compare.cases import CASES, CONTROL, FLOOR, OCTO, OURS
from bench.compare.contest import CONVERGENCE, Contest, MakeTool
from bench.compare.ours import MAX_BODY_MIB, Ours
from bench.compare.report import FORMAT, Measured, answers_table, merged, picture, table
from hyops_gitops.lab.lifecycle import lab_software, start_lab, stop_lab

SIZES = (100, 1_000, 10_000, 50_000)
_NAMES = [*(case.name for case in CASES), CONVERGENCE]
# `status` takes a large zone by one transfer from each server that lets it, as it says then; else it asks each name.
_TRANSFERS = {"allow-axfr-ips": "127.0.0.0/8", "disable-axfr": "no"}
_PROGRAM = str(Path(sys.executable).with_name("hyops-gitops"))
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hyops-bench" / "-".join(tools.OCTODNS)


def main(arguments: list[str]) -> int:
    """Measure, print, write."""
    options = _options(arguments)
    earlier = merged(json.loads(path.read_text()) for path in options.read)
    done, failed = (earlier, []) if earlier else _measured(options)
    print(table(done), answers_table(done), sep="\n")
    if options.svg:
        options.svg.write_text(picture(done))
    if failed:
        print(f"failed, and not in the table: {', '.join(failed)}")
    return 1 if failed else 0


def _measured(options: argparse.Namespace) -> tuple[list[Measured], list[str]]:
    """What was measured of each size, and what failed; written after each size."""
    compileall.compile_dir(Path(hyops_gitops.__file__).parent, quiet=2)
    makers = _makers(options)
    done, failed = list[Measured](), list[str]()
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="hyops-bench-", dir=options.scratch) as scratch:
            settings = {"webserver-max-bodysize": str(MAX_BODY_MIB), **_TRANSFERS}
            lab = start_lab(Path(scratch) / "lab", zone="lab.internal", backend=options.backend, settings=settings)
            try:
                contest = Contest(lab, Path(scratch), size, makers, frozenset(options.only))
                contest.run(options.runs, options.first_runs or options.runs)
                software = lab_software(lab)
            finally:
                stop_lab(lab)
        failed += contest.failed
        done.append(Measured(size, contest.samples, contest.entries))
        if options.json:
            machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "software": list(software)}
            when = datetime.now(UTC).isoformat(timespec="seconds")
            sizes = [measured.to_json() for measured in done]
            document = {"format": FORMAT, "time": when, "machine": machine, "sizes": sizes}
            options.json.write_text(f"{json.dumps(document, indent=1)}\n")
    return done, failed


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of endpoints")
    parser.add_argument("--only", nargs="+", choices=_NAMES, default=_NAMES, metavar="CASE", help=", ".join(_NAMES))
    parser.add_argument("--runs", type=int, default=3, help="medians are of so many")
    parser.add_argument("--first-runs", type=int, help="so many first applies, if not as many")
    parser.add_argument("--short", action="store_true", help="100 endpoints, once; octoDNS only where it is installed")
    parser.add_argument("--program", default=_PROGRAM, help="our command line")
    parser.add_argument("--without", nargs="*", choices=(OCTO, CONTROL, FLOOR), default=[], help="leave these out")
    parser.add_argument("--octodns", type=Path, default=_CACHE, help="its virtual environment; made if missing")
    parser.add_argument("--dnscontrol", help="its program, if not on PATH")
    parser.add_argument("--backend", default="gsqlite3", help="PowerDNS's storage")
    parser.add_argument("--scratch", type=Path, help="folder for repositories and databases")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    parser.add_argument(
        "--read", type=Path, nargs="+", default=[], help="measure nothing: show what these files of --json hold"
    )
    parser.add_argument("--svg", type=Path, help="write the picture to this file")
    options = parser.parse_args(arguments)
    if options.short:
        options.sizes, options.runs = [100], 1
    return options


def _makers(options: argparse.Namespace) -> list[tuple[str, MakeTool]]:
    """The tools that are there, ours first."""
    program = shlex.split(options.program)
    found: list[tuple[str, MakeTool]] = [(OURS, partial(Ours, program=program))]
    octodns = None if OCTO in options.without else tools.find_octodns(options.octodns, install=not options.short)
    dnscontrol = None if CONTROL in options.without else tools.find_dnscontrol(options.dnscontrol)
    if octodns is not None:
        found.append((OCTO, partial(tools.OctoDns, programs=octodns)))
    if dnscontrol is not None:
        found.append((CONTROL, partial(tools.DnsControl, program=dnscontrol)))
    if FLOOR not in options.without:
        found.append((FLOOR, tools.Floor))
    print(f"measured: {', '.join(name for name, _ in found)}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
