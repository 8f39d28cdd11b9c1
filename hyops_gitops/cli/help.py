"""Examples and exit codes of every `--help`; messages for a wrong call."""

import difflib
import re
from collections.abc import Iterable, Mapping

import click

from hyops_gitops.core.errors import EXIT_MEANINGS, Exit, HyopsError

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
        "hyops-gitops init . --add-zone corp.example --primary-url https://10.90.0.53:8443 --primary-site hetzner",
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


_READ = "see that it is there, is an ordinary file, and may be read by this user"
_DAMAGED = "see what does not verify: hyops-gitops evidence verify"
_AGAIN = "run it again where there is more memory and space"
# What to do after an error that was raised without a hint, by its code; a test knows that no code is missing.
NEXT_STEPS: Mapping[str, str] = {
    "axfr-failed": "see that the server answers from here and transfers the zone to this machine",
    "bad-authority": "give an ordinary file of at most 64 KiB",
    "bad-branch": "give a name that git takes: git check-ref-format --branch NAME",
    "bad-entry": _DAMAGED,
    "bad-key": "give a key as its .pub file has it",
    "bad-outputs": "correct the outputs of the module, then publish them again",
    "bad-signature": _DAMAGED,
    "bad-target": "give one or more addresses, or a single name",
    "bad-trailer": "correct --kind, --reason or --reference",
    "bad-zone-file": "correct the file, or see what does not verify: hyops-gitops evidence verify",
    "cannot-include": "leave out its --include",
    "cannot-read": _READ,
    "cannot-write": "see that its folder is there, may be written to by this user, and has space left",
    "evidence-invalid": _DAMAGED,
    "exists": "move it away, or choose another directory",
    "forge-reply": "see that HYOPS_FORGE_URL is the address of the forge's API",
    "forge-status": "run it again later; the forge's own log says more",
    "forge-token": "set HYOPS_FORGE_TOKEN to the token alone",
    "forge-unreachable": "see that HYOPS_FORGE_URL can be reached from here, then run it again",
    "gh-failed": "see that gh works here: gh auth status",
    "git-ended": _AGAIN,
    "git-failed": "do what git asks for; `git fsck` finds damage, which a fresh clone does not have",
    "git-timeout": "run it again; `git gc` makes a slow clone faster",
    "lab-authority": _READ,
    "lab-busy": "wait until that command is done",
    "lab-database": "install it, or choose another --backend",
    "lab-directory": "choose a --dir that this user may write to",
    "lab-platform": "use a machine with Linux",
    "lab-ports": "run it again",
    "lab-service": "see what the lab has: hyops-gitops lab status --dir DIR",
    "lab-start": "see the server's log in the directory of the lab",
    "lab-stop": "run it again, or remove its containers by hand",
    "lab-zone": "see the server's log in the directory of the lab",
    "netbox-reply": "see that HYOPS_NETBOX_URL is NetBox's web address, without /api",
    "netbox-token": "set HYOPS_NETBOX_TOKEN to the token alone",
    "netbox-unreachable": "see that HYOPS_NETBOX_URL can be reached from here, then run it again",
    "no-commit": "run this in a clone, which has every commit",
    "no-file": _READ,
    "no-history": "run this in a clone, which has every commit",
    "no-lock-row": "look into the primary's log and its database, then run it again",
    "no-netbox": _READ,
    "no-section": "add that mapping to the file by hand",
    "not-canonical": _DAMAGED,
    "not-editable": "edit the file by hand",
    "nothing-to-acknowledge": "see what waits for a person: hyops-gitops evidence verify",
    "nothing-to-do": "see which keys count: hyops-gitops keys list",
    "owners-path": "rename the file",
    "powerdns-bad-reply": "see that the URL is of PowerDNS's API, and what its log says",
    "powerdns-refused": "look into the primary's log; nothing was stored",
    "powerdns-url": "correct the URL of the API: the authority file, HYOPS_PRIMARY_URL, HYOPS_SECONDARY_URLS",
    "search-ended": _AGAIN,
    "too-large": "keep only what belongs there below endpoints/ and authority/",
    "unknown-type": "use the newest hyops-gitops; if it is, see hyops-gitops evidence verify",
    "unreadable": _READ,
}
INTERRUPTED = "run it again; the next apply settles what an apply left open"


def next_step(error: HyopsError, command: str) -> str:
    """The hint of an error, or what to do about its like."""
    usual = {
        Exit.NO: "correct it, then run the command again",
        Exit.USAGE: f"see {command} --help",
        Exit.REFUSED: f"see hyops-gitops explain {error.code}",
        Exit.OUTSIDE: "remove the cause, then run it again; nothing was changed",
        Exit.UNCONFIRMED: "look at `status` and `history`; the next apply settles what is open",
    }
    return error.hint or NEXT_STEPS.get(error.code) or usual.get(error.exit_code, "")


def _nearest(word: str, known: Iterable[str], where: str) -> str:
    guesses = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {guesses[0]}? {where}" if guesses else where
