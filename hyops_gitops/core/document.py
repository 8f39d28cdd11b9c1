"""A parsed YAML file: plain data with the place of every value."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import tzinfo
from typing import Annotated, Literal, Protocol, cast

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.fields import Of
from hyops_gitops.core.findings import Finding, Mark, Rule, finding

YAML_ENCODING = Rule(
    "yaml-encoding",
    "YAML files are strict UTF-8 without byte order mark.",
    "Bytes that are not UTF-8 look different in every editor, so that a review does not show what is applied.",
    "Save the file as UTF-8 without BOM.",
    "endpoint_owner: caf\\xe9   (Latin-1)",
)
YAML_CHARACTERS = Rule(
    "yaml-characters",
    "No control, bidirectional or invisible characters, neither written nor by an escape.",
    "They can show a reviewer something else than what the program reads (Trojan Source, CVE-2021-42574).",
    "Delete the character; most editors can show it.",
    'endpoint_description: "safe\\u202eevil"',
)
YAML_SYNTAX = Rule(
    "yaml-syntax",
    "The file is well-formed YAML.",
    "A file that cannot be read says nothing; it must not mean a deleted record.",
    "Correct the line; quote values that begin with a special character or hold a colon and a space.",
    "endpoint_description: database: primary",
)
YAML_EMPTY = Rule(
    "yaml-empty",
    "The file holds a document.",
    "An empty contract is neither a contract nor the wish to delete one.",
    "Write the contract, or delete the file in order to delete the record.",
    "a file with comments only",
)
YAML_ANCHOR = Rule(
    "yaml-anchor",
    "No anchors and aliases.",
    "A value that stands elsewhere is not seen in the diff of the line that uses it.",
    "Write the value out.",
    "endpoint_target: *primary",
)
YAML_TAG = Rule(
    "yaml-tag",
    "No tags.",
    "Tags change how a value is read, and in other programs can create objects.",
    "Delete the tag; quote the value if text is meant.",
    "endpoint_port: !!str 5432",
)
YAML_DIRECTIVE = Rule(
    "yaml-directive",
    "No directives.",
    "%YAML changes what plain scalars mean.",
    "Delete the line.",
    "%YAML 1.1",
)
YAML_DOCUMENTS = Rule(
    "yaml-documents",
    "A file holds exactly one document.",
    "Most readers take the first document and forget the rest in silence.",
    "One contract per file: move the second document into its own file.",
    "a second `---`",
)
YAML_MERGE_KEY = Rule(
    "yaml-merge-key",
    "No merge keys.",
    "`<<` brings in values that the diff does not show.",
    "Write the values out.",
    "<<: *defaults",
)
YAML_DUPLICATE_KEY = Rule(
    "yaml-duplicate-key",
    "A key stands once in a mapping.",
    "Most readers keep the last one and lose the first in silence.",
    "Keep one of the two.",
    "endpoint_target given on lines 2 and 7",
)
YAML_KEY = Rule(
    "yaml-key",
    "A key is one scalar.",
    "Lists and mappings as keys are a typing mistake here.",
    "Write the key as a word; a stray `?`, `[` or `{` at the start of the line is the usual cause.",
    "[endpoint_port]: 5432",
)
YAML_DEPTH = Rule(
    "yaml-depth",
    "Nesting is at most 16 levels deep.",
    "Contracts need four; deep nesting only serves to make parsers slow.",
    "Remove the brackets.",
    "endpoint_target: [[[[[[[[[[[[[[[[[[",
)
YAML_AMBIGUOUS = Rule(
    "yaml-ambiguous",
    "Plain scalars are true, false, null, decimal integers or text that every YAML version reads as text.",
    "`no` is false, `010` is eight and `12:30` is 750 for some programs and text for others.",
    "Quote it if text is meant; otherwise write true, false, null or a plain decimal number.",
    "endpoint_cutover_required: yes",
)
SCHEMA_TYPE = Rule(
    "schema-type",
    "Each value has the type its key asks for.",
    "A quoted number is text, an empty value is nothing; guessing would hide typing mistakes.",
    "Write the type that the message expects; schemas/*.schema.json describe each key.",
    'endpoint_port: "5432"',
)
SCHEMA_MISSING_KEY = Rule(
    "schema-missing-key",
    "Required keys are present.",
    "The cutover contract (section 3) needs all five of them.",
    "Add the key.",
    "a contract without endpoint_port",
)
SCHEMA_UNKNOWN_KEY = Rule(
    "schema-unknown-key",
    "Only known keys are used.",
    "A mistyped optional key would be ignored in silence, such as a TTL that never takes effect.",
    "Correct the spelling, or delete the key.",
    "endpoint_tll: 30",
)
SCHEMA_VALUE = Rule(
    "schema-value",
    "A value is one of those its key allows.",
    "Other words have no meaning here.",
    "Use one of the values that the message lists.",
    "endpoint_target_type: hots",
)
SCHEMA_RANGE = Rule(
    "schema-range",
    "Numbers, texts and lists are within their bounds.",
    "PowerDNS cuts a TTL that is too large to another value, and no service listens on port 70000.",
    "Use a value within the bounds that the message says.",
    "endpoint_port: 70000",
)
SCHEMA_FORM = Rule(
    "schema-form",
    "A text has the form its key asks for.",
    "A malformed address or digest would only be found when it is needed most.",
    "Write it in the form that the message expects.",
    "dns: 10.0.0.53   (no port)",
)
SCHEMA_DUPLICATE = Rule(
    "schema-duplicate",
    "Lists of distinct things hold each thing once.",
    "The second one is a typing mistake for something that is missing.",
    "Delete or correct the second one.",
    "environments: [dev, dev, prod]",
)


KeyPath = tuple[str | int, ...]  # from the root; () is the document itself


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: str, int, bool, None, list and dict only.

    `key_marks` has an entry for every mapping key, `value_marks` for every value, the root included.
    """

    path: str
    data: object
    key_marks: Mapping[KeyPath, Mark]
    value_marks: Mapping[KeyPath, Mark]
    faulty: frozenset[KeyPath] = frozenset()  # values that have a finding already, and get no other
    time_zones: Mapping[str, tzinfo] | None = field(default_factory=dict)  # that it names; None: no database of them

    def is_sound(self, *at: str | int) -> bool:
        """Whether neither this value nor one around it has a finding."""
        return not self.faulty or not any(at[:length] in self.faulty for length in range(len(at) + 1))

    def value_mark(self, *at: str | int) -> Mark:
        """The place of a value, or of the nearest one around it."""
        return self._nearest(self.value_marks, at)

    def key_mark(self, *at: str | int) -> Mark:
        """The place of a key, or of the nearest value around it."""
        return self.key_marks[at] if at in self.key_marks else self._nearest(self.value_marks, at)

    @staticmethod
    def _nearest(marks: Mapping[KeyPath, Mark], at: KeyPath) -> Mark:
        while at and at not in marks:
            at = at[:-1]
        return marks.get(at, Mark(1, 1))


