"""The README at the root of the evidence branch: how a stranger verifies the log with stock tools."""

_TEXT = """\
# The log of {zone}

This branch is written only by the applier. Each entry says what was about to be done to the zone `{zone}`, or
what came of it; it is signed, and chained to the one before it. The contracts themselves are on the main branch.

- `log/{zone}/0000/000001.json`: the entries, numbered from 1, a hundred a folder: one line of canonical JSON each (an
  in-toto Statement v1), with its OpenSSH signature beside it (`.sig`, namespace `hyops-gitops`)
- `zones/{zone}.zone`: the whole zone as last observed; `sha256sum` of it is the subject digest of the newest entry
- `state/{zone}.zone`: the records under contract as last applied, each line with its contract

## Verify an entry

`S` is `authority/allowed_signers` of the main branch, and `E` an entry such as `log/{zone}/0000/000002`:

    P=$(jq -r .predicate.signer.principal $E.json)
    T=$(jq -r .predicate.time $E.json | tr -d :T-)
    ssh-keygen -Y verify -f $S -I "$P" -n hyops-gitops -O verify-time=$T -s $E.json.sig < $E.json
    jq -cS . $E.json | cmp - $E.json

`predicate.prev.entry` and `predicate.prev.sig` are the `sha256sum` of the entry before and of its `.sig`; entry 1 has
zeros, and the SHA-256 that `evidence.genesis` in `authority/{zone}.yaml` pins on the main branch.
`predicate.files` holds the `sha256sum` of this file and of the files under `zones/` and `state/` as they stood after
the entry. `hyops-gitops evidence verify` checks all of it.
"""


def readme(zone: str) -> bytes:
    """The README of one zone's log."""
    return _TEXT.format(zone=zone).encode()
