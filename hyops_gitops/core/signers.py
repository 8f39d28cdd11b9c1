"""`authority/allowed_signers`: keys that may sign evidence.

The format is that of ssh-keygen(1), section ALLOWED SIGNERS. Pure.

A narrower reading than OpenSSH's, which looks principals up by pattern, takes the first line that fits, and reads a
time without zone in whatever zone the reader lives in. Here a key and namespace belong to exactly one line, a principal
is a name, and every time says `Z`, so that everybody who ever reads the file concludes the same.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import InvalidData, Refused
from hyops_gitops.core.findings import Finding, Mark, Rule, finding
from hyops_gitops.core.layout import SIGNERS_PATH, START
from hyops_gitops.core.sshsig import key_text

SIGNERS_SYNTAX = Rule(
    "signers-syntax",
    "authority/allowed_signers has the form of OpenSSH's allowed signers file.",
    "ssh-keygen skips lines it cannot read, so that a mistyped key is silently not trusted.",
    "Write: principal [options] keytype base64-key [comment].",
    "applier@hyops.internal AAAAC3NzaC1lZDI1NTE5AAAA...",
)
SIGNERS_PATTERN = Rule(
    "signers-pattern",
    "A principal is one exact name, no pattern and no list.",
    "With a pattern one key can sign in the name of many.",
    "Write one line per principal.",
    "*@hyops.internal ssh-ed25519 AAAA...",
)
SIGNERS_DUPLICATE = Rule(
    "signers-duplicate",
    "A key stands on one line for a namespace and a time.",
    "With two lines one signature would belong to two people.",
    "Keep one of the lines.",
    "the same key for alice and for bob",
)
SIGNERS_TIME_ZONE = Rule(
    "signers-time-zone",
    "valid-after and valid-before end in Z.",
    "Without it ssh-keygen reads the time in the zone of the machine that verifies.",
    "Add Z: 20260101000000Z.",
    'valid-after="20260101000000"',
)
SIGNERS_NEWLINE = Rule(
    "signers-newline",
    "authority/allowed_signers has LF line ends and ends in one.",
    "A line appended to a file without final LF becomes part of the last line, and both keys are lost.",
    "End the file with a line feed.",
    "a file written by printf without \\n",
)
SIGNERS_APPEND_ONLY = Rule(
    "signers-append-only",
    "authority/allowed_signers only grows: no line is removed, no valid-before removed or moved later, no "
    "valid-after changed, no namespace added to a key. Checked against an earlier revision: by --changed-since, "
    "and by apply against the commit recorded last.",
    "Every entry is verified by the line its key had then; a line taken out breaks all entries it signed, and a "
    "window opened again brings a retired or stolen key back to life.",
    "Put the line back as it was. To retire a key add valid-before, then run: hyops-gitops keys retire.",
    "the line of a person who left is deleted",
)


_BLANK = " \t"
_PATTERN = re.compile(r"[*?!,]")
_PRINCIPAL = re.compile(r"[^\s\"#]+")
_KEY_TYPE = re.compile(r"[a-z0-9][a-z0-9@.-]*")
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>[^"\\]*)")?(?P<end>,|(?=[ \t]))')
_TIME = re.compile(r"(?P<digits>\d{8}(?:\d{4}(?:\d{2})?)?)(?P<zone>Z?)")
_TIME_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_OPTIONS = ("namespaces", "valid-after", "valid-before")
_ED25519_OCTETS = 4 + len("ssh-ed25519") + 4 + 32


@dataclass(frozen=True, slots=True)
class SignerLine:
    """One line: a principal and the key that signs as it."""

    line: int  # from 1
    principal: str
    key: str  # `<type> <base64>`
    namespaces: tuple[str, ...] | None  # None: any
    valid_after: datetime | None  # UTC; the first second of the window
    valid_before: datetime | None  # UTC; the last second of the window, as OpenSSH has it
    comment: str

    @property
    def has_pattern(self) -> bool:
        """Whether principal or namespaces are patterns or lists."""
        return any(_PATTERN.search(text) for text in (self.principal, *(self.namespaces or ())))

    def allows(self, namespace: str) -> bool:
        """Whether the key may sign in this namespace."""
        return self.namespaces is None or namespace in self.namespaces

    def covers(self, at: datetime) -> bool:
        """Whether the window holds this moment."""
        return (self.valid_after is None or self.valid_after <= at) and (
            self.valid_before is None or at <= self.valid_before
        )

    def overlaps(self, other: "SignerLine") -> bool:
        """Whether both lines give one key a say in the same namespace."""
        if self.key != other.key:
            return False
        return (
            self.namespaces is None or other.namespaces is None or not set(self.namespaces).isdisjoint(other.namespaces)
        )


@dataclass(frozen=True, slots=True)
class SignerSet:
    """The lines of one file."""

    lines: tuple[SignerLine, ...]

    def principal_of(self, key: str, namespace: str, at: datetime) -> SignerLine:
        """The principal whose key may sign in this namespace now.

        Raises:
            Refused: guard `signing-key`: no such line, or more than one, or one with a pattern.
        """
        name = f"key {fingerprint(key)}"
        of_key = [line for line in self.lines if line.key == key]
        if not of_key:
            raise _refused(f"{name} is not listed", "add its line by a reviewed pull request")
        if any(line.has_pattern for line in of_key):
            raise _refused(f"{name} is listed with a pattern or a list", "name one principal and plain namespaces")
        allowing = [line for line in of_key if line.allows(namespace)]
        if not allowing:
            hint = "use a key that is listed for this namespace: each keeps its own"
            raise _refused(f"{name} is not allowed to sign in namespace {namespace!r}", hint)
        if len(allowing) > 1:
            where = " and ".join(str(line.line) for line in allowing)
            raise _refused(f"{name} stands on lines {where} for namespace {namespace!r}", "leave one of them")
        if not allowing[0].covers(at):
            when = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            hint = "use a key whose window covers that time, or list a new one by a reviewed pull request"
            raise _refused(f"{name} is outside its validity window at {when}", hint)
        return allowing[0]


def parse_allowed_signers(data: bytes, path: str) -> tuple[tuple[SignerLine, ...], tuple[Finding, ...]]:
    """The lines of an allowed_signers file and what is wrong with it.

    A line that cannot be read is left out; one with a pattern, or that repeats another, is kept beside its finding,
    so that `SignerSet.principal_of` can say why it refuses.
    """
    lines: list[SignerLine] = []
    findings: list[Finding] = []
    if data and not data.endswith(b"\n"):
        last = data.count(b"\n") + 1
        findings.append(finding(SIGNERS_NEWLINE, path, Mark(last, 1), "the last line does not end in a line feed"))
    for number, raw in enumerate(data.split(b"\n"), start=1):
        try:
            parsed = _parse_line(raw, number)
            if parsed is None:
                continue
            lines.append(parsed)
            _check_names(parsed)
            _check_single(parsed, lines[:-1])
        except _BadLine as bad:
            findings.append(finding(bad.rule, path, Mark(number, bad.column), bad.message, bad.hint))
    return tuple(lines), tuple(sorted(findings))


def fingerprint(key: str) -> str:
    """`SHA256:...` of a `<type> <base64>` key, as `ssh-keygen -l` prints it.

    Raises:
        InvalidData: code `bad-key`.
    """
    try:
        digest = hashlib.sha256(base64.b64decode(key.split(" ")[1])).digest()
    except (ValueError, IndexError):
        raise InvalidData(f"not a public key: {key[:80]!r}", code="bad-key") from None
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class _BadLine(Exception):
    def __init__(self, rule: Rule, message: str, *, column: int = 1, hint: str = "") -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
        self.column = column
        self.hint = hint


def _parse_line(raw: bytes, number: int) -> SignerLine | None:
    """The line, or None for an empty one or a comment."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise _BadLine(SIGNERS_SYNTAX, "the line is not UTF-8") from None
    if "\r" in text:
        raise _BadLine(
            SIGNERS_NEWLINE,
            "the line holds a carriage return",
            column=text.index("\r") + 1,
            hint="end lines in LF alone",
        )
    if not text.isprintable() and not text.replace("\t", " ").isprintable():
        raise _BadLine(SIGNERS_SYNTAX, "the line holds control characters")
    if not text.strip(_BLANK) or text.lstrip(_BLANK).startswith("#"):
        return None
    principal, position = _principal(text)
    options, position = _options(text, position)
    key, comment = _key(text, position)
    times = {name: _time(options, name) for name in ("valid-after", "valid-before")}
    after, before = times["valid-after"], times["valid-before"]
    if after is not None and before is not None and before <= after:
        raise _BadLine(SIGNERS_SYNTAX, "valid-before is not later than valid-after")
    return SignerLine(number, principal, key, _namespaces(options), after, before, comment)


