"""The README says what the program does."""

import functools
import re
from pathlib import Path

import pytest

from hyops_gitops.cli.main import cli
from hyops_gitops.core.guards import GUARDS
from hyops_gitops.validate.rules import RULES
from tests.docs.commands_page import leaves
from tests.support.repository import PAGES, ROOT, code_blocks, first_cells, text

README = text("README.md")


COMMANDS = leaves(cli)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_line_in_a_page_is_a_command_with_its_options(page: object) -> None:
    shell = _shell(text(str(page))).replace("\\\n", " ")
    for line in re.findall(r"\bhyops-gitops ((?:[a-z]+ ?)+[^\n|;&<>]*)", shell):
        name = next(
            (name for name in sorted(COMMANDS, key=len, reverse=True) if re.match(rf"{name}(?![a-z])", line)), ""
        )
        assert name, f"hyops-gitops {line}"
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        bare = re.sub(r"'[^']*'|\"[^\"]*\"|#.*", "", line)
        assert set(re.findall(r"(?<!\S)--[a-z-]+", bare)) <= {*known, "--help"}, f"hyops-gitops {line}"


def _shell(page: str) -> str:
    """Code in a page: fenced blocks and inline code."""
    return "\n".join([*code_blocks(page, "sh"), *code_blocks(page, "console"), *re.findall(r"`([^`\n]+)`", page)])


def test_rules_and_guards_that_the_readme_names_exist() -> None:
    rows = first_cells(README, "trap")
    for word in re.findall(r"`([a-z-]+)`", " ".join(row[2] for row in rows)):
        assert word in RULES or word in GUARDS


def test_the_contract_is_the_shipped_one() -> None:
    (block,) = [block for block in code_blocks(README, "yaml") if "endpoint_dns_name" in block]
    shipped = text("endpoints/prod/postgres.yaml").splitlines()
    assert [line for line in block.splitlines() if line not in shipped] == []


def test_the_hook_exists() -> None:
    assert "- id: hyops-validate" in README
    assert "- id: hyops-validate" in text(".pre-commit-hooks.yaml")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: object) -> None:
    path = ROOT / str(page)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_anchors_lead_to_headings(page: object) -> None:
    path = ROOT / str(page)
    links = re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", path.read_text())
    pages = [(path.parent / target if target else path, anchor) for target, anchor in links]
    assert [anchor for target, anchor in pages if target.suffix == ".md" and anchor not in _anchors(target)] == []


@functools.cache
def _anchors(page: Path) -> frozenset[str]:
    """The anchors that a forge makes of a page's headings."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.*)", prose, re.MULTILINE))
    return frozenset(each.replace(" ", "-") for each in words)
