r"""A private key from a file or CI variable, fit for OpenSSH.

OpenSSH refuses a key that others may read, and one whose line ends are not LF. A CI system that writes its variables to
files (GitLab: mode 0666) can write no other; so there, and only there, the mode is passed over. The file itself is
never changed: OpenSSH is given a copy, for its owner alone, that exists for the length of one call.

Forms that can mean one key only are accepted: other line ends, a missing last line end, blanks around lines, a byte
order mark, quotes around all of it, `\n` for line ends, one long line, base64 of the whole, text before and after it.
No message holds any of it.
"""

import base64
import binascii
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hyops_gitops.adapters.files import at_home, scratch_folder
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import HyopsError, InvalidData, OutsideFailure
from hyops_gitops.core.sshsig import split_string

LIMIT = 64 * 1024  # octets
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
_OPENSSH = "OPENSSH PRIVATE KEY"
_MAGIC = b"openssh-key-v1\0"
_COLUMNS = 70
_LONGEST_LINE = 76  # of base64, RFC 2045
_COUNT_OCTETS = 4
_SEED_OCTETS = 32  # of an ed25519 key, RFC 8032
_NEW_KEY = "ssh-keygen -t ed25519 -f KEYFILE -N ''"
_COPY_AGAIN = "copy the whole file again, from `-----BEGIN` to `-----END ...-----`, or store `base64 -w0 KEYFILE`"
_LOCKED = (
    "it is locked with a passphrase, and no one is here to type it",
    f"use a key without one (`{_NEW_KEY}`), or load it with `ssh-add` and name its .pub file",
)
# Other kinds of keys, by their first characters: their name, and how to convert them.
_OTHERS = (
    (
        r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA|---- BEGIN SSH2 PUBLIC|-----BEGIN (RSA |EC )?PUBLIC KEY",
        "it is a public key",
        "give the private half, the file without .pub; a public key's own file name ends in .pub, and takes an agent",
    ),
    (r"PuTTY-User-Key-File-", "it is a key of PuTTY", "puttygen KEYFILE -O private-openssh -o NEWFILE"),
    (r"---- BEGIN SSH2", "it is a key of SSH Communications' form", f"ssh-keygen -i -f KEYFILE, or {_NEW_KEY}"),
    (r"-----BEGIN CERTIFICATE", "it is a certificate", "give the private key of OpenSSH"),
    (r"-----BEGIN PGP", "it is a key of OpenPGP", f"evidence takes keys of OpenSSH: {_NEW_KEY}"),
    (
        r"(\*+|\[MASKED\]|\[masked\])$",
        "it is the mask that a CI system shows in place of a secret",
        "store the key itself in the CI variable",
    ),
    (
        r"\$\{?\{? ?[A-Za-z_][\w.]* ?\}?\}?$",
        "it is the name of a variable, not its value",
        "define the variable for this job, and let the job expand it",
    ),
)
_EMPTY_HINT = (
    "the CI variable or secret has no value in this job: GitLab gives a protected variable to protected branches only, "
    "GitHub an environment's secrets to jobs of that environment, and a called workflow what its caller names"
)
_TEXT_OF_A_KEY = re.compile(r"-----BEGIN|PRIVATE KEY|LS0tLS1CRUdJTi|b3BlbnNzaC1rZXktdj|PuTTY-User-Key|\n")


def is_key_text(path: str) -> bool:
    """Whether the text in place of a file name is a key.

    No message may show it.
    """
    return _TEXT_OF_A_KEY.search(path) is not None


