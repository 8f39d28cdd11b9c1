"""Entries that are signed as they should be and still cannot be: verification says so, and ends."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hyops_gitops.core.canonical import sha256_hex
from hyops_gitops.core.signers import SignerLine, SignerSet
from hyops_gitops.log.admin_entries import Genesis
from hyops_gitops.log.entries import Body
from hyops_gitops.log.envelope import encode, entry_path
from hyops_gitops.log.log import README, state_path, zone_path
from hyops_gitops.log.pages import LOG_PAGE, folder_page
from hyops_gitops.log.parts import TrustedKey
from hyops_gitops.log.verify import read_log
from tests.log.test_pages import ZONE, entry, intent, result

KEY = "ssh-ed25519 AAAA"
SIGNERS = SignerSet((SignerLine(1, "me", KEY, None, None, None, ""),))


def branch(*bodies: Body) -> Mapping[str, bytes]:
    """A branch of chained entries whose pages are not what follows from them."""
    files = dict.fromkeys((README, zone_path(ZONE), state_path(ZONE)), b"")
    files |= {f"{page}{end}": b"" for page in (LOG_PAGE, folder_page(ZONE, 1)) for end in ("", ".sig")}
    previous = ""
    for seq, body in enumerate((Genesis("a" * 40, (TrustedKey("me", KEY, ()),)), *bodies), 1):
        envelope = entry(seq, body).envelope
        if previous:
            envelope = replace(envelope, prev_entry=previous, prev_sig=sha256_hex(b"sig"))
        data = encode(envelope, body)
        files |= {entry_path(ZONE, seq): data, f"{entry_path(ZONE, seq)}.sig": b"sig"}
        previous = sha256_hex(data)
    return files


@pytest.mark.parametrize("seq", [-1, 0, 1, 2, 3, 4, 2**53 - 1])
def test_a_result_of_what_is_no_open_intent(seq: int) -> None:
    files = branch(intent(), replace(result(), intent_seq=seq))
    reading = read_log(ZONE, "c" * 40, files, signers=SIGNERS, genesis=None, check_signature=lambda *_: True)
    assert [(one.code, one.where) for one in reading.problems] == [("pairs", entry_path(ZONE, 3))]
