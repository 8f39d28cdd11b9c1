"""CODEOWNERS lines for contracts, out of endpoint_owner and policy.owners.

Checked by `owners` alone: whom the forge asks for approval makes no contract invalid, and holds no name.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal, get_args

from hyops_gitops.core.authority import Authority
from hyops_gitops.core.contract import Contract
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.document import finding_at
from hyops_gitops.core.errors import InvalidData
from hyops_gitops.core.findings import Finding, Mark, Rule, Severity, finding, findings_json
from hyops_gitops.core.layout import START
from hyops_gitops.core.text import suggestion

OWNER_UNKNOWN = Rule(
    "owner-unknown",
    "Each endpoint_owner is in policy.owners of the authority file, where that has the table (checked by `owners`).",
    "A contract whose owner it lacks has no line in CODEOWNERS: the owners of the rest approve its change.",
    "Correct endpoint_owner, or add it to policy.owners in a pull request of its own.",
    "endpoint_owner: data-platfrom",
)
OWNER_FORM = Rule(
    "owner-form",
    "Each entry of policy.owners is of a form that this forge's CODEOWNERS takes (checked by `owners`).",
    "By a line that the forge cannot read, no approval is asked for; some forges then ignore the whole file.",
    "Name a user as @name and a team as @organisation/team; Gitea takes no e-mail address.",
    "policy.owners: {platform: [platform@example.net]} on Gitea",
)
OWNER_UNUSED = Rule(
    "owner-unused",
    "Each owner in policy.owners is one that a contract names (checked by `owners`).",
    "It is left over, or the correct spelling of what a contract misspells.",
    "Delete it from policy.owners, or correct endpoint_owner of the contract that it is for.",
    "policy.owners: {data: [...]} where all contracts say data-platform",
    Severity.WARNING,
)
OWNERS_SHADOWED = Rule(
    "owners-shadowed",
    "No line of CODEOWNERS below the block that `owners` writes can match a contract (checked by `owners`).",
    "The last line that matches a file counts: the owners in the block would be asked for nothing.",
    "Move the line above the block, or the block to the end of the file.",
    "a line `* @hyops/admins` below the block",
    Severity.WARNING,
)
OWNERS_SIZE = Rule(
    "owners-size",
    "The CODEOWNERS file has less than 3 MB on GitHub (checked by `owners`).",
    "GitHub does not load a larger one, and asks for no approval.",
    "Split the repository, or give a folder of one owner a line by hand in place of the block.",
    "60,000 contracts with an owner each",
)

ForgeName = Literal["github", "gitlab", "gitea"]
FORGES: tuple[ForgeName, ...] = get_args(ForgeName)
# The places in the forge's own order: the first one that exists counts.
PLACES: Mapping[ForgeName, tuple[str, ...]] = {
    "github": (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"),
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
    "gitea": ("CODEOWNERS", "docs/CODEOWNERS", ".gitea/CODEOWNERS"),
}
NEW_PLACE: Mapping[ForgeName, str] = {forge: f".{forge}/CODEOWNERS" for forge in FORGES}
MAX_GITHUB_BYTES = 3_000_000
BEGIN = "# BEGIN hyops-gitops owners"
END = "# END hyops-gitops owners"
_ABOUT = "written by `hyops-gitops owners --write`; the last line that matches a file counts, so keep others above"
_SECTION = "[Endpoint owners]"  # of GitLab, where the last line of each section counts
_HEADING = re.compile(rb"\^?\[[^\]]+\]")
_GLOB = re.compile(r"([\\*?\[\] ])")
_REGEX = re.compile(r"([.+*?()|\[\]{}^$\\])")
_WILD = b"*?["


def contract_pattern(forge: ForgeName, path: str) -> str:
    """The pattern that matches this path alone, by the forge's rules.

    GitHub and GitLab take those of gitignore. Gitea takes a regular expression for the whole path, in which `#`, blanks
    and backslashes are escaped once more.

    Raises:
        InvalidData: code `owners-path`: no pattern can have this path.
    """
    if not path.isprintable() or path.startswith("!"):
        raise InvalidData(f"cannot write {path!r} into CODEOWNERS: no pattern has such a path", code="owners-path")
    match forge:
        case "github":  # which has no escape for `#`, and takes it for a comment only behind a blank
            return "/" + _GLOB.sub(r"\\\1", path)
        case "gitlab":
            return "/" + _GLOB.sub(r"\\\1", path).replace("#", "\\#")
        case "gitea":
            return re.sub(r"([\\# ])", r"\\\1", _REGEX.sub(r"\\\1", path))


def owner_line(forge: ForgeName, path: str, names: Sequence[str]) -> str:
    """The line that gives this path alone to users and teams."""
    return f"{contract_pattern(forge, path)} {' '.join(names)}"


def owner_lines(
    forge: ForgeName, contracts: Iterable[Contract], table: Mapping[str, Sequence[str]], prefix: str = ""
) -> tuple[str, ...]:
    """A line for each contract whose owner is in the table.

    Args:
        forge: Whose rules count.
        contracts: Sorted by path.
        table: policy.owners.
        prefix: The place of the repository of contracts in its checkout, such as "dns/".
    """
    return tuple(
        owner_line(forge, prefix + contract.path, table[contract.owner])
        for contract in contracts
        if contract.owner is not None and contract.owner in table
    )


def check_owners(forge: ForgeName, contracts: Sequence[Contract], authority: Authority) -> Iterator[Finding]:
    """Compare the owners of contracts with the table."""
    table, used = authority.policy.owners, {contract.owner for contract in contracts}
    hints = {owner: suggestion(owner, table, "owners there") for owner in used if owner and owner not in table}
    for contract in contracts:
        if contract.owner in hints:
            message = f"{contract.owner!r} is not in policy.owners of {authority.path}"
            yield finding_at(OWNER_UNKNOWN, contract.document, ("endpoint_owner",), message, hints[contract.owner])
    for owner, names in table.items():
        if owner not in used:
            message = f"no contract has the owner {owner!r}"
            yield finding_at(OWNER_UNUSED, authority.document, ("policy", "owners", owner), message)
        for index, name in enumerate(names):
            if why := _malformed(forge, name):
                at = ("policy", "owners", owner, index)
                yield finding_at(OWNER_FORM, authority.document, at, f"{name!r}: {why}")


def _malformed(forge: ForgeName, name: str) -> str:
    if not name.startswith("@"):
        return "Gitea knows users and teams by name only" if forge == "gitea" else ""
    depth = name.count("/")
    return f"a team of {forge} is @organisation/team" if forge != "gitlab" and depth > 1 else ""


@dataclass(frozen=True, slots=True)
class OwnersFile:
    """A CODEOWNERS file, with the place of our block in it."""

    path: str
    before: tuple[bytes, ...]  # lines with their ends
    block: tuple[bytes, ...] | None  # with its marks; None: there is none
    after: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, path: str, content: bytes | None) -> "OwnersFile":
        """The file as it is; None: there is none yet.

        Raises:
            InvalidData: code `owners-marks`: the marks are not one pair.
        """
        lines = (content or b"").splitlines(keepends=True)
        marks = [number for number, line in enumerate(lines) if line.startswith((BEGIN.encode(), END.encode()))]
        if not marks:
            return cls(path, tuple(lines), None)
        ends = [lines[number].startswith(END.encode()) for number in marks]
        if ends != [False, True]:
            where = ", ".join(str(number + 1) for number in marks)
            raise InvalidData(
                f"expected one pair of lines '{BEGIN}' and '{END}' in {path}, got marks in lines {where}",
                code="owners-marks",
                hint="delete the marks and the lines between them, then run `hyops-gitops owners --write`",
            )
        begin, end = marks
        return cls(path, tuple(lines[:begin]), tuple(lines[begin : end + 1]), tuple(lines[end + 1 :]))

    @property
    def content(self) -> bytes:
        """The whole file."""
        return b"".join((*self.before, *(self.block or ()), *self.after))

    def with_lines(self, forge: ForgeName, lines: Sequence[str]) -> "OwnersFile":
        """The file with these lines as its block, else at its end."""
        if self.block is None and not lines:
            return self
        # What follows a CR at the end makes it one of CRLF, as which the file is read the next time.
        is_crlf = any(line.endswith(b"\r\n") for line in (*self.before, *self.after))
        newline = b"\r\n" if is_crlf or b"".join(self.before).endswith(b"\r") else b"\n"
        before = list(self.before)
        if self.block is None and before:
            if not before[-1].endswith((b"\n", b"\r")):
                before[-1] += newline
            before.append(newline)
        in_section = forge == "gitlab" and any(_HEADING.match(line) for line in before)
        block = [f"{BEGIN}: {_ABOUT}", *([_SECTION] if in_section else []), *lines, END]
        return OwnersFile(self.path, tuple(before), tuple(line.encode() + newline for line in block), self.after)

    def shadowing(self, forge: ForgeName, paths: Collection[str]) -> Iterator[Finding]:
        """The lines below the block that may match one of these paths."""
        if forge == "gitea":  # where each line that matches counts
            return
        number = len(self.before) + len(self.block or ())
        parts = {part.encode() for path in paths for part in path.split("/")}
        tops = {path.partition("/")[0].encode() for path in paths}
        for line in self.after:
            number += 1
            if forge == "gitlab" and _HEADING.match(line):
                return
            pattern = line.split()[0] if line.split() and not line.startswith(b"#") else b""
            if pattern and _may_match(pattern, tops, parts):
                shown = pattern.decode("utf-8", "backslashreplace")
                message = f"the line for {shown} counts for what it matches, not the lines of the block above it"
                yield finding(OWNERS_SHADOWED, self.path, Mark(number, 1), message)


def _may_match(pattern: bytes, tops: Collection[bytes], parts: Collection[bytes]) -> bool:
    """Whether a pattern of gitignore's kind may match; in doubt it may."""
    steps = pattern.strip(b"/").split(b"/")
    anchored = pattern.startswith(b"/") or len(steps) > 1
    if any(char in steps[0] for char in _WILD) or b"\\" in steps[0]:
        return True
    return steps[0] in (tops if anchored else parts)


