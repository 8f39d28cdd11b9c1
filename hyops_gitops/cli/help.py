"""Examples and exit codes of every `--help`; messages for a wrong call."""

import difflib
import re
from collections.abc import Iterable, Mapping

import click

from hyops_gitops.core.errors import EXIT_MEANINGS

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {meaning}" for code, meaning in EXIT_MEANINGS.items())

# Command -> lines to type; a test checks that their options exist.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "validate": (
        "hyops-gitops validate",
        "hyops-gitops validate endpoints/prod/postgres.yaml",
        "hyops-gitops validate --changed-since origin/main --format github",
    ),
    "fmt": ("hyops-gitops fmt", "hyops-gitops fmt --check endpoints/prod"),
    "publish": (
        "hyops-gitops publish state/modules/platform/postgresql-ha/latest.json --site onprem",
        "terraform output -json | hyops-gitops publish - --site gcp --check",
    ),
    "cutover": (
        "hyops-gitops cutover postgres.prod --to gcp --reason 'upgrade' --kind maintenance --pr",
        "hyops-gitops cutover postgres.prod --target 10.72.16.25",
        "hyops-gitops cutover postgres.prod --prepare --commit",
    ),
    "failback": ("hyops-gitops failback postgres.prod --reason 'power is back' --kind incident --pr",),
    "failover": (
        "hyops-gitops failover --from onprem --to gcp --check",
        "hyops-gitops failover --from onprem --check --report",
        "hyops-gitops failover --from onprem --to gcp --site-lost --kind incident --reason 'no power' --pr",
    ),
    "owners": ("hyops-gitops owners", "hyops-gitops owners --write", "hyops-gitops owners --check --forge gitea"),
    "netbox check": ("hyops-gitops netbox check", "hyops-gitops netbox check endpoints/prod --format sarif"),
    "netbox suggest": (
        "hyops-gitops netbox suggest",
        "hyops-gitops netbox suggest --write",
        "hyops-gitops netbox suggest postgres.prod --update --write",
    ),
    "explain": ("hyops-gitops explain target-self", "hyops-gitops explain drift", "hyops-gitops explain"),
    "completion": ("hyops-gitops completion bash", "hyops-gitops completion fish"),
    "plan": (
        "hyops-gitops plan",
        "hyops-gitops plan --commit origin/main --exit-code",
        "hyops-gitops plan --live --override drift:postgres.prod.hyops.internal='INC-4711'",
    ),
    "history": ("hyops-gitops history postgres.prod", "hyops-gitops history postgres.prod --format json"),
    "status": ("hyops-gitops status", "hyops-gitops status postgres.prod -v"),
    "apply": (
        "hyops-gitops apply",
        "hyops-gitops apply --commit 4f2a91c --site-lost onprem",
        "hyops-gitops apply --override drift:postgres.prod.hyops.internal='edited by hand at 03:10, INC-4711'",
    ),
    "doctor": (
        "hyops-gitops doctor --runner-site hetzner --remote-site github",
        "hyops-gitops doctor --attest protection-main='ann looked at the rulesets on 2026-11-25'",
        "hyops-gitops doctor --race",
        "hyops-gitops doctor --offline",
    ),
    "drift": (
        "hyops-gitops drift",
        "hyops-gitops drift --record",
        "hyops-gitops drift --retransfer onprem",
        "hyops-gitops drift --repair",
    ),
    "init": (
        "hyops-gitops init ../dns",
        "hyops-gitops init dns --zone example.internal --primary-url https://10.90.0.53:8443 --primary-site hetzner",
        "hyops-gitops init . --github print",
    ),
    "bundle": (
        "hyops-gitops bundle --out dns.tar.gz",
        "hyops-gitops bundle --out dns.tar.gz --python 3.13 --platform manylinux2014_aarch64",
    ),
    "restore": ("hyops-gitops restore", "hyops-gitops restore --yes --tsig-key transfer"),
    "breakglass cutover": (
        "hyops-gitops breakglass cutover postgres.prod --to gcp --reason 'forge and site down, INC-4711'",
    ),
    "breakglass failback": ("hyops-gitops breakglass failback postgres.prod --reason 'site is back, forge is not'",),
    "breakglass failover": (
        "hyops-gitops breakglass failover --from onprem --to gcp --site-lost --reason 'forge and site down, INC-4711'",
    ),
    "breakglass apply": ("hyops-gitops breakglass apply --reason 'forge down, INC-4711' --yes",),
    "reconcile": (
        "hyops-gitops reconcile rescue/segments/0123456789ab --pr",
        "hyops-gitops reconcile 0123456789ab --reviewed 'agrees with INC-4711'",
    ),
    "lab up": (
        "hyops-gitops lab up --dir .lab",
        "hyops-gitops lab up --dir .lab --resolver --service orders-gcp=127.0.2.32:8080",
    ),
    "lab status": ("hyops-gitops lab status --dir .lab",),
    "lab down": ("hyops-gitops lab down --dir .lab",),
    "lab service stop": ("hyops-gitops lab service stop orders-gcp --dir .lab",),
    "lab service start": ("hyops-gitops lab service start orders-gcp --dir .lab",),
    "audit": (
        "hyops-gitops audit",
        "hyops-gitops audit --since 2026-10-01 --until 2027-01-01 --format csv --offline",
        "hyops-gitops audit --allowed-signers ~/pinned-signers --seen 42:SHA256",
    ),
    "scan": (
        "hyops-gitops scan --contracts ../dns .",
        "hyops-gitops scan --contracts ../dns --format sarif src deploy > scan.sarif",
    ),
    "report": (
        "hyops-gitops report --out ../report",
        "hyops-gitops report --out ../2026-q4 --since 2026-10-01 --until 2027-01-01",
    ),
    "evidence init": ("hyops-gitops evidence init",),
    "evidence verify": ("hyops-gitops evidence verify", "hyops-gitops evidence verify --seen 42:SHA256"),
    "evidence show": ("hyops-gitops evidence show", "hyops-gitops evidence show 42 --format json"),
    "evidence export": ("hyops-gitops evidence export ../for-the-auditor",),
    "evidence import": ("hyops-gitops evidence import ../another-clone", "hyops-gitops evidence import ."),
    "evidence acknowledge": ("hyops-gitops evidence acknowledge 42 --reason 'restored from back-up, INC-4711'",),
    "keys list": ("hyops-gitops keys list",),
    "keys trust": ("hyops-gitops keys trust ann@ops --reason 'on call from today'",),
    "keys retire": ("hyops-gitops keys retire ann@ops --reason 'left the team'",),
    "keys compromised": (
        "hyops-gitops keys compromised SHA256:7iPFIZaXRdhEVdL4uK8x --last-good-seq 41 --reason 'INC-4711'",
    ),
}


