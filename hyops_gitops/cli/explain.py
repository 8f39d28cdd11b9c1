"""`explain`: explain a validation rule or a guard."""

import click

from hyops_gitops.cli.options import common_options
from hyops_gitops.cli.output import echo, echo_json
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.guards import GUARDS
from hyops_gitops.core.text import did_you_mean
from hyops_gitops.validate.formats import catalogue_text, explanations_json, guard_text, rule_text
from hyops_gitops.validate.rules import RULES


@click.command()
@click.argument("name", metavar="[RULE|GUARD]", required=False)
@common_options("json")
def explain(name: str | None, output_format: str, **_common: object) -> None:
    """Explain a validation rule or a guard; without a name, list all."""
    rules = [rule for rule in RULES.values() if name in (None, rule.id)]
    guards = [guard for guard in GUARDS.values() if name in (None, guard.name)]
    if name is not None and not rules and not guards:
        guess = did_you_mean(name, [*RULES, *GUARDS])
        hint = f"did you mean {guess}?" if guess else "list them with `hyops-gitops explain`"
        raise UsageError(f"unknown rule or guard {name!r}", code="unknown-rule", hint=hint)
    if output_format == "json":
        echo_json(explanations_json(rules, guards))
    elif name is None:
        echo(catalogue_text(rules, guards).rstrip("\n"))
    else:
        echo("\n".join([*map(rule_text, rules), *map(guard_text, guards)]).rstrip("\n"))
