"""Keys as CI systems hand them over: taken where they can mean one key only, else named, with the way to mend them."""

import base64
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hyops_gitops.adapters.ssh.key_file import ssh_with_deploy_key
from hyops_gitops.adapters.ssh.signing import SshKeygenSigner, SshVerifier, signer_from_environment
from hyops_gitops.core.errors import OutsideFailure, Refused

NS = "hyops-gitops"
CI = {**os.environ, "CI": "true"}
KeyMaker = Callable[..., Path]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty before and after."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_left(scratch: Path) -> Iterator[None]:
    yield
    assert list(scratch.iterdir()) == []


def public(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def written(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    file = folder / "from-ci"
    file.write_bytes(data)
    file.chmod(mode)
    return file


def on_each_line(before: bytes, data: bytes) -> bytes:
    return b"".join(before + line for line in data.splitlines(keepends=True))


TAKEN: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda key: key,
    "carriage returns": lambda key: key.replace(b"\n", b"\r\n"),
    "old line ends": lambda key: key.replace(b"\n", b"\r"),
    "no line end at the end": lambda key: key.rstrip(b"\n"),
    "carriage returns and no end": lambda key: key.replace(b"\n", b"\r\n").rstrip(b"\r\n"),
    "an empty line before": lambda key: b"\n\n" + key,
    "leading spaces": lambda key: on_each_line(b"    ", key),
    "trailing spaces": lambda key: key.replace(b"\n", b"  \n"),
    "escaped line ends": lambda key: key.replace(b"\n", b"\\n"),
    "escaped line ends in quotes": lambda key: b'"' + key.replace(b"\n", b"\\n") + b'"\n',
    "escaped carriage returns": lambda key: key.replace(b"\n", b"\\r\\n"),
    "one line": lambda key: b" ".join(key.split(b"\n")),
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 with carriage returns": lambda key: base64.b64encode(key.replace(b"\n", b"\r\n")) + b"\r\n",
    "a byte order mark": lambda key: b"\xef\xbb\xbf" + key,
    "UTF-16": lambda key: key.decode().encode("utf-16"),
    "text after it": lambda key: key + b"EOF\n",
    "its public half after it": lambda key: key + b"ssh-ed25519 AAAA me@here\n",
    "a comment before it": lambda key: b"# the applier's key\n" + key,
}


@pytest.mark.parametrize("mode", [0o600, 0o666])
@pytest.mark.parametrize("how", TAKEN)
def test_a_key_that_ci_spoiled_signs_as_before(how: str, mode: int, ed25519_key: Path, tmp_path: Path) -> None:
    file = written(tmp_path, spoiled := TAKEN[how](ed25519_key.read_bytes()), mode)
    signer = SshKeygenSigner(file, CI)
    assert signer.public_key() == public(ed25519_key)
    assert SshVerifier().verify(b"m", signer.sign(b"m", NS), public(ed25519_key), NS)
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (spoiled, mode)  # the file itself is left alone


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
@pytest.mark.parametrize("form", ["PEM", "PKCS8", "RFC4716"])
@pytest.mark.parametrize("how", ["as it is", "carriage returns", "one line", "base64"])
def test_every_form_that_openssh_reads_is_taken(kind: str, form: str, how: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    size = ["-b", "2048"] if kind == "rsa" else []
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *size, "-m", form, "-N", "", "-f", key], check=True)
    assert SshKeygenSigner(written(tmp_path, TAKEN[how](key.read_bytes()))).public_key() == public(key)


def damaged(key: bytes) -> bytes:
    lines = key.split(b"\n")
    return b"\n".join([lines[0], b"####" + lines[1][4:], *lines[2:]])


def without_line(number: int) -> Callable[[bytes], bytes]:
    def cut(key: bytes) -> bytes:
        lines = key.strip().split(b"\n")
        del lines[number]
        return b"\n".join([*lines, b""])

    return cut


