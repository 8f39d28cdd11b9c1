"""Times the verification of a long log: full, and with what was verified before remembered; ssh-keygen beside it.

`python -m bench.verify_log [ENTRIES] [--profile]`
"""

import cProfile
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.make_log import PRINCIPAL, ZONE, MadeLog, write_branch
from hyops_gitops.adapters.git_evidence import GitEvidenceStore
from hyops_gitops.adapters.verifying import SshVerifier
from hyops_gitops.core.envelope import entry_path
from hyops_gitops.core.log_reading import Reading, read_log
from hyops_gitops.core.signers import SignerSet, parse_allowed_signers

_SAMPLE = 100


def main(arguments: list[str]) -> None:
    """Make, measure, print."""
    count = next((int(one) for one in arguments if one.isdigit()), 10_000) | 1
    with tempfile.TemporaryDirectory(prefix="hyops-bench-") as scratch:
        folder = Path(scratch)
        log = MadeLog.begin()
        log.grow(count)
        subprocess.run(["git", "init", "-q", folder / "repo"], check=True)
        write_branch(folder / "repo", log)
        signers_text = f"{PRINCIPAL} {log.key.text}\n".encode()
        lines, _ = parse_allowed_signers(signers_text, "allowed_signers")
        (folder / "allowed_signers").write_bytes(signers_text)

        def full() -> Reading:
            snapshot = GitEvidenceStore(folder / "repo", "evidence", None).recorded()
            assert snapshot is not None
            files = snapshot.read(snapshot.paths())
            return read_log(
                ZONE,
                snapshot.commit,
                files,
                signers=SignerSet(lines),
                genesis=log.entries[0].sha256,
                check_signature=SshVerifier().verify,
            )

        if "--profile" in arguments:
            profile = cProfile.Profile()
            profile.runcall(full)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        reading, seconds = timed(full)
        assert reading.ok, reading.problems[:3]
        print(f"{count} entries, full verification: {seconds:.2f} s, {seconds / count * 1e6:.0f} us an entry")
        each = ssh_keygen(folder, log) / _SAMPLE
        print(f"ssh-keygen -Y verify, {_SAMPLE} of them: {each * 1000:.2f} ms an entry, signature alone")
        print(f"ratio: {each * count / seconds:.1f} times as long")


def timed(call: Callable[[], Reading]) -> tuple[Reading, float]:
    """What it returns, and how long it took: the best of three."""
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - began)
    return found, best


def ssh_keygen(folder: Path, log: MadeLog) -> float:
    """Seconds for a sample of entries, evenly spread."""
    step = max(1, len(log.entries) // _SAMPLE)
    paths = [entry_path(ZONE, 1 + number * step) for number in range(_SAMPLE)]
    for number, path in enumerate(paths):
        (folder / f"{number}.json").write_bytes(log.files[path])
        (folder / f"{number}.sig").write_bytes(log.files[f"{path}.sig"])
    began = time.perf_counter()
    for number in range(len(paths)):
        command = ["ssh-keygen", "-Y", "verify", "-f", folder / "allowed_signers", "-I", PRINCIPAL]
        command += ["-n", "hyops-gitops", "-s", folder / f"{number}.sig"]
        with (folder / f"{number}.json").open("rb") as entry:
            subprocess.run(command, stdin=entry, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1:])
