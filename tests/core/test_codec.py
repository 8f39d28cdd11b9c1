"""Documents of results: what a report writes, and in which order."""

import json
from dataclasses import dataclass
from typing import Annotated

from hyops_gitops.core.codec import JsonReport
from hyops_gitops.core.fields import NEVER, Of, Part, Split


@dataclass(frozen=True, slots=True)
class Tally(JsonReport):
    FORMAT = "tests-tally/1"
    names: tuple[str, ...] = ()
    comment: str | None = None
    kept: Annotated[str, NEVER] = ""


class VerdictDocument:
    FORMAT = "tests-verdict/1"
    zone: str
    ok: bool
    count: Annotated[int, Of(lambda verdict: len(verdict.tally.names))]
    tally: Tally


@dataclass(frozen=True, slots=True)
class SomeVerdict(JsonReport):
    FORM = VerdictDocument
    tally: Tally
    zone: str

    @property
    def ok(self) -> bool:
        return not self.tally.names


@dataclass(frozen=True, slots=True)
class Values(JsonReport):
    values: Annotated[tuple[int, ...], Split((Part("least", int | None, min), Part("all", tuple[int, ...], tuple)))]


def test_a_report_writes_its_format_first_and_defaults_too() -> None:
    assert json.dumps(Tally(kept="beside").to_json()) == '{"format": "tests-tally/1", "names": [], "comment": null}'


def test_a_form_has_its_own_order_and_computed_members() -> None:
    written = SomeVerdict(Tally(("pg",)), "lab.internal").to_json()

    assert list(written) == ["format", "zone", "ok", "count", "tally"]
    assert (written["format"], written["ok"], written["count"]) == ("tests-verdict/1", False, 1)
    assert written["tally"] == Tally(("pg",)).to_json()


def test_a_field_is_written_as_several_members() -> None:
    assert Values((3, 2)).to_json() == {"least": 2, "all": [3, 2]}
