"""The pages under docs/ name what exists, and the generated one is current."""

import os
import re

import pytest

from hyops_gitops.core.guards import GUARDS, Guard, override_line
from hyops_gitops.log.entries import BODY_TYPES
from hyops_gitops.netbox.check import NETBOX_RULES
from hyops_gitops.scan.search import SCAN_RULES
from hyops_gitops.validate.rules import RULES
from tests.docs.commands_page import VARIABLES, commands_page
from tests.support.repository import ROOT, first_cells, text


def test_guards_and_modules_of_the_apply_procedure_exist() -> None:
    page = text("docs/apply.md")
    modules = {path.stem for path in (ROOT / "hyops_gitops").rglob("*.py")}
    named = set(re.findall(r"(?<=[(\s`])`([a-z]+(?:[-_][a-z]+)*)`(?=[),.])", page))
    words = {"applied", "enforce", "failed", "lease_s", "recovered", "refused", "unchanged"}
    words |= {
        "http",
        "min_days",
        "move_together",
        "none",
        "on-failed-verification",
        "rollback_of",
        "tcp",
        "timeout_s",
        "tls",
    }
    assert sorted(named - set(GUARDS) - modules - words) == []


def test_the_apply_procedure_has_the_numbers_of_the_code() -> None:
    page, module = text("docs/apply.md"), text("hyops_gitops/apply/apply.py")
    assert re.findall(r"^(\d+)\. ", page, re.MULTILINE) == re.findall(r"^ ?(\d+)\. ", module, re.MULTILINE)


def test_entry_types_are_the_programs() -> None:
    assert [row[0] for row in first_cells(text("docs/evidence.md"), "type")] == [f"`{name}`" for name in BODY_TYPES]


def test_every_page_is_on_the_map() -> None:
    linked = set(re.findall(r"\]\(([a-z-]+)\.md\)", text("docs/README.md")))
    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"README"} == linked


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_a_page_for_contributors_names_exist(page: str) -> None:
    named = {name for name in re.findall(r"`([\w.-]+/[\w./-]+)`", text(page)) if not re.search(r"[A-Z]{2}|/\d", name)}
    missing = [name for name in named if not any((ROOT / top / name).exists() for top in ("", "hyops_gitops"))]
    assert named
    assert missing == []


@pytest.mark.parametrize("name", ["rules", "commands"])
def test_a_generated_page_is_current(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    wanted = _rules_page() if name == "rules" else commands_page()
    if os.environ.get("HYOPS_WRITE_DOCS"):
        page.write_text(wanted)
    assert page.read_text() == wanted, "write it with: HYOPS_WRITE_DOCS=1 script/test tests/docs"


def test_the_environment_variables_are_the_programs() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "hyops_gitops").rglob("*.py")) + text(
        "authority/hyops.internal.yaml"
    )
    assert [name for name in VARIABLES if name not in sources] == []
    # The lab sets those of its compose file itself.
    assert set(re.findall(r"\bHYOPS_(?!LAB_)[A-Z_]+\b", sources)) <= set(VARIABLES)


def _rules_page() -> str:
    rules = [
        f"### `{rule.id}`{'' if rule.severity.value == 'error' else f' ({rule.severity.value})'}\n\n"
        f"{rule.what} {rule.why}\n\n{rule.fix}\n\nBroken by:\n\n```text\n{rule.example}\n```\n"
        for rule in (*RULES.values(), *SCAN_RULES, *NETBOX_RULES)
    ]
    guards = [f"| `{guard.name}` | {guard.about} | {_lift(guard)} |" for guard in GUARDS.values()]
    return "\n".join(
        [
            "# Rules and guards",
            "",
            "Made from the program's own catalogue, which `hyops-gitops explain` prints; a test keeps it current.",
            "",
            "## Guards of apply",
            "",
            "A guard refuses with exit 3, and nothing is changed. Only guards in `policy.overridable` can be lifted.",
            "",
            "| guard | what has to hold, or why it refuses | lifted by |",
            "|---|---|---|",
            *guards,
            "",
            "## Rules of validate, scan and netbox check",
            "",
            *rules,
        ]
    )


def _lift(guard: Guard) -> str:
    return f"`{override_line(guard.name, 'NAME' if guard.per_name else None)}`" if guard.overridable else "nothing"
