"""Output of the commands that append an administrative entry."""

from collections.abc import Mapping

from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.log.log import Log
from hyops_gitops.log.pages import in_words


def echo_head(log: Log, output_format: str, more: Mapping[str, object] | None = None) -> None:
    """Print the new entry and the new head of the log."""
    head = log.head
    if output_format == "json":
        document = {"format": "hyops-entry-written/1", "zone": log.zone, "seq": head.seq, "sha256": head.sha256}
        echo_json({**document, "type": head.type, "principal": head.envelope.principal, **(more or {})})
    else:
        echo(f"entry {head.seq} by {head.envelope.principal}: {in_words(head, log.entries)}")
        echo(f"log head {head.seq}:{head.sha256}")