def _principal(text: str) -> tuple[str, int]:
    start = len(text) - len(text.lstrip(_BLANK))
    match = _PRINCIPAL.match(text, start)
    if match is None or match.end() == len(text) or text[match.end()] not in _BLANK:
        raise _BadLine(
            SIGNERS_SYNTAX,
            "expected `principal [options] type key`",
            column=start + 1,
            hint="write a principal without quotes, blanks and #",
        )
    return match.group(), _skip_blanks(text, match.end())


def _options(text: str, position: int) -> tuple[dict[str, tuple[str, int]], int]:
    """The options by name with their columns, and the key's place."""
    options: dict[str, tuple[str, int]] = {}
    word = _KEY_TYPE.match(text, position)
    if word is not None and word.group() != "cert-authority" and text[word.end() : word.end() + 1] in _BLANK:
        return options, position
    while True:
        match = _OPTION.match(text, position)
        if match is None:
            raise _BadLine(
                SIGNERS_SYNTAX,
                "expected a key type or options",
                column=position + 1,
                hint='write options as a comma list without blanks: namespaces="hyops-gitops",valid-before="20300101Z"',
            )
        name = match["name"].lower()
        if name == "cert-authority":
            raise _BadLine(SIGNERS_SYNTAX, "certificate authorities are not supported", column=position + 1)
        if name not in _OPTIONS or match["value"] is None or name in options:
            raise _BadLine(SIGNERS_SYNTAX, f"unexpected option {match.group()!r}", column=position + 1)
        options[name] = (match["value"], position + 1)
        position = match.end()
        if not match["end"]:
            return options, _skip_blanks(text, position)


