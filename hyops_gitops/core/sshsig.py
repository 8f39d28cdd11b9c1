"""SSH signatures as values (OpenSSH's PROTOCOL.sshsig). Pure; verifies nothing.

The armour is accepted only as the exact bytes `ssh-keygen -Y sign` writes. OpenSSH itself reads more loosely (other
line lengths, unused base64 bits, text after the end), so that many different files pass as one signature; a log that
hashes its signature files needs there to be one.
"""

import base64
import binascii
import hashlib

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData

_BEGIN = b"-----BEGIN SSH SIGNATURE-----\n"
_END = b"-----END SSH SIGNATURE-----\n"
_COLUMNS = 70  # base64 characters a line
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASHES = {"sha256": hashlib.sha256, "sha512": hashlib.sha512}
_LENGTH_OCTETS = 4


@dataclass(frozen=True, slots=True)
class SshSignature:
    """The fields of one signature file."""

    public_key: bytes  # the key's wire form, RFC 4253 section 6.6
    namespace: str
    hash_algorithm: str  # sha256 or sha512
    signature: bytes  # the signature's wire form, its algorithm's name first

    @property
    def key(self) -> str:
        """The signing key as `<type> <base64>`."""
        return key_text(self.public_key)


def parse_signature(armoured: bytes) -> SshSignature:
    """The signature in the bytes of a `.sig` file.

    Raises:
        InvalidData: code `bad-signature`: the bytes are not what `ssh-keygen -Y sign` writes.
    """
    if not (armoured.startswith(_BEGIN) and armoured.endswith(b"\n" + _END)):
        raise _bad("it does not begin and end with the lines of an SSH signature")
    try:
        blob = base64.b64decode(armoured[len(_BEGIN) : -len(_END)].replace(b"\n", b""), validate=True)
    except binascii.Error as error:
        raise _bad(f"its base64 is broken: {error}") from None
    signature = _parse_blob(blob)
    if armour(signature) != armoured:
        raise _bad("it is not written exactly as ssh-keygen writes it")
    return signature


def armour(signature: SshSignature) -> bytes:
    """The file `ssh-keygen -Y sign` writes for this signature."""
    blob = (
        _MAGIC
        + _VERSION.to_bytes(4, "big")
        + _string(signature.public_key)
        + _string(signature.namespace.encode())
        + _string(b"")
        + _string(signature.hash_algorithm.encode())
        + _string(signature.signature)
    )
    text = base64.b64encode(blob)
    lines = [text[start : start + _COLUMNS] + b"\n" for start in range(0, len(text), _COLUMNS)]
    return _BEGIN + b"".join(lines) + _END


def signed_data(signature: SshSignature, message: bytes) -> bytes:
    """The octets that are signed for `message` (PROTOCOL.sshsig section 3)."""
    digest = _HASHES[signature.hash_algorithm](message).digest()
    return (
        _MAGIC
        + _string(signature.namespace.encode())
        + _string(b"")
        + _string(signature.hash_algorithm.encode())
        + _string(digest)
    )


def key_text(blob: bytes) -> str:
    """A public key's wire form as `<type> <base64>`.

    Raises:
        InvalidData: code `bad-key`: the blob does not begin with a key type.
    """
    try:
        kind = split_string(blob)[0].decode("ascii")
    except (ValueError, UnicodeDecodeError):
        raise InvalidData("not a public key: it does not begin with its type", code="bad-key") from None
    return f"{kind} {base64.b64encode(blob).decode()}"


def split_string(data: bytes) -> tuple[bytes, bytes]:
    """The leading SSH string (RFC 4251 section 5), and the rest.

    Raises:
        ValueError: `data` is shorter than the string says.
    """
    end = _LENGTH_OCTETS + int.from_bytes(data[:_LENGTH_OCTETS], "big")
    if len(data) < max(end, _LENGTH_OCTETS):
        raise ValueError("cut short")
    return data[_LENGTH_OCTETS:end], data[end:]


def join_strings(*values: bytes) -> bytes:
    """These as SSH strings (RFC 4251 section 5), one after another."""
    return b"".join(map(_string, values))


def _parse_blob(blob: bytes) -> SshSignature:
    head = len(_MAGIC) + 4
    if not blob.startswith(_MAGIC):
        raise _bad("it lacks the mark SSHSIG")
    version = int.from_bytes(blob[len(_MAGIC) : head], "big")
    if version != _VERSION:
        raise _bad(f"its version is {version}, not {_VERSION}")
    fields: list[bytes] = []
    rest = blob[head:]
    try:
        for _ in range(5):
            field, rest = split_string(rest)
            fields.append(field)
        public_key, namespace, reserved, hash_algorithm, signature = fields
        found = SshSignature(public_key, namespace.decode(), hash_algorithm.decode(), signature)
    except (ValueError, UnicodeDecodeError):
        raise _bad("a field of it is cut short or no text") from None
    if rest:
        raise _bad("something follows its last field")
    if reserved:
        raise _bad("its reserved field is not empty")
    if not found.namespace:
        raise _bad("its namespace is empty")
    if found.hash_algorithm not in _HASHES:
        raise _bad(f"its hash algorithm is {found.hash_algorithm!r}, not sha256 or sha512")
    return found


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_OCTETS, "big") + data


def _bad(reason: str) -> InvalidData:
    return InvalidData(f"not a canonical SSH signature: {reason}", code="bad-signature")
