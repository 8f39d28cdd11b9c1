"""Checks SSH signatures in this process; a type of key that is unknown here goes to ssh-keygen.

Meets the port `Verifier`. Both ways require the canonical form of `sshsig` first, and the key that the signature
carries to be the expected one; then neither looks at any list of signers.

In this process no program can fail to run, so that a machine where ssh-keygen cannot (a user without a passwd entry)
reads a log as every other does. What counts is what OpenSSH counts, by its PROTOCOL, PROTOCOL.u2f and RFC 5656, 8332
and 8709; tests put every case to both.
"""

import hashlib
from collections.abc import Callable, Mapping

from hyops_gitops.adapters.files.files import scratch_folder
from hyops_gitops.adapters.ssh.ssh_keygen import cannot_run, run_ssh_keygen
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.signatures.sshsig import SshSignature, parse_signature, signed_data, split_string

_CURVES = {"nistp256": "SECP256R1", "nistp384": "SECP384R1", "nistp521": "SECP521R1"}
_CURVE_HASHES = {"nistp256": "SHA256", "nistp384": "SHA384", "nistp521": "SHA512"}
_RSA_HASHES = {b"rsa-sha2-256": "SHA256", b"rsa-sha2-512": "SHA512"}  # never SHA-1
_SMALLEST_RSA_BITS = 1024  # as OpenSSH has it
_LONGEST_NUMBER = 16384 // 8  # octets, likewise
_UNCOMPRESSED = 4  # the first octet of a point, SEC 1 section 2.3.3
_TOKEN_OCTETS = 5  # what a FIDO2 token adds: flags and counter

_Blobs = tuple[bytes, bytes]  # what follows the type in the key, and in the signature


class SshVerifier:
    """Stateless."""

    def verify(self, message: bytes, signature: bytes, key: str, namespace: str) -> bool:
        """Whether `signature` is a canonical SSH signature by `key` over `message` in `namespace`.

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
    """Args: the curve, its name and the point in the key, the two numbers of the signature, and what was signed."""
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
    """What a token signs: the application, what it saw and counted, and the data, by their digests."""
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
    """The positive number (RFC 4251 section 5, mpint) that a blob begins with, and what follows it."""
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