def _key(text: str, position: int) -> tuple[str, str]:
    kind, _, rest = text[position:].replace("\t", " ").partition(" ")
    encoded, _, comment = rest.lstrip(" ").partition(" ")
    if kind.endswith("-cert-v01@openssh.com"):
        raise _BadLine(SIGNERS_SYNTAX, "expected a key, got a certificate", column=position + 1)
    try:
        blob = base64.b64decode(encoded, validate=True)
        right = key_text(blob) == f"{kind} {encoded}"
    except (ValueError, InvalidData):
        right = False
        blob = b""
    if not right or (kind == "ssh-ed25519" and len(blob) != _ED25519_OCTETS):
        raise _BadLine(
            SIGNERS_SYNTAX,
            "the key is damaged: it does not decode to the type before it",
            column=position + 1,
            hint="copy the first two words of the .pub file",
        )
    return f"{kind} {encoded}", comment.strip(" ")


def _namespaces(options: dict[str, tuple[str, int]]) -> tuple[str, ...] | None:
    if "namespaces" not in options:
        return None
    value, column = options["namespaces"]
    names = tuple(value.split(","))
    if not all(names) or any(name != name.strip() for name in names):
        raise _BadLine(SIGNERS_SYNTAX, "a namespace is empty or has blanks", column=column)
    return names


