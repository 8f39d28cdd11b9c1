"""Large inputs of shapes that make parsers slow: deep, repeated, unfinished, without an end of line."""

from collections.abc import Mapping

_KEY = b"a@x ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"
_REPEATED = {
    "brackets": b"[",
    "mappings in mappings": b"{a: ",
    "objects in objects": b'{"a":',
    "lists in lists": b"- ",
    "keys of keys": b"? ",
    "colons": b": ",
    "tabs": b"\t",
    "blank lines": b" \n",
    "quotes": b'"',
    "backslashes": b"\\",
    "directives": b"%YAML\n",
    "anchors": b"- &a 1\n",
    "one key": b"a: 1\n",
    "one signer": _KEY,
    "records": b'a.z.internal. 60 IN TXT "x"\n',
    "trailers": b"hyops-kind: x\n",
    "folded trailers": b"hyops-kind: x\n x\n",
}
_AFTER = {
    "one word": (b"a: ", b"x"),
    "digits": (b"a: ", b"9"),
    "escapes": (b'a: "', b"\\x41"),
    "targets": (b"endpoint_target:\n", b"- 10.0.0.1\n"),
    "aliases": (b"endpoint_aliases:\n", b"- {name: a.prod.hyops.internal, until: 2027-01-01}\n"),
    "options of a signer": (b"a@x ", b'namespaces="a",'),
    "one long rdata": (b"a.z.internal. 60 IN TXT ", b"\\"),
    "one long name": (b"a.z.internal. 60 IN CNAME ", b"\\001"),
    "one long trailer": (b"hyops-kind: x\n", b" x\n"),
}


def shapes(size: int) -> Mapping[str, bytes]:
    """Each shape in about so many bytes."""
    made = {name: unit * (size // len(unit)) for name, unit in _REPEATED.items()}
    made |= {name: head + unit * (size // len(unit)) for name, (head, unit) in _AFTER.items()}
    made["unknown keys"] = b"".join(b"endpoint_%05d: 1\n" % number for number in range(size // 18))
    made["sites"] = b"endpoint_sites:\n" + b"".join(b"  s%05d: 10.0.0.1\n" % number for number in range(size // 19))
    return made