@dataclass(frozen=True, slots=True)
class OwnersResult:
    """The CODEOWNERS file as it is and should be, with findings."""

    forge: ForgeName
    file: OwnersFile
    wanted: OwnersFile
    lines: tuple[str, ...]
    findings: tuple[Finding, ...]  # with paths as in the checkout

    def to_json(self) -> dict[str, object]:
        """`hyops-owners/1`."""
        return {
            **findings_json(self.findings, len(self.lines)),
            "format": "hyops-owners/1",
            "forge": self.forge,
            "path": self.file.path,
            "current": self.is_current,
            "lines": list(self.lines),
        }

    @property
    def is_current(self) -> bool:
        """Whether the file has the lines that it should have."""
        return self.file.content == self.wanted.content

    def diff(self) -> str:
        """The change of the file, as `diff -u` shows it."""
        old, new = (
            text.decode("utf-8", "backslashreplace").splitlines(keepends=True)
            for text in (self.file.content, self.wanted.content)
        )
        return "".join(difflib.unified_diff(old, new, f"a/{self.file.path}", f"b/{self.file.path}"))


def find_owners(
    forge: ForgeName, file: OwnersFile, zones: Sequence[tuple[Authority, Sequence[Contract]]], prefix: str = ""
) -> OwnersResult:
    """The block that the file should have, and every finding about it.

    Args:
        forge: Whose rules count.
        file: As it is.
        zones: The authority file and contracts of each zone with a table.
        prefix: As of `owner_lines`.

    Raises:
        InvalidData: code `owners-path`.
    """
    tables = [(contract, authority.policy.owners) for authority, contracts in zones for contract in contracts]
    tables.sort(key=lambda each: each[0].path)
    lines = tuple(line for contract, table in tables for line in owner_lines(forge, [contract], table, prefix))
    wanted = file.with_lines(forge, lines)
    found = [each for authority, contracts in zones for each in check_owners(forge, contracts, authority)]
    found += wanted.shadowing(forge, [prefix + contract.path for contract, _ in tables])
    size = len(wanted.content)
    if forge == "github" and size >= MAX_GITHUB_BYTES:
        found.append(finding(OWNERS_SIZE, file.path, START, f"{size:,} bytes, expected less than {MAX_GITHUB_BYTES:,}"))
    return OwnersResult(forge, file, wanted, lines, tuple(sorted(found)))
