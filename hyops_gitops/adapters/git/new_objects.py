"""New objects of a repository, written by git in one go.

They are made here, with the ids of `git hash-object`, `write-tree` and `commit-tree`; `unpack-objects` checks them.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import field

from hyops_gitops.adapters.git.objects import look_up
from hyops_gitops.adapters.git.process import Git
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import OutsideFailure

_KINDS = {"commit": 1, "tree": 2, "blob": 3}  # of gitformat-pack(5)
_FOLDER, _ORDINARY = b"40000", b"100644"
_SHA256_DIGITS = 64
_LOW, _MORE = 0x7F, 0x80  # seven bits of a number, and the sign that others follow


@dataclass
class NewObjects:
    """Objects to write to one repository.

    Args:
        git: The repository.
        digits: How long its ids are: 40 (SHA-1) or 64 (SHA-256).
    """

    git: Git
    digits: int
    _made: dict[str, tuple[str, bytes]] = field(default_factory=dict)

    @classmethod
    def beside(cls, git: Git, known: str | None) -> "NewObjects":
        """For the repository of a known object, or of none yet."""
        if known is not None:
            return cls(git, len(known))
        form = git.output("rev-parse", "--show-object-format").strip()
        return cls(git, _SHA256_DIGITS if form == b"sha256" else 40)

    def add(self, kind: str, content: bytes, known: str = "") -> str:
        """Keep an object to be written, unless known; its id."""
        made = self._hash(b"%b %d\0%b" % (kind.encode(), len(content), content)).hex()
        if made != known:
            self._made[made] = (kind, content)
        return made

    def add_tree(self, base: str | None, files: Mapping[str, bytes | None]) -> str:
        """The tree of a commit with these files changed (None deletes).

        Raises:
            OutsideFailure: code `git-failed`: git takes no such path; the commit is missing.
        """
        split = {tuple(path.encode("utf-8", "surrogateescape").split(b"/")): data for path, data in files.items()}
        for parts in split:
            if any(part.lower() in (b"", b".", b"..", b".git") or b"\0" in part for part in parts):
                raise OutsideFailure(f"git does not take the path {b'/'.join(parts)!r}", code="git-failed")
        return self._tree(f"{base}^{{tree}}" if base else None, split) or self.add("tree", b"")

    def write(self) -> None:
        """Write them all.

        Raises:
            OutsideFailure: code `git-failed`: git finds one malformed, or cannot write.
        """
        parts = [b"PACK", struct.pack(">LL", 2, len(self._made))]
        for kind, content in self._made.values():
            parts += [_header(_KINDS[kind], len(content)), zlib.compress(content, 1)]
        pack = b"".join(parts)
        self.git.output("unpack-objects", "-q", "--strict", stdin=pack + self._hash(pack))

    def _hash(self, data: bytes) -> bytes:
        if self.digits == _SHA256_DIGITS:
            return hashlib.sha256(data).digest()
        return hashlib.sha1(data, usedforsecurity=False).digest()

    def _tree(self, base: str | None, files: Mapping[tuple[bytes, ...], bytes | None]) -> str | None:
        """A folder with these files changed; None: nothing is left in it."""
        entries = dict(self._entries(base))
        below: dict[bytes, dict[tuple[bytes, ...], bytes | None]] = {}
        for (name, *rest), data in files.items():
            if rest:
                below.setdefault(name, {})[tuple(rest)] = data
            elif data is not None:
                entries[name] = (_ORDINARY, self.add("blob", data, entries.get(name, (b"", ""))[1]))
            elif entries.get(name, (_FOLDER, ""))[0] != _FOLDER:
                del entries[name]
        for name, changes in below.items():
            mode, known = entries.get(name, (b"", ""))
            if mode not in (b"", _FOLDER) and not any(data is not None for data in changes.values()):
                continue  # below a file there is nothing to delete
            entries.pop(name, None)
            made = self._tree(known if mode == _FOLDER else None, changes)
            if made is not None:
                entries[name] = (_FOLDER, made)
        ordered = sorted(entries.items(), key=lambda item: item[0] + (b"/" if item[1][0] == _FOLDER else b""))
        content = b"".join(b"%b %b\0%b" % (mode, name, bytes.fromhex(of)) for name, (mode, of) in ordered)
        return self.add("tree", content) if content else None

    def _entries(self, tree: str | None) -> Iterator[tuple[bytes, tuple[bytes, str]]]:
        if tree is None:
            return
        found = look_up(self.git, tree)
        if found is None or found.kind != "tree" or found.content is None:
            raise OutsideFailure(f"object {tree} cannot be read: the clone is damaged or partial", code="git-failed")
        position, octets = 0, self.digits // 2
        while position < len(found.content):
            end = found.content.index(b"\0", position)
            mode, _, name = found.content[position:end].partition(b" ")
            position = end + 1 + octets
            yield name, (mode, found.content[end + 1 : position].hex())


def _header(kind: int, size: int) -> bytes:
    """Kind and length in a pack: four bits, then seven an octet."""
    octets = [kind << 4 | size & 0xF]
    size >>= 4
    while size:
        octets[-1] |= _MORE
        octets.append(size & _LOW)
        size >>= 7
    return bytes(octets)


def commit_content(tree: str, parent: str | None, subject: str, who: str, seconds: int) -> bytes:
    """A commit by one person, as `git commit-tree` makes it."""
    ident = f"{who} {seconds} +0000"
    headers = [f"tree {tree}", *([f"parent {parent}"] if parent else []), f"author {ident}", f"committer {ident}"]
    return "\n".join([*headers, "", subject, ""]).encode("utf-8", "surrogateescape")


def signed(content: bytes, header: str, signature: bytes) -> bytes:
    """A commit with a signature in its header (gitformat-signature(5))."""
    headers, _, message = content.partition(b"\n\n")
    folded = signature.rstrip(b"\n").replace(b"\n", b"\n ")
    return b"%b\n%b %b\n\n%b" % (headers, header.encode(), folded, message)


def plain_name(name: str) -> str:
    """A name as git writes it, without what ends a field."""
    around = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
    return "".join(character for character in name.strip(around) if character not in "\n<>")