REFUSED: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "empty": (lambda _: b"", "it is empty", "protected variable"),
    "a line end alone": (lambda _: b"\n", "it is empty", "jobs of that environment"),
    "the mask of GitHub": (lambda _: b"***\n", "mask", "store the key itself"),
    "the mask of GitLab": (lambda _: b"[MASKED]\n", "mask", "store the key itself"),
    "an unexpanded variable": (lambda _: b"$SIGNING_KEY\n", "the name of a variable", "expand it"),
    "an unexpanded expression": (lambda _: b"${{ secrets.KEY }}\n", "the name of a variable", "expand it"),
    "the first line lost": (without_line(0), "first or last line is missing", "copy the whole file"),
    "the last line lost": (without_line(-1), "first or last line is missing", "base64 -w0"),
    "the first line alone": (lambda key: key.split(b"\n")[0], "first or last line is missing", "copy the whole"),
    "a line lost": (without_line(2), "cut short", "copy the whole file"),
    "base64 cut off": (lambda key: base64.b64encode(key)[:200], "first or last line is missing", "copy the whole"),
    "damaged": (damaged, "base64 is damaged", "copy the whole file"),
    "two keys": (lambda key: key + key, "several private keys", "leave the one"),
    "a key of PuTTY": (
        lambda _: b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
        "a key of PuTTY",
        "puttygen KEYFILE -O private-openssh",
    ),
    "a key of SSH2": (
        lambda _: b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/56wAA\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\n",
        "SSH Communications",
        "ssh-keygen -i",
    ),
    "a public key": (lambda _: b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me\n", "it is a public key", "private half"),
    "a public key in base64": (lambda _: base64.b64encode(b"ssh-rsa AAAAB3Nz me"), "it is a public key", "private"),
    "a certificate": (
        lambda _: b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "certificate",
        "key",
    ),
    "OpenPGP": (lambda _: b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n", "OpenPGP", "ssh-keygen"),
    "a binary key": (lambda _: b"\x30\x82\xff\xfe\x00\x01", "not text", "-----BEGIN"),
    "something long": (lambda _: b"x" * 70_000, "longer than any key", "own file"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_no_key_is_named_with_the_way_to_mend_it(how: str, ed25519_key: Path, tmp_path: Path) -> None:
    make, reason, remedy = REFUSED[how]
    key = ed25519_key.read_bytes()
    with pytest.raises(Refused) as caught:
        SshKeygenSigner(written(tmp_path, make(key)), CI).public_key()
    assert reason in caught.value.message
    assert remedy in caught.value.hint
    shown = caught.value.message + caught.value.hint
    assert not any(line.decode() in shown for line in key.split(b"\n")[1:-2])


@pytest.mark.parametrize(("kind", "form"), [("ed25519", "RFC4716"), ("rsa", "PEM"), ("rsa", "PKCS8")])
def test_a_locked_key_of_every_form_is_called_locked(kind: str, form: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", "secret", "-f", key], check=True)
    with pytest.raises(Refused, match="locked with a passphrase") as caught:
        SshKeygenSigner(written(tmp_path, key.read_bytes(), 0o666), CI).public_key()
    assert "ssh-add" in caught.value.hint


def test_a_form_that_this_ssh_keygen_does_not_read_is_refused_with_its_words(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file = written(tmp_path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    known = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", file], capture_output=True, text=True, check=False)
    if known.returncode == 0:  # OpenSSH 9.6 and newer
        assert SshKeygenSigner(file).public_key() == " ".join(known.stdout.split()[:2])
        return
    with pytest.raises(Refused, match="ssh-keygen cannot read it: Load key") as caught:
        SshKeygenSigner(file).public_key()
    assert "form or type" in caught.value.hint


def test_outside_of_ci_a_key_that_others_may_read_is_refused(make_key: KeyMaker) -> None:
    key = make_key()
    key.chmod(0o640)
    environ = {name: value for name, value in os.environ.items() if name != "CI"}
    with pytest.raises(Refused, match="others may read it") as caught:
        SshKeygenSigner(key, environ).sign(b"m", NS)
    assert caught.value.hint == f"chmod 600 {key}"


@pytest.mark.parametrize("how", ["as it is", "escaped line ends", "base64"])
def test_a_key_given_in_place_of_its_files_name_is_never_shown(how: str, ed25519_key: Path) -> None:
    text = TAKEN[how](ed25519_key.read_bytes()).decode()
    with pytest.raises(Refused) as caught:
        signer_from_environment({**CI, "HYOPS_SIGNING_KEY_FILE": text}).public_key()
    shown = caught.value.message + caught.value.hint
    assert "HYOPS_SIGNING_KEY_FILE holds a key itself, not the name of a file" in shown
    assert "a variable of type File" in shown
    assert text[:40] not in shown
    with pytest.raises(OutsideFailure) as refused, ssh_with_deploy_key({**CI, "HYOPS_DEPLOY_KEY_FILE": text}):
        pass
    assert text[:40] not in refused.value.message + refused.value.hint


def test_a_variable_that_the_job_does_not_have_is_named() -> None:
    with pytest.raises(Refused, match="no such file") as caught:
        signer_from_environment({**CI, "HYOPS_SIGNING_KEY_FILE": "$SIGNING_KEY"}).public_key()
    assert "protected branches only" in caught.value.hint


# --- the deploy key


@pytest.mark.parametrize("how", TAKEN)
def test_ssh_is_given_the_deploy_key_as_it_takes_it(how: str, ed25519_key: Path, tmp_path: Path) -> None:
    file = written(tmp_path, TAKEN[how](ed25519_key.read_bytes()), 0o666)
    hosts = tmp_path / "hosts"
    hosts.write_bytes(b"\xef\xbb\xbfexample.net ssh-ed25519 AAAA\r\nexample.org ssh-ed25519 BBBB")
    environ = {**CI, "HYOPS_DEPLOY_KEY_FILE": str(file), "HYOPS_KNOWN_HOSTS_FILE": str(hosts)}
    with ssh_with_deploy_key(environ) as command:
        assert command is not None
        words = command.split()
        key, known = words[words.index("-i") + 1], command.partition("UserKnownHostsFile=")[2].strip("\"'")
        derived = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", key], capture_output=True, text=True, check=True)
        assert " ".join(derived.stdout.split()[:2]) == public(ed25519_key)
        assert Path(known).read_text() == "example.net ssh-ed25519 AAAA\nexample.org ssh-ed25519 BBBB\n"
        assert "StrictHostKeyChecking=yes" in command
        shown = subprocess.run(["sh", "-c", f"{command} -G host"], capture_output=True, text=True, check=True).stdout
        assert f"userknownhostsfile {known}\n" in shown


@pytest.mark.parametrize("how", REFUSED)
def test_a_deploy_key_that_is_none_is_named(how: str, ed25519_key: Path, tmp_path: Path) -> None:
    make, reason, remedy = REFUSED[how]
    file = written(tmp_path, make(ed25519_key.read_bytes()))
    with pytest.raises(OutsideFailure) as caught, ssh_with_deploy_key({**CI, "HYOPS_DEPLOY_KEY_FILE": str(file)}):
        pass
    assert caught.value.code == "deploy-key"
    assert reason in caught.value.message
    assert remedy in caught.value.hint


def test_host_keys_that_are_empty_are_named(ed25519_key: Path, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("\n")
    environ = {**CI, "HYOPS_DEPLOY_KEY_FILE": str(ed25519_key), "HYOPS_KNOWN_HOSTS_FILE": str(hosts)}
    with pytest.raises(OutsideFailure, match="cannot be used: it is empty"), ssh_with_deploy_key(environ):
        pass


def test_without_a_deploy_key_nothing_is_said_of_ssh() -> None:
    with ssh_with_deploy_key({"PATH": os.environ["PATH"]}) as command:
        assert command is None
