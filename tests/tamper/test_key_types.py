"""Entries signed by keys of every type, in one log, judged by both verifiers."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hyops_gitops.adapters.ssh.signing import SshKeygenSigner
from hyops_gitops.core.ports import Signer
from hyops_gitops.log.admin_entries import Reconcile
from hyops_gitops.log.envelope import entry_path
from hyops_gitops.log.trust import BREAKGLASS_NAMESPACE
from tests.support.book import ZONE, Book, audit_script, commit_trees
from tests.support.clone import run
from tests.support.forks import HEAD, forked, offline_audit, problem_codes, store
from tests.support.security_key import KINDS, SoftwareToken, with_counter
from tests.support.segments import SEGMENT, Breakglass, read, take_in

FIRST = HEAD + 3  # after the entries that let the keys in


@pytest.fixture
def mixed(book: Book, clone: Callable[[], Path], tmp_path: Path) -> tuple[Book, Path]:
    """The log, going on with one entry by a key of each type; and the auditor's copy of the signers."""
    signers: dict[str, Signer] = {f"token{number}@tests": SoftwareToken(kind) for number, kind in enumerate(KINDS)}
    for kind in ("rsa", "ecdsa"):
        run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", tmp_path / kind, *_size(kind))
        signers[f"{kind}@tests"] = SshKeygenSigner(tmp_path / kind)
    copy = forked(book, clone(), HEAD)
    copy.tokens = signers
    copy.trust(_keys(signers), {}, "tokens")
    for principal in signers:
        copy.unchanged(principal)
    pinned = tmp_path / "pinned"
    pinned.write_text(copy.world.read("authority/allowed_signers"))
    return copy, pinned


def _size(kind: str) -> list[str]:
    return ["-b", "2048"] if kind == "rsa" else []


def _keys(signers: Mapping[str, Signer]) -> dict[str, str]:
    return {principal: signer.public_key() for principal, signer in signers.items()}


def test_entries_by_keys_of_every_type_pass_both(mixed: tuple[Book, Path]) -> None:
    copy, pinned = mixed
    root = store(copy)
    types = [entry.envelope.key.split()[0] for entry in copy.head.entries[FIRST - 1 :]]
    assert types == [*KINDS, "ssh-rsa", "ecdsa-sha2-nistp256"]
    found = offline_audit(root)
    assert (found.passed, found.entries) == (True, FIRST + 3)
    fine, said = audit_script(root, pinned)
    assert fine, said


@pytest.mark.parametrize("seq", [FIRST, FIRST + 1])
def test_a_token_s_entry_with_another_counter_is_refused_by_both(seq: int, mixed: tuple[Book, Path]) -> None:
    copy, pinned = mixed
    cut = copy.copy(seq)
    path = f"{entry_path(ZONE, seq)}.sig"
    cut.store.trees[-1] = {**cut.files, path: with_counter(cut.files[path], 99)}
    commit_trees(cut.world.root, cut.store.trees)
    assert problem_codes(offline_audit(cut.world.root)) == {"signature"}
    fine, said = audit_script(cut.world.root, pinned)
    assert not fine
    assert f"{seq} is not signed as it says" in said


def test_a_segment_signed_by_tokens_passes_verification_and_both_audits(
    book: Book, clone: Callable[[], Path], tmp_path: Path
) -> None:
    copy = forked(book, clone(), HEAD)
    operator, witness = "token0@tests", "token1@tests"
    copy.tokens = {operator: SoftwareToken(KINDS[0]), witness: SoftwareToken(KINDS[1])}
    copy.trust(_keys(copy.tokens), {}, "tokens", BREAKGLASS_NAMESPACE)
    glass = Breakglass.on(copy).move("10.0.0.2", operator, witness).move("10.0.0.1", witness)
    assert read(copy, glass.files).problems == ()
    for name in ("000001.json.sig", "000001.json.witness.sig"):
        damaged = {**glass.files, name: with_counter(glass.files[name], 99)}
        assert f"segments/{SEGMENT}/{name}" in {one.where for one in read(copy, damaged).problems}

    log, taken = take_in(glass)
    adopted = taken.entry.imported
    assert adopted is not None
    assert (adopted.operators, adopted.witnesses) == ((operator, witness), (witness,))
    body = log.head.body
    assert isinstance(body, Reconcile)
    copy.add(Reconcile(body.segment, body.count, body.head, "other@tests", reason="seen"), "other@tests")
    pinned = tmp_path / "pinned"
    pinned.write_text(copy.world.read("authority/allowed_signers"))
    root = store(copy)
    assert offline_audit(root).passed
    fine, said = audit_script(root, pinned)
    assert fine, said
