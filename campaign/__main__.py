"""Histories with faults at random, judged by a witness; prints the table, and ends with 1 if anything was lost.

`script/campaign --backend gsqlite3 --seeds 1-130 --results runs.jsonl`; a seed that the file has is not run again.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from campaign.faults.table import NOTHING, unmet_needs
from campaign.report import document, lines_of, runs_of, table
from campaign.runs import RUNS, Done, keep_result, results, run_seeds
from campaign.soak import HEAD, row, soak
from hyops_gitops.lab.model import BACKENDS, Backend

SHORT_RUNS = 5
SHORT, LONG = "1", "1-145"  # a thousand faulted applies are 143 seeds of seven


def main(arguments: Sequence[str]) -> int:
    """Run, count, print."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `timeout` sends it: the lab has to be stopped
    options.runs = options.runs or (SHORT_RUNS if options.short else RUNS)
    if options.soak:
        return _soak((options.backend or ["gsqlite3"])[0], options.soak)
    seeds = seeds_of(options.seeds or (LONG if options.long else SHORT))
    backends: list[Backend] = options.backend or (list(BACKENDS) if options.long else ["gsqlite3"])
    done: list[Done] = results(options.results) if options.results else []
    for backend in backends:
        known = {one.seed for one in done if one.backend == backend}
        left = [] if options.report else [seed for seed in seeds if seed not in known]
        if left:
            sys.stderr.write("".join(f"no faults here that need {need}\n" for need in unmet_needs()))
        for one in run_seeds(backend, left, only=options.only, runs=options.runs, keep=options.keep) if left else ():
            done.append(one)
            _say(one, options)
    for backend in backends:
        chosen = [one for one in done if one.backend == backend and one.seed in set(seeds)]
        faulted = sum(run.fault != NOTHING for run in runs_of(chosen))
        seconds = sum(one.seconds for one in chosen)
        sys.stdout.write(f"\n{backend}, {len(chosen)} histories, {faulted:,} faulted applies, {seconds:.0f} s\n\n")
        sys.stdout.write(table(lines_of(chosen)) + "\n")
    if options.json:
        options.json.write_text(json.dumps(document(done), indent=1) + "\n", encoding="utf-8")
    return int(any(run.problems for one in done for run in one.runs))


def _soak(backend: Backend, applies: int) -> int:
    """Print a row for each hundred as it comes; 1 if anything was wrong."""
    sys.stdout.write(f"{HEAD}\n")
    wrong = False
    for hundred in soak(backend, applies):
        sys.stdout.write(f"{row(hundred)}\n" + "".join(f"  {problem}\n" for problem in hundred.problems))
        sys.stdout.flush()
        wrong |= bool(hundred.problems)
    return int(wrong)


def _say(one: Done, options: argparse.Namespace) -> None:
    if options.results:
        keep_result(options.results, one)
    failed = [run for run in one.runs if run.problems]
    sys.stderr.write(f"{one.backend} seed {one.seed}: {len(one.runs)} runs, {one.seconds:.0f} s\n")
    for run in failed:
        problems = "\n    ".join(run.problems)
        only = f" --only '{options.only}'" if options.only else ""
        more = f" --runs {options.runs}" if options.runs != RUNS else ""
        sys.stderr.write(f"  {run.fault}, {run.step}:\n    {problems}\n")
        sys.stderr.write(
            f"  again: script/campaign --backend {one.backend} --seeds {one.seed}{only}{more} --keep DIR\n"
        )
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="script/campaign", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="one short history on gsqlite3")
    size.add_argument("--long", action="store_true", help=f"seeds {LONG}, on every storage unless --backend names one")
    size.add_argument(
        "--soak", type=int, metavar="N", help="N applies without faults on one log, figures by the hundred"
    )
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="can be given more than once")
    parser.add_argument("--seeds", metavar="A-B", help="which histories")
    parser.add_argument("--only", default="", help="only faults whose name contains this")
    parser.add_argument("--runs", type=int, help=f"of each history; default {RUNS}")
    parser.add_argument("--results", type=Path, help="keep each seed's runs in this file, and skip those that it has")
    parser.add_argument("--report", action="store_true", help="run nothing: show what --results has")
    parser.add_argument("--json", type=Path, help="write the table here")
    parser.add_argument("--keep", type=Path, help="leave what explains a failure in this folder")
    return parser


def seeds_of(text: str) -> list[int]:
    """The seeds from the first to the last that a text names."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
