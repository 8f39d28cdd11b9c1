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
from hyops_gitops.adapters.git.evidence import GitEvidenceStore
from hyops_gitops.adapters.git.snapshot import GitVerifiedMark
from hyops_gitops.adapters.ssh.signing import SshVerifier
from hyops_gitops.adapters.yaml.reader import read_document
from hyops_gitops.core.authority import Authority
from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.ports import EvidenceSnapshot
from hyops_gitops.core.signers import SignerSet, parse_allowed_signers
from hyops_gitops.log.branch import Signers, read_evidence, read_since
from hyops_gitops.log.envelope import entry_path
from hyops_gitops.log.verify import Reading, read_log
from hyops_gitops.validate.building import build_authority

_SAMPLE = 100
_AUTHORITY = """\
zone: {zone}
environments: [prod]
failure_domain: bench
primary: {{api_url: "http://127.0.0.1:1", api_key_env: KEY, site: bench}}
evidence: {{branch: evidence, genesis: "sha256:{genesis}"}}
"""


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

        signers = (SignerSet(lines), sha256_hex(signers_text))
        authority = authority_of(log.entries[0].sha256)
        mark = GitVerifiedMark(folder / "repo")

        def snapshot() -> EvidenceSnapshot:
            found = GitEvidenceStore(folder / "repo", "evidence", None).recorded()
            assert found is not None
            return found

        def full() -> Reading:
            return read_evidence(snapshot(), authority, Signers(*signers), SshVerifier())

        def read_only() -> Reading:
            now = snapshot()
            files, genesis = now.read(now.paths()), authority.evidence.genesis
            return read_log(
                ZONE, now.commit, files, signers=signers[0], genesis=genesis, check_signature=lambda *_: True
            )

        def incremental() -> Reading:
            found = read_since(mark, snapshot(), authority, Signers(*signers), SshVerifier())
            assert found is not None
            return found

        if "--profile" in arguments:
            profile = cProfile.Profile()
            profile.runcall(full)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        reading, seconds = timed(full)
        assert reading.ok, reading.problems[:3]
        print(f"{count} entries, full verification: {seconds:.2f} s, {seconds / count * 1e6:.0f} us an entry")
        _, floor = timed(read_only)
        print(f"the same without its signatures: {floor:.2f} s")
        incremental()
        for more in (0, 2, 200, 2000):
            remembered = mark.read()
            if more:
                log.grow(len(log.entries) + more)
                write_branch(folder / "repo", log)
            taken = []
            for _ in range(3):
                if remembered is not None:
                    mark.write(remembered)
                taken.append(timed_once(incremental))
            print(f"{more} entries after what was verified: {min(taken):.2f} s, {min(taken) / seconds:.2f} of full")
        each = ssh_keygen(folder, log) / _SAMPLE
        print(f"ssh-keygen -Y verify, {_SAMPLE} of them: {each * 1000:.2f} ms an entry, signature alone")
        print(f"ratio: {each * count / seconds:.1f} times as long")


def authority_of(genesis: str) -> Authority:
    """An authority file that pins this genesis."""
    text = _AUTHORITY.format(zone=ZONE, genesis=genesis).encode()
    document, findings = read_document(f"authority/{ZONE}.yaml", text)
    assert document is not None, findings
    return build_authority(document)


def timed_once(call: Callable[[], Reading]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def timed(call: Callable[[], Reading]) -> tuple[Reading, float]:
    """What it returns, and how long it took: the best of three."""
    taken = []
    readings = []
    for _ in range(3):
        began = time.perf_counter()
        readings.append(call())
        taken.append(time.perf_counter() - began)
    return readings[-1], min(taken)


def ssh_keygen(folder: Path, log: MadeLog) -> float:
    """Seconds for a sample of entries, evenly spread."""
    step = max(1, len(log.entries) // _SAMPLE)
    paths = [entry_path(ZONE, 1 + number * step) for number in range(_SAMPLE)]
    for number, path in enumerate(paths):
        (folder / f"{number}.json").write_bytes(log.files[path])
        (folder / f"{number}.sig").write_bytes(log.files[f"{path}.sig"])
    began = time.perf_counter()
    for number in range(len(paths)):
        command = ["ssh-keygen", "-Y", "verify", "-f", str(folder / "allowed_signers"), "-I", PRINCIPAL]
        command += ["-n", "hyops-gitops", "-s", str(folder / f"{number}.sig")]
        with (folder / f"{number}.json").open("rb") as entry:
            subprocess.run(command, stdin=entry, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main(sys.argv[1:])