@dataclass(frozen=True, slots=True)
class Fields:
    """The sound values of one document."""

    document: Document

    def get(self, *at: str | int) -> object:
        """The value at this path; None when absent or with a finding."""
        value = self.document.data
        for step in at:
            if isinstance(value, dict):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value if not self.document.faulty or self.document.is_sound(*at) else None

    def text(self, *at: str | int) -> str | None:
        value = self.get(*at)
        return value if isinstance(value, str) else None

    def number(self, *at: str | int) -> int | None:
        """An integer; true and false are none."""
        value = self.get(*at)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def flag(self, *at: str | int) -> bool | None:
        """True or false."""
        value = self.get(*at)
        return value if isinstance(value, bool) else None

    def mapping(self, *at: str | int) -> Mapping[str, object]:
        """A mapping, empty when absent."""
        value = self.get(*at)
        return cast("Mapping[str, object]", value) if isinstance(value, dict) else {}

    def length(self, *at: str | int) -> int:
        """The length of a list, 0 when absent."""
        value = self.get(*at)
        return len(value) if isinstance(value, list) else 0

    def texts(self, *at: str | int) -> tuple[tuple[int, str], ...]:
        """The sound strings of a list, with their indices."""
        indexed = ((index, self.text(*at, index)) for index in range(self.length(*at)))
        return tuple((index, text) for index, text in indexed if text is not None)


class DocumentReader(Protocol):
    """Reads one YAML file strictly."""

    def __call__(self, path: str, content: bytes) -> tuple[Document | None, tuple[Finding, ...]]:
        """Read a file into a document, or None, and findings. Never raises."""


class SchemaChecker(Protocol):
    """Checks a document's form."""

    def __call__(
        self, schema: Literal["endpoint", "authority"], document: Document
    ) -> tuple[Document, tuple[Finding, ...]]:
        """The document with malformed values marked, and a finding for each."""


class EditDocument:
    """An edit in hyops-publish/1."""

    key: Annotated[str, Of(lambda edit: ".".join(edit.at))]
    value: object


@dataclass(frozen=True, slots=True)
class Edit(JsonReport):
    """One key and its new value.

    A value is str, int, bool, or lists and mappings of them.
    """

    FORM = EditDocument
    at: tuple[str, ...]
    value: object


class ContractWriter(Protocol):
    """Makes the text of contract files. What it makes is never trusted."""

    def set_values(self, content: bytes, edits: Sequence[Edit]) -> bytes:
        """Set these keys and keep every other byte.

        Raises:
            InvalidData: code `not-editable`.
        """

    def new(self, path: str, fields: Mapping[str, object]) -> bytes:
        """A new file with these keys, for this path."""

    def in_order(self, content: bytes) -> bytes:
        """The file with its keys in canonical order, comments kept.

        Raises:
            InvalidData: code `not-editable`.
        """


def finding_at(rule: Rule, document: Document, at: KeyPath, message: str, hint: str = "") -> Finding:
    """A finding about the value at this path of a document."""
    return finding(rule, document.path, document.value_mark(*at), message, hint)
