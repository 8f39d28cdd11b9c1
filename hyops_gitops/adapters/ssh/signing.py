"""Signatures of `ssh-keygen -Y sign`, made by it or here.

Meets the port `Signer`. Never prompts: an applier runs unattended.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from hyops_gitops.adapters.files import at_home, scratch_folder
from hyops_gitops.adapters.host.machine import Done, Program, words
from hyops_gitops.adapters.ssh.key_file import LIMIT, KeyFile
from hyops_gitops.core.errors import InvalidData, OutsideFailure, Refused, UsageError
from hyops_gitops.core.signers import parse_allowed_signers
from hyops_gitops.core.sshsig import (
    SshSignature,
    armour,
    join_strings,
    key_text,
    parse_signature,
    signed_data,
    split_string,
)

_SSH_KEYGEN = Program(
    "ssh-keygen",
    code="no-ssh-keygen",
    hint="install the package openssh-client",
    slow_hint="unlock the agent, or touch the hardware key",
    timeout_s=60,  # long enough to touch a hardware key
)
_KEPT_VARIABLES = ("HOME", "PATH", "SSH_AUTH_SOCK", "SSH_SK_PROVIDER", "SSH_SK_HELPER", "TMPDIR")
# How a user without a passwd entry is given one (nss_wrapper), and a program its libraries.
_KEPT_PREFIXES = ("NSS_WRAPPER_", "LD_")


def run_ssh_keygen(*arguments: str, stdin: bytes = b"", environ: Mapping[str, str] = os.environ) -> Done:
    """Run ssh-keygen, whose words tell a verdict from a failure.

    It ends with 255 for both.

    Raises:
        OutsideFailure: code `no-ssh-keygen`: it could not run, or took too long.
    """
    kept = {
        name: value for name, value in environ.items() if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    return _SSH_KEYGEN.run(
        *arguments,
        stdin=stdin,
        env={**kept, "LC_ALL": "C", "TZ": "UTC", "SSH_ASKPASS_REQUIRE": "never"},
        detached=True,  # without a controlling terminal there is nothing to prompt on
    )


def cannot_run(done: Done) -> OutsideFailure:
    """The failure to raise where ssh-keygen ended without one of its verdicts."""
    printed = "; ".join(filter(None, (words(done.stdout), words(done.stderr))))
    return _SSH_KEYGEN.no_verdict(printed or f"exit status {done.returncode}")


def generate_key(path: Path, comment: str, environ: Mapping[str, str] = os.environ) -> None:
    """Make an ed25519 key without passphrase.

    The private half is at `path`, for its owner alone, the public at `.pub`.

    Raises:
        UsageError: code `key-exists`: one of the two is there.
        OutsideFailure: codes `no-ssh-keygen`, `cannot-write`.
    """
    for existing in (path, path.with_name(f"{path.name}.pub")):
        if os.path.lexists(existing):
            raise UsageError(
                f"{existing} is there already", code="key-exists", hint=f"to use that key: --signing-key {path}"
            )
    made = run_ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", os.fspath(path), environ=environ)
    if made.returncode != 0:
        raise OutsideFailure(f"ssh-keygen cannot write {path}: {words(made.stderr)}", code="cannot-write")
    path.chmod(0o600)


KEY_VARIABLE = "HYOPS_SIGNING_KEY_FILE"
_MAKE_A_KEY = (
    f"make a key with `ssh-keygen -t ed25519 -f KEYFILE -N ''`, set {KEY_VARIABLE}=KEYFILE, and add "
    "`PRINCIPAL` and the first two words of KEYFILE.pub as a line to authority/allowed_signers"
)


class SshKeygenSigner:
    """One signing key: a private file, or a `.pub` file with agent.

    Args:
        path: The key file.
        environ: Where `PATH` and `SSH_AUTH_SOCK` come from.
    """

    def __init__(self, path: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._path = path
        self._environ = environ
        self._file = KeyFile(path, KEY_VARIABLE, environ, _refused)
        self._key: str | None = None

    def public_key(self) -> str:
        """`<type> <base64>`, as in allowed_signers, without comment.

        Derived from the private key where that is given: a `.pub` file beside it may be another key's.

        Raises:
            Refused: guard `signing-key`: no key, unreadable, spoiled, or locked.
            OutsideFailure: code `no-ssh-keygen`.
        """
        if self._key is None:
            self._key = self._read_public_file() if self._is_public else self._derive_public_key()
        return self._key

    def sign(self, message: bytes, namespace: str) -> bytes:
        """The armoured SSH signature, exactly as `ssh-keygen -Y sign` writes it.

        Raises:
            Refused: guard `signing-key`.
            OutsideFailure: code `no-ssh-keygen`.
        """
        key = self.public_key()
        if (made_here := self._signed_here(message, namespace)) is not None:
            return made_here
        with nullcontext(self._path) if self._is_public else self._file.usable() as path:
            made = run_ssh_keygen(
                "-Y", "sign", "-n", namespace, "-f", os.fspath(path), stdin=message, environ=self._environ
            )
        if made.returncode != 0:
            raise self._file.refused(
                f"ssh-keygen could not sign with it: {words(made.stderr)}",
                "start the agent and load the key; `ssh-add -L` lists it" if self._is_public else "",
            )
        try:
            signature = parse_signature(made.stdout)
        except InvalidData as error:
            raise self._file.refused(f"ssh-keygen wrote something unexpected: {error.message}", "") from None
        if (signature.key, signature.namespace) != (key, namespace):
            raise self._file.refused("ssh-keygen signed with another key", "check the .pub file beside it")
        return made.stdout

    def _signed_here(self, message: bytes, namespace: str) -> bytes | None:
        """What ssh-keygen would write; None for a key left to it.

        An ed25519 signature follows from key and message. An apply signs nine times, and ssh-keygen takes 5 ms each;
        it still judges the key, once, by deriving its public half.
        """
        own = None if self._is_public else self._file.ed25519_key()
        if own is None or key_text(own[0]) != self.public_key():
            return None
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - 15 ms

        unsigned = SshSignature(own[0], namespace, "sha512", b"")
        made = Ed25519PrivateKey.from_private_bytes(own[1]).sign(signed_data(unsigned, message))
        return armour(replace(unsigned, signature=join_strings(b"ssh-ed25519", made)))

    @property
    def _is_public(self) -> bool:
        return self._path.suffix == ".pub"

    def _derive_public_key(self) -> str:
        with self._file.usable() as path:
            # The empty passphrase fits an unlocked key, and lets a locked one fail instead of asking.
            derived = run_ssh_keygen("-y", "-P", "", "-f", os.fspath(path), environ=self._environ)
        found = derived.stdout.decode("utf-8", "replace").split()
        if derived.returncode == 0 and len(found) > 1:
            return f"{found[0]} {found[1]}"
        raise self._file.refused(
            f"ssh-keygen cannot read it: {words(derived.stderr)}",
            "copy it again: it was changed on its way, or is of a form or type that this ssh-keygen does not know",
        )

    def _read_public_file(self) -> str:
        found = self._file.content(LIMIT).split()
        # Read by the same rules as a line of allowed_signers, under a principal that does not matter.
        lines, findings = parse_allowed_signers(b" ".join([b"key", *found[:2]]) + b"\n", self._path.name)
        if findings or len(lines) != 1:
            raise self._file.refused("it is not a public key", _MAKE_A_KEY)
        return lines[0].key


def _refused(path: str, reason: str, hint: str) -> Refused:
    named = f"the signing key {path!r} cannot be used: {reason}" if path else f"no signing key: {reason}"
    return Refused(named, guard="signing-key", hint=hint)


def signer_from_environment(environ: Mapping[str, str]) -> SshKeygenSigner:
    """The signer that `HYOPS_SIGNING_KEY_FILE` names.

    Raises:
        Refused: guard `signing-key`: the variable is not set.
    """
    path = environ.get(KEY_VARIABLE, "")
    if not path:
        raise Refused(
            f"no signing key: {KEY_VARIABLE} is not set; evidence must be signed", guard="signing-key", hint=_MAKE_A_KEY
        )
    return SshKeygenSigner(at_home(Path(path)), environ)


_CURVES = {"nistp256": "SECP256R1", "nistp384": "SECP384R1", "nistp521": "SECP521R1"}
_CURVE_HASHES = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_RSA_HASHES = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}  # never SHA-1
_SMALLEST_RSA_BITS = 1024  # as OpenSSH has it
_LONGEST_NUMBER = 16384 // 8  # octets, likewise
_UNCOMPRESSED = 4  # the first octet of a point, SEC 1 section 2.3.3
_TOKEN_OCTETS = 5  # what a FIDO2 token adds: flags and counter

_Blobs = tuple[bytes, bytes]  # what follows the type in the key, and in the signature


class SshVerifier:
    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        """Whether this is a canonical SSH signature by `key`.

        Raises:
            OutsideFailure: code `no-ssh-keygen`: it is needed for this type of key, and came to no verdict.
        """
        try:
            parsed = parse_signature(signature)
            if parsed.key != key or parsed.namespace != namespace:
                return False
        except InvalidData:
            return False
        check = _CHECKS.get(key.partition(" ")[0])
        if check is None:
            return _verify_with_ssh_keygen(message, signature, namespace)
        return _verify_here(check, parsed, message)


def _verify_here(check: Callable[[_Blobs, bytes], None], signature: SshSignature, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 60 ms that only verification should cost

    try:
        kind, key = split_string(signature.public_key)
        signed_as, made = split_string(signature.signature)
        if signed_as != kind and (kind != b"ssh-rsa" or signed_as not in _RSA_HASHES):
            return False
        if kind == b"ssh-rsa":
            made = signature.signature  # the hash is in its type
        check((key, made), signed_data(signature, message))
    except (ValueError, InvalidSignature):
        return False
    return True


def _ed25519(blobs: _Blobs, data: bytes) -> None:
    _check_ed25519(_only_string(blobs[0]), _only_string(blobs[1]), data)


def _token_ed25519(blobs: _Blobs, data: bytes) -> None:
    public, application = split_string(blobs[0])
    made, added = split_string(blobs[1])
    _check_ed25519(public, made, _asked_of_token(application, added, data))


def _rsa(blobs: _Blobs, data: bytes) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415 - as above

    exponent, rest = _number(blobs[0])
    modulus, rest = _number(rest)
    kind, made = split_string(blobs[1])
    made, octets = _only_string(made), (modulus.bit_length() + 7) // 8
    if rest or modulus.bit_length() < _SMALLEST_RSA_BITS or len(made) > octets:
        raise ValueError("no RSA key or signature")
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    public.verify(made.rjust(octets, b"\0"), data, padding.PKCS1v15(), getattr(hashes, _RSA_HASHES[kind])())


def _ecdsa(curve: str) -> Callable[[_Blobs, bytes], None]:
    def check(blobs: _Blobs, data: bytes) -> None:
        name, rest = split_string(blobs[0])
        _check_ecdsa(curve, (name, _only_string(rest)), _only_string(blobs[1]), data)

    return check


def _token_ecdsa(blobs: _Blobs, data: bytes) -> None:
    name, rest = split_string(blobs[0])
    point, application = split_string(rest)
    made, added = split_string(blobs[1])
    _check_ecdsa("nistp256", (name, point), made, _asked_of_token(application, added, data))


def _check_ed25519(public: bytes, made: bytes, data: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    Ed25519PublicKey.from_public_bytes(public).verify(made, data)


def _check_ecdsa(curve: str, key: tuple[bytes, bytes], made: bytes, data: bytes) -> None:
    """Verify a signature of two numbers by a point of a curve."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - as above

    name, point = key
    first, rest = _number(made)
    second, rest = _number(rest)
    if name != curve.encode() or point[:1] != bytes([_UNCOMPRESSED]) or rest:
        raise ValueError("no ECDSA key or signature of this curve")
    public = ec.EllipticCurvePublicKey.from_encoded_point(getattr(ec, _CURVES[curve])(), point)
    public.verify(utils.encode_dss_signature(first, second), data, ec.ECDSA(getattr(hashes, _CURVE_HASHES[curve])()))


