"""Races of our own updates on one database, by the thousand; prints counts, and ends with 1 if anything is broken.

`python -m bench.fence --backend gpgsql --tries 2000 --slow 300 --big 300`; `--without-remedy` in the old order.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from bench.fence.races import BIG, RACES, Bench, Case, cases, spread
from hyops_gitops.lab.lifecycle import start_lab, stop_lab
from hyops_gitops.lab.model import BACKENDS


def main(arguments: list[str]) -> int:
    """Try, count, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fence", description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, required=True)
    parser.add_argument("--tries", type=int, default=300, help="simultaneous tries in all, spread over the cases")
    parser.add_argument(
        "--slow", type=int, default=0, help="further tries with 50 ms for each row; LMDB: each write, by strace"
    )
    parser.add_argument("--big", type=int, default=0, help=f"further tries with {BIG} records in the zone")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--without-remedy", action="store_true", help="in the order of protocol 1")
    parser.add_argument("--counts", type=Path, help="keep counts in this file, and go on from them")
    options = parser.parse_args(arguments)
    remedy = not options.without_remedy
    with tempfile.TemporaryDirectory(prefix="hyops-fence-") as scratch, ExitStack() as stack:
        settings = {"webserver-max-bodysize": "16"}
        lab = start_lab(Path(scratch) / "lab", zone="lab.internal", backend=options.backend, settings=settings)
        stack.callback(stop_lab, lab)
        bench = Bench(lab, remedy=remedy)
        stack.callback(bench.rows.close)
        every = [one for one in cases(bench.rows, remedy=remedy) if options.only in str(one)]
        plan = [(case, n) for case, n in spread(every, options.tries)]
        plan += spread([Case(one.state, one.race, "slow") for one in every if one.race in RACES], options.slow)
        plan += spread([Case(one.state, one.race, "big") for one in every], options.big)
        return run(bench, plan, options.counts)


def run(bench: Bench, plan: list[tuple[Case, int]], path: Path | None) -> int:
    """Carry it out; 1 if anything was broken or stood twice."""
    done: dict[str, list[int]] = json.loads(path.read_text()) if path and path.exists() else {}
    began, examples = time.monotonic(), Counter[str]()
    for case, tries in plan:
        counts = done.setdefault(str(case), [0, 0, 0])
        for _ in range(tries - counts[0]):
            broken, twice = bench.try_once(case)
            counts[0] += 1
            counts[1] += bool(broken)
            counts[2] += bool(twice)
            examples[f"{case}: {broken or twice}"] += bool(broken or twice)
            if path:
                path.write_text(json.dumps(done))
        if counts[0]:
            print(f"{case}: {counts[0]} tries, {counts[1]} broken, {counts[2]} with duplicates", flush=True)
    tries, broken, twice = (sum(column) for column in zip(*done.values(), strict=True))
    for example, count in examples.most_common(5):
        if count:
            print(f"  {count} x {example}")
    order = "" if bench.remedy else ", in the order of protocol 1"
    print(
        f"{bench.rows.lab.backend}{order}: {tries} tries, {broken} broken, {twice} with duplicates, "
        f"{time.monotonic() - began:.0f} s"
    )
    return int(bool(broken or twice))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