def _time(options: dict[str, tuple[str, int]], name: str) -> datetime | None:
    if name not in options:
        return None
    value, column = options[name]
    match = _TIME.fullmatch(value)
    try:
        digits = match["digits"] if match else ""
        moment = datetime.strptime(digits, _TIME_FORMATS[len(digits)]).replace(tzinfo=UTC)
    except (KeyError, ValueError):
        raise _BadLine(SIGNERS_SYNTAX, f"{name}: expected a time, got {value!r}", column=column) from None
    if not value.endswith("Z"):
        raise _BadLine(
            SIGNERS_TIME_ZONE,
            f"{name} {value!r} means another moment in every time zone",
            column=column,
            hint=f"write {value}Z, in UTC",
        )
    return moment


def _check_names(line: SignerLine) -> None:
    if line.has_pattern:
        raise _BadLine(
            SIGNERS_PATTERN,
            "the principal or a namespace is a pattern or a list",
            hint="name one principal a line, without * ? ! and commas",
        )


def _check_single(line: SignerLine, earlier: list[SignerLine]) -> None:
    other = next((line_before for line_before in earlier if line.overlaps(line_before)), None)
    if other is not None:
        raise _BadLine(SIGNERS_DUPLICATE, f"line {other.line} already lists this key for the same namespace")


def _skip_blanks(text: str, position: int) -> int:
    return position + len(text[position:]) - len(text[position:].lstrip(_BLANK))


def _refused(message: str, hint: str) -> Refused:
    return Refused(f"{message} in authority/allowed_signers", guard="signing-key", hint=hint)


def check_append_only(before: Sequence[SignerLine], after: Sequence[SignerLine], since: str) -> Iterator[Finding]:
    """Report lines removed or widened since an earlier revision."""
    known = {line.key for line in before}
    matched: set[int] = set()
    for old in before:
        new = _same(old, after)
        if new is None:
            hint = f"put back line {old.line} of {since}; a key is retired by valid-before, never by taking it out"
            message = f"the line of {old.principal}, {fingerprint(old.key)}, was removed or changed since {since}"
            yield finding(SIGNERS_APPEND_ONLY, SIGNERS_PATH, START, message, hint)
            continue
        matched.add(new.line)
        yield from _check_line(old, new, since)
    for line in after:
        if line.key in known and line.line not in matched:
            message = f"{fingerprint(line.key)} was listed before, and gets another principal or namespaces here"
            yield _at(line, message, "a key keeps its principal and namespaces; use a new key for another purpose")


def _check_line(old: SignerLine, new: SignerLine, since: str) -> Iterator[Finding]:
    name = f"{new.principal}, {fingerprint(new.key)}"
    if _of_namespaces(old) != _of_namespaces(new):
        was = ",".join(old.namespaces) if old.namespaces is not None else "any namespace"
        message = f"the namespaces of {name} changed since {since}, where they were {was}"
        yield _at(new, message, "a key keeps its namespaces; use a new key for another purpose")
    if old.valid_before is not None and (new.valid_before is None or new.valid_before > old.valid_before):
        message = f"valid-before of {name} was taken out or moved later since {since}"
        yield _at(new, message, f'put back valid-before="{old.valid_before:%Y%m%d%H%M%S}Z"; a dead key stays dead')
    if old.valid_after != new.valid_after:
        message = f"valid-after of {name} changed since {since}"
        yield _at(new, message, "leave it as it was: entries signed before depend on it")


def _same(old: SignerLine, lines: Iterable[SignerLine]) -> SignerLine | None:
    """The successor of a line: same principal, key and a namespace."""
    of_key = [line for line in lines if (line.principal, line.key) == (old.principal, old.key)]
    exact = (line for line in of_key if _of_namespaces(line) == _of_namespaces(old))
    return next(exact, None) or next((line for line in of_key if line.overlaps(old)), None)


def _of_namespaces(line: SignerLine) -> frozenset[str] | None:
    return None if line.namespaces is None else frozenset(line.namespaces)


def _at(line: SignerLine, message: str, hint: str) -> Finding:
    return finding(SIGNERS_APPEND_ONLY, SIGNERS_PATH, Mark(line.line, 1), message, hint)