def _asked_of_token(application: bytes, added: bytes, data: bytes) -> bytes:
    """The data that a token signs: application, counters and digests."""
    name = _only_string(application)
    if len(added) != _TOKEN_OCTETS or b"\0" in name:
        raise ValueError("no key or signature of a token")
    return hashlib.sha256(name).digest() + added + hashlib.sha256(data).digest()


_CHECKS: Mapping[str, Callable[[_Blobs, bytes], None]] = {
    "ssh-ed25519": _ed25519,
    "ssh-rsa": _rsa,
    **{f"ecdsa-sha2-{curve}": _ecdsa(curve) for curve in _CURVES},
    "sk-ssh-ed25519@openssh.com": _token_ed25519,
    "sk-ecdsa-sha2-nistp256@openssh.com": _token_ecdsa,
}


def _only_string(blob: bytes) -> bytes:
    """The one string that a blob is."""
    value, rest = split_string(blob)
    if rest:
        raise ValueError("something follows")
    return value


def _number(blob: bytes) -> tuple[int, bytes]:
    """The leading positive number (RFC 4251, mpint), and the rest."""
    value, rest = split_string(blob)
    if value[:1] > b"\x7f" or len(value.lstrip(b"\0")) > _LONGEST_NUMBER:
        raise ValueError("no positive number, or too long a one")
    return int.from_bytes(value, "big"), rest


def _verify_with_ssh_keygen(message: bytes, signature: bytes, namespace: str) -> bool:
    with scratch_folder() as folder:
        file = folder / "message.sig"
        file.write_bytes(signature)
        # Only the signature itself is asked about; its key was compared before, so no list of signers is needed.
        check = run_ssh_keygen("-Y", "check-novalidate", "-n", namespace, "-s", str(file), stdin=message)
    if check.returncode == 0:
        return True
    if b"Could not verify signature" in check.stdout:
        return False
    raise cannot_run(check)  # its exit status is the same for "no" and for "could not look"
