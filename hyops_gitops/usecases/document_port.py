"""How use-cases turn bytes into checked documents. Adapters meet these Protocols structurally."""

from typing import Literal, Protocol

from hyops_gitops.core.document import Document
from hyops_gitops.core.findings import Finding


class DocumentReader(Protocol):
    """Reads one YAML file strictly."""

    def __call__(self, path: str, content: bytes) -> tuple[Document | None, tuple[Finding, ...]]:
        """The document, or None when there is none to speak of, and what is wrong with the file. Never raises."""


class SchemaChecker(Protocol):
    """Checks a document's form."""

    def __call__(
        self, schema: Literal["endpoint", "authority"], document: Document
    ) -> tuple[Document, tuple[Finding, ...]]:
        """The document with its malformed values marked as faulty, and one finding for each of them."""
