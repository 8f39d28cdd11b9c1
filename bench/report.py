"""Times `report` of a long log, in a process of its own, beside `evidence verify`, which is a part of it.

`python -m bench.report [ENTRIES] [--keep DIR]`; `--make DIR` only makes the clone
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.make_log import PRINCIPAL, ZONE, MadeLog, write_branch

_COMMIT = ("git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "commit", "-qm", "bench")


def main(arguments: list[str]) -> None:
    """Make a clone with a long log, report it, print."""
    count = next((int(word) for word in arguments if word.isdigit()), 10_000) | 1
    if "--make" in arguments:
        make_clone(Path(arguments[arguments.index("--make") + 1]), count)
        return
    keep = Path(arguments[arguments.index("--keep") + 1]).resolve() if "--keep" in arguments else None
    with tempfile.TemporaryDirectory(prefix="hyops-bench-") as scratch:
        clone, made = Path(scratch) / "clone", keep or Path(scratch) / "report"
        # In a process of its own: a child's memory is counted from that of the process which started it.
        subprocess.run([sys.executable, "-m", "bench.report", str(count), "--make", str(clone)], check=True)
        for name, *options in (("evidence verify",), ("report", "--out", str(made))):
            seconds, mib = _run(clone, [*name.split(), *options])
            print(f"{name}: {seconds:.1f} CPU seconds; at most {mib:.0f} MiB until here")
        sizes = [file.stat().st_size for file in made.iterdir()]
        print(f"{len(sizes)} files, {sum(sizes) / 1e6:.0f} MB, the largest {max(sizes) / 1e6:.1f} MB")


def make_clone(clone: Path, entries: int) -> None:
    """A clone with a log of so many entries, and the authority file that pins it."""
    log = MadeLog.begin()
    log.grow(entries)
    authority = {
        "zone": ZONE,
        "environments": ["prod"],
        "failure_domain": "onprem",
        "primary": {"api_url": "http://127.0.0.1:1", "api_key_env": "KEY", "site": "bench"},
        "secondaries": [],
        "evidence": {"branch": "evidence", "genesis": f"sha256:{log.entries[0].sha256}"},
    }
    (clone / "authority").mkdir(parents=True)
    (clone / "authority" / "allowed_signers").write_text(f"{PRINCIPAL} {log.key.text}\n")
    (clone / "authority" / f"{ZONE}.yaml").write_text(json.dumps(authority))
    for command in (("git", "init", "-q", "-b", "main"), ("git", "add", "-A"), _COMMIT):
        subprocess.run(command, cwd=clone, check=True)
    write_branch(clone, log)


def _run(clone: Path, words: list[str]) -> tuple[float, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "hyops_gitops", *words]
    subprocess.run(command, cwd=clone, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, after.ru_maxrss / 1024


if __name__ == "__main__":
    main(sys.argv[1:])
