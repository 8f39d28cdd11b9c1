"""The README of a folder that is handed over to an auditor."""

_TEXT = """\
# Evidence of the zone {zone}

Made by `hyops-gitops evidence export`. Nothing in here has to be run to be checked.

- `repository.bundle`: a git bundle with branch `{main}` (the contracts, and who may sign) and branch `{evidence}` (the
  signed log)
- `allowed_signers`: `authority/allowed_signers` of `{main}`; compare it with a copy you got some other way
- `AUDITING.md`: how to check all of it with git, ssh-keygen, sha256sum, jq and dig, and what it does not evidence
- `audit.sh` and the files beside it that begin with `audit`: that walk as a script; read it before you run it
- `SHA256SUMS`: of every other file here

## Check it

    sha256sum -c SHA256SUMS
    git clone -b {main} repository.bundle repository
    git -C repository bundle verify ../repository.bundle
    git -C repository fetch origin {evidence}:{evidence}
    git -C repository show {evidence}:README.md      # how to check an entry by hand

    ./audit.sh repository allowed_signers --genesis {genesis}

Entry 1 has to have the SHA-256 `{genesis}`.
{head}
The same with this program, in `repository`: `hyops-gitops evidence verify`, `hyops-gitops audit --offline`.
"""


def export_readme(zone: str, main: str, evidence: str, genesis: str, head: str | None) -> bytes:
    """The README of one export."""
    said = f"At the export the newest entry was `{head}`.\n" if head else "At the export the log did NOT verify.\n"
    return _TEXT.format(zone=zone, main=main, evidence=evidence, genesis=genesis, head=said).encode()
