"""core.signers against the words of ssh-keygen(1), and against ssh-keygen itself."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hyops_gitops.core.errors import Refused
from hyops_gitops.core.signers import SignerSet, fingerprint, parse_allowed_signers

PATH = "authority/allowed_signers"
ED = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMvJMKHHvOC4x0Qm3uCqRXqKm7t6yQRb1GlNVmYbZ6Qk"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
NS = "hyops-gitops"


def rules(text: str | bytes) -> list[tuple[int, str]]:
    data = text.encode() if isinstance(text, str) else text
    return [(finding.line, finding.rule) for finding in parse_allowed_signers(data, PATH)[1]]


def signers(text: str) -> SignerSet:
    return SignerSet(parse_allowed_signers(text.encode(), PATH)[0])


def test_reads_every_part_of_a_line() -> None:
    text = (
        "# who may sign\n\n"
        f'\tapplier@hyops  namespaces="{NS},{NS}-trust",valid-after="20260101Z",VALID-BEFORE="202701010203Z" {ED} a b\n'
    )
    lines, findings = parse_allowed_signers(text.encode(), PATH)
    assert findings == ()
    (line,) = lines
    assert (line.line, line.principal, line.key, line.comment) == (3, "applier@hyops", ED, "a b")
    assert line.namespaces == (NS, f"{NS}-trust")
    assert line.valid_after == datetime(2026, 1, 1, tzinfo=UTC)
    assert line.valid_before == datetime(2027, 1, 1, 2, 3, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "\n", "# a comment\n", f"me {ED}\n", f"me {ED} comment with # signs\n"])
def test_accepts(text: str) -> None:
    assert rules(text) == []


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"me {ED}", "signers-newline"),
        (f"me {ED}\r\n", "signers-newline"),
        (f"* {ED}\n", "signers-pattern"),
        (f"m?@x {ED}\n", "signers-pattern"),
        (f"!me {ED}\n", "signers-pattern"),
        (f"me,you {ED}\n", "signers-pattern"),
        (f'me namespaces="hyops-*" {ED}\n', "signers-pattern"),
        (f'me valid-before="20300101" {ED}\n', "signers-time-zone"),
        (f'me valid-after="20260101120000" {ED}\n', "signers-time-zone"),
        (f'me valid-after="2026Z" {ED}\n', "signers-syntax"),
        (f'me valid-after="20261301Z" {ED}\n', "signers-syntax"),
        (f'me valid-after="20270101Z",valid-before="20260101Z" {ED}\n', "signers-syntax"),
        (f"me cert-authority {ED}\n", "signers-syntax"),
        (f"me CERT-AUTHORITY {ED}\n", "signers-syntax"),
        (f'me namespaces="a", valid-after="20260101Z" {ED}\n', "signers-syntax"),
        (f'me namespaces="a",namespaces="b" {ED}\n', "signers-syntax"),
        (f'me namespaces="" {ED}\n', "signers-syntax"),
        (f'me namespaces="a,,b" {ED}\n', "signers-syntax"),
        (f"me namespaces=a {ED}\n", "signers-syntax"),
        (f'me touch-required="x" {ED}\n', "signers-syntax"),
        (f'"me you" {ED}\n', "signers-syntax"),
        (f"{ED}\n", "signers-syntax"),
        ("me\n", "signers-syntax"),
        ("me ssh-ed25519\n", "signers-syntax"),
        ("me ssh-ed25519 AAAA\n", "signers-syntax"),
        (f"me {ED[:-4]}\n", "signers-syntax"),
        (f"me {ED.replace('ssh-ed25519', 'ssh-rsa')}\n", "signers-syntax"),
        (f"me {ED.replace(' AAAA', ' AAAA*')}\n", "signers-syntax"),
        (f"me {ED} \x1b[31m\n", "signers-syntax"),
        (b"me \xff\n", "signers-syntax"),
    ],
)
def test_finds_one_defect(text: str | bytes, rule: str) -> None:
    assert rules(text) == [(1, rule)]


def test_one_key_twice_in_one_namespace_is_a_finding_and_in_two_is_none() -> None:
    assert rules(f'a namespaces="x" {ED}\nb namespaces="y,x" {ED}\n') == [(2, "signers-duplicate")]
    assert rules(f'a namespaces="x" {ED}\nb {ED}\n') == [(2, "signers-duplicate")]
    assert rules(f'a namespaces="x" {ED}\nb namespaces="y" {ED}\n') == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not listed"),
        (f'me namespaces="other" {ED}\n', "not allowed to sign in namespace"),
        (f'me valid-after="20260601120001Z" {ED}\n', "validity window"),
        (f'me valid-before="20260601115959Z" {ED}\n', "validity window"),
        (f"*@x {ED}\n", "a pattern or a list"),
        (f"a {ED}\nb {ED}\n", "lines 1 and 2"),
    ],
)
def test_principal_is_refused_for_its_own_reason(text: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        signers(text).principal_of(ED, NS, NOON)
    assert caught.value.guard == "signing-key"


def test_principal_is_the_one_on_the_single_line() -> None:
    found = signers(f'old namespaces="x" {ED}\nme namespaces="{NS}" {ED}\n')
    assert found.principal_of(ED, NS, NOON).principal == "me"


@pytest.mark.parametrize("option", ["valid-after", "valid-before"])
@pytest.mark.parametrize("second", ["115959", "120000", "120001"])
def test_window_edges_are_those_of_ssh_keygen(option: str, second: str, ed25519_key: Path, tmp_path: Path) -> None:
    key = " ".join(ed25519_key.with_suffix(".pub").read_text().split()[:2])
    text = f'me {option}="20260601{second}Z" {key}\n'
    allowed = tmp_path / "allowed"
    allowed.write_text(text)
    message = tmp_path / "message"
    message.write_bytes(b"hello")
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", NS, "-f", str(ed25519_key), str(message)], check=True)
    command = ["ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", "me", "-n", NS, "-s", f"{message}.sig"]
    theirs = subprocess.run(
        [*command, "-O", "verify-time=20260601120000Z"], input=b"hello", capture_output=True, check=False
    )
    assert signers(text).lines[0].covers(NOON) == (theirs.returncode == 0)


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_fingerprint_is_that_of_ssh_keygen(kind: str, two_keys: Callable[..., tuple[Path, Path]]) -> None:
    path, _ = two_keys(kind)
    printed = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, check=True, text=True).stdout
    assert fingerprint(path.with_suffix(".pub").read_text()) == printed.split()[1]