def openssh_form(data: bytes) -> bytes:
    """The key as OpenSSH reads it.

    Raises:
        InvalidData: code `bad-key`, with the problem and its remedy.
    """
    text = _text(data).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    if not text:
        raise _bad("it is empty", _EMPTY_HINT)
    text = text.replace("\\r", "").replace("\\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
    if not text.startswith("-") and (decoded := _base64(text)) is not None:
        whole = decoded.startswith(_MAGIC)
        return openssh_form(_block(_OPENSSH, text) if whole else decoded)
    blocks = _BLOCK.findall(text)
    if len(blocks) > 1:
        raise _bad("it holds several private keys", "leave the one that is meant")
    if not blocks:
        raise _what_it_is(text)
    label, body = blocks[0]
    if "ENCRYPTED" in label or "Proc-Type:" in body:
        raise _bad(*_LOCKED)
    if label == _OPENSSH:
        _check(_base64(body))
    return _block(label, body)


def _text(data: bytes) -> str:
    if len(data) > LIMIT:
        raise _bad("it is longer than any key", "name the key's own file")
    try:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad("it is not text", f"OpenSSH's form is text that begins with `-----BEGIN`: {_NEW_KEY}") from None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _block(label: str, body: str) -> bytes:
    lines = [line.strip() for line in body.strip().split("\n")]
    if any(len(line) > _LONGEST_LINE or " " in line for line in lines):
        joined = "".join(body.split())
        lines = [joined[start : start + _COLUMNS] for start in range(0, len(joined), _COLUMNS)]
    return "\n".join([f"-----BEGIN {label}-----", *filter(None, lines), f"-----END {label}-----", ""]).encode()


def _check(blob: bytes | None) -> None:
    """Whether OpenSSH's own form (PROTOCOL.key) is whole, and not locked."""
    if blob is None:
        raise _bad("its base64 is damaged or cut short", _COPY_AGAIN)
    if not blob.startswith(_MAGIC):
        raise _bad("it does not begin as a key of OpenSSH does", _COPY_AGAIN)
    try:
        cipher, rest = split_string(blob[len(_MAGIC) :])
        _, rest = split_string(rest)  # how a passphrase becomes a key, and with what
        _, rest = split_string(rest)
        _, rest = split_string(rest[_COUNT_OCTETS:])  # the public half
        split_string(rest)  # the private one
    except ValueError:
        raise _bad("it is cut short", _COPY_AGAIN) from None
    if cipher != b"none":
        raise _bad(*_LOCKED)


def ed25519_key(key: bytes) -> tuple[bytes, bytes] | None:
    """The public key's wire form and the seed; None for another key.

    Args:
        key: An unlocked key in OpenSSH's own form (PROTOCOL.key).
    """
    _, begin, body = key.partition(f"-----BEGIN {_OPENSSH}-----\n".encode())
    blob = _base64(body.partition(b"-----END")[0].decode("ascii", "replace")) if begin else None
    try:
        rest = (blob or b"").removeprefix(_MAGIC)
        for _ in range(3):  # cipher, and how a passphrase becomes a key
            _, rest = split_string(rest)
        count, rest = rest[:_COUNT_OCTETS], rest[_COUNT_OCTETS:]
        public, rest = split_string(rest)
        private, _ = split_string(rest)
        kind, rest = split_string(private[2 * _COUNT_OCTETS :])  # after a number that stands there twice
        point, rest = split_string(rest)
        secret, _ = split_string(rest)
    except ValueError:
        return None
    twice = private[:_COUNT_OCTETS] == private[_COUNT_OCTETS : 2 * _COUNT_OCTETS]
    whole = (kind, len(secret), secret[_SEED_OCTETS:]) == (b"ssh-ed25519", 2 * _SEED_OCTETS, point)
    return (public, secret[:_SEED_OCTETS]) if whole and twice and int.from_bytes(count, "big") == 1 else None


def _what_it_is(text: str) -> InvalidData:
    for pattern, reason, hint in _OTHERS:
        if re.match(pattern, text):
            return _bad(reason, hint)
    if "-----BEGIN" in text or "-----END" in text:
        return _bad("its first or last line is missing, or cut", _COPY_AGAIN)
    return _bad("it is not a private key", f"it has to begin with `-----BEGIN`: {_NEW_KEY}")


def _bad(reason: str, hint: str) -> InvalidData:
    return InvalidData(reason, code="bad-key", hint=hint)


_OTHERS_MAY = 0o077


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One private key file.

    Args:
        path: The file's path.
        variable: The environment variable that names it.
        environ: The environment of this process.
        failure: Makes the error of the file's name, the problem and its remedy.
    """

    path: Path
    variable: str
    environ: Mapping[str, str]
    failure: Callable[[str, str, str], HyopsError]

    @contextmanager
    def usable(self) -> Iterator[Path]:
        """A path from which OpenSSH takes this key, perhaps a copy.

        Raises:
            HyopsError: of `failure`'s making.
            OutsideFailure: code `cannot-write`: no copy can be made.
        """
        key, is_fit = self._checked()
        if is_fit:
            yield self.path
            return
        with scratch_folder() as folder:
            copy = folder / "key"
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(key)
            yield copy

    def ed25519_key(self) -> tuple[bytes, bytes] | None:
        """As `ed25519_key` has it, of a file that OpenSSH may be given.

        Raises:
            HyopsError: of `failure`'s making.
        """
        return ed25519_key(self._checked()[0])

    def _checked(self) -> tuple[bytes, bool]:
        """The key as OpenSSH reads it; whether the file will do."""
        data = self.content(LIMIT + 1)
        try:
            key = openssh_form(data)
        except InvalidData as bad:
            raise self.refused(bad.message, bad.hint) from None
        loose = self._is_loose()
        if loose and not self.environ.get("CI"):
            raise self.refused("others may read it", f"chmod 600 {self.path}")
        return key, key == data and not loose

    def content(self, most: int) -> bytes:
        """The file's first octets.

        Raises:
            HyopsError: of `failure`'s making.
        """
        if is_key_text(str(self.path)):
            hint = f"{self.variable} names a file: write the key to one (GitLab: a variable of type File)"
            raise self.failure("", f"{self.variable} holds a key itself, not the name of a file", hint)
        try:
            if self.path.is_dir():
                raise self.refused("it is a directory", f"point {self.variable} at the key file")
            if not self.path.is_file():
                raise self.refused("there is no such file", self._missing_hint())
            with self.path.open("rb") as file:
                return file.read(most)
        except OSError as error:
            raise self.refused(f"it cannot be read: {error.strerror}", "check its owner and mode") from None

    def refused(self, reason: str, hint: str) -> HyopsError:
        """The error to raise."""
        return self.failure(str(self.path), reason, hint)

    def _missing_hint(self) -> str:
        if str(self.path).startswith("$"):
            return "the CI variable is not defined in this job: GitLab gives a protected one to protected branches only"
        return f"{self.variable} has to name the file with the private key"

    def _is_loose(self) -> bool:
        """Whether OpenSSH would refuse its mode as its owner."""
        status = self.path.stat()
        return status.st_uid == os.getuid() and bool(status.st_mode & _OTHERS_MAY)


DEPLOY_KEY = "HYOPS_DEPLOY_KEY_FILE"
KNOWN_HOSTS = "HYOPS_KNOWN_HOSTS_FILE"
_MOST = 1024 * 1024  # octets of host keys


@contextmanager
def ssh_with_deploy_key(environ: Mapping[str, str]) -> Iterator[str | None]:
    """The ssh command of the deploy key, None where none is named.

    Raises:
        OutsideFailure: code `deploy-key`: the key or the file of host keys cannot be used; `cannot-write`.
    """
    named, hosts = environ.get(DEPLOY_KEY, ""), environ.get(KNOWN_HOSTS, "")
    if not named:
        yield None
        return
    with scratch_folder() as folder, KeyFile(at_home(Path(named)), DEPLOY_KEY, environ, _bad_key).usable() as key:
        options = ["BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
        if hosts:
            (folder / "known_hosts").write_bytes(_host_keys(hosts, environ))
            options.append(f'UserKnownHostsFile="{folder / "known_hosts"}"')
        yield shlex.join(["ssh", "-F", "none", "-i", str(key), *(f"-o{option}" for option in options)])


def _host_keys(named: str, environ: Mapping[str, str]) -> bytes:
    """The lines of host keys, with the line ends that ssh reads."""
    file = KeyFile(at_home(Path(named)), KNOWN_HOSTS, environ, _bad_hosts)
    lines = file.content(_MOST).removeprefix(b"\xef\xbb\xbf").replace(b"\r", b"\n").split(b"\n")
    kept = [line.strip() for line in lines if line.strip()]
    if not kept:
        raise file.refused(
            "it is empty", "`ssh-keyscan HOST` shows a server's keys; compare them with what it publishes"
        )
    return b"\n".join([*kept, b""])


def _bad_key(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the deploy key {path!r} cannot be used: {reason}" if path else f"no deploy key: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)


def _bad_hosts(path: str, reason: str, hint: str) -> OutsideFailure:
    named = f"the file of host keys {path!r} cannot be used: {reason}" if path else f"no host keys: {reason}"
    return OutsideFailure(named, code="deploy-key", hint=hint)
