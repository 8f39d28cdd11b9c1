"""The README of a bundle."""

from hyops_gitops.core.handover.bundle import BundleInfo
from hyops_gitops.core.json_fields import time_text

_TEXT = """\
# {zone}: contracts, log and program in one folder

Made by `hyops-gitops bundle` of commit `{commit}`. Everything in it works without git, network and package index.
It knows nothing newer than {as_of}; the log in it ends with entry `{head}`.

## Check it, before anything in it is run

With your own copy of `authority/allowed_signers`, kept outside, and the name of whoever signs bundles:

    ssh-keygen -Y verify -f SIGNERS -I PRINCIPAL -n hyops-gitops-bundle -s SHA256SUMS.sig < SHA256SUMS
    sha256sum --check --quiet SHA256SUMS

## Install

    ./install --signers SIGNERS

checks the same, makes a virtual environment in `./venv` (`--venv DIR`) and fills it from `wheels/` alone. It needs one
of these Pythons: {pythons}; the wheels are for {platform}.

## Use

In this folder, as in a clone: `venv/bin/hyops-gitops status`, `plan`, `validate`, `audit`. What only the history of the
contracts could tell is said to be unknown. With stock tools, and no git:

    script/audit.sh evidence SIGNERS --genesis {genesis}
"""


def bundle_readme(info: BundleInfo) -> bytes:
    """The README of one bundle."""
    return _TEXT.format(
        zone=info.zone,
        commit=info.commit,
        as_of=time_text(info.as_of),
        head=f"{info.log.seq}:{info.log.sha256}",
        pythons=", ".join(info.pythons),
        platform=info.platform,
        genesis=info.log.genesis,
    ).encode()