def with_examples(command: click.Command, path: str) -> click.Command:
    """Add examples and exit codes to a command's help, or a group's."""
    if isinstance(command, click.Group):
        for name, member in command.commands.items():
            with_examples(member, f"{path} {name}")
    command.short_help = " ".join((command.help or "").split("\n\n", 1)[0].split())  # whole, not cut to a line
    if path in EXAMPLES:
        lines = "\n".join(f"  {line}" for line in EXAMPLES[path])
        command.epilog = f"\b\nExamples:\n{lines}\n\n{EXIT_CODES}"
    return command


def usage_words(error: click.UsageError) -> tuple[str, str]:
    """Message and hint for a wrong call, as in our own errors."""
    context = error.ctx
    where = f"see {context.command_path if context else 'hyops-gitops'} --help"
    match error:
        case click.exceptions.NoArgsIsHelpError():
            return "missing command", where
        case click.MissingParameter(param=click.Option(help=str(about), opts=[option, *_])):
            return f"missing option {option}", f"{option}: {about.removesuffix('.')}; {where}"
        case click.NoSuchOption(option_name=word):
            return f"unknown option {word}", _nearest(word, error.possibilities or (), where)
    message = " ".join(error.format_message().split())  # click lists choices on lines of their own
    unknown = re.match(r"No such command '(.*?)'", message)
    if unknown and context is not None and isinstance(context.command, click.Group):
        word = unknown[1]
        return f"unknown command {word}", _nearest(word, context.command.list_commands(context), where)
    return message[0].lower() + message[1:].removesuffix("."), where


def _nearest(word: str, known: Iterable[str], where: str) -> str:
    guesses = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {guesses[0]}? {where}" if guesses else where
