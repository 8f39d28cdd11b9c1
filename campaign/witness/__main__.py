"""Watches a zone by transfers until it is interrupted, then compares what it went through with the evidence branch.

    python -m campaign.witness --zone Z --repository CLONE --primary 127.0.0.1:5300 --secondary ns1=127.0.0.2:5300

Each server has to allow transfers to this machine. Steps that no entry explains are others' writes here, or faults:
none is announced. Ends with 1 if there was anything of that kind.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from campaign.witness.branch import outcomes, read_entries, recorded_drifts
from campaign.witness.judge import account, judge_server
from campaign.witness.transfers import Watch


def main(arguments: Sequence[str]) -> int:
    """Watch, compare, print."""
    parser = argparse.ArgumentParser(prog="python -m campaign.witness", description=__doc__)
    parser.add_argument("--zone", required=True)
    parser.add_argument("--repository", type=Path, required=True, help="with the branch as its remote has it")
    parser.add_argument(
        "--ref", default="refs/heads/evidence", help="the branch; refs/remotes/origin/evidence in a clone"
    )
    parser.add_argument("--primary", metavar="HOST:PORT", required=True)
    parser.add_argument("--secondary", metavar="NAME=HOST:PORT", action="append", default=[])
    options = parser.parse_args(arguments)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    known = {entry.seq for entry in read_entries(options.repository, options.ref, options.zone)}
    primary = _watch(options.primary, options.zone)
    named = (text.partition("=")[::2] for text in options.secondary)
    secondaries = {name: _watch(address, options.zone) for name, address in named}
    sys.stdout.write(f"watching {options.zone}\n")
    sys.stdout.flush()
    over.wait()
    for watch in (primary, *secondaries.values()):
        watch.look()
        watch.close()
    entries = [entry for entry in read_entries(options.repository, options.ref, options.zone) if entry.seq not in known]
    steps, log = primary.steps(), outcomes(entries)
    found = account(steps, log, (), [drift for _, drift in recorded_drifts(entries)])
    faults = list(found.faults)
    for name, watch in secondaries.items():
        faults += judge_server(name, watch.seen, steps, log, found.step_of, ())
    applied = sum(outcome.outcome == "applied" for outcome in log)
    sys.stdout.write(f"{len(steps)} steps, {applied} applied entries, {len(faults)} faults\n")
    sys.stdout.write("".join(f"{fault.kind}: {fault.text}\n" for fault in faults))
    return int(bool(faults))


def _watch(address: str, zone: str) -> Watch:
    host, _, port = address.rpartition(":")
    return Watch(host.strip("[]"), int(port), zone)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
