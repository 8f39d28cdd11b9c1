"""Names: the one pattern for sound ones says yes to exactly those without a problem."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.names import (
    MAX_NAME_OCTETS,
    EndpointName,
    endpoint_name_of_path,
    label_problem,
    name_problem,
    resolved_zone,
)

labels = st.sampled_from(
    ["a", "prod", "a-b", "-a", "a-", "", "xn--a", "xn-a", "A", "a_b", "é", "a" * 63, "a" * 64, "1"]
)


def problems_of_the_parts(name: str) -> bool:
    return len(name.encode()) > MAX_NAME_OCTETS or any(label_problem(label) for label in name.split("."))


@given(name=st.lists(labels, max_size=6).map(".".join) | st.text(alphabet="ab-.X_\n1é", max_size=12))
def test_a_name_has_a_problem_where_a_label_or_its_length_has_one(name: str) -> None:
    assert bool(name_problem(name)) == problems_of_the_parts(name)


@pytest.mark.parametrize(("length", "sound"), [(253, True), (254, False)])
def test_a_name_of_253_octets_is_the_longest(length: int, sound: bool) -> None:
    name = ".".join(["a" * 49] * 5) + "." + "b" * (length - 250)

    assert len(name) == length
    assert (name_problem(name) is None) == sound


# --- short names

KNOWN = {
    "x.internal": ["pg.prod.x.internal", "pg.dev.x.internal", "web.prod.x.internal"],
    "eu.x.internal": ["pg.prod.eu.x.internal"],
    "y.example": ["mail.live.y.example", "web.prod.y.example"],
}


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("pg.prod.x.internal", "x.internal"),
        ("PG.prod.eu.x.internal.", "eu.x.internal"),
        ("pg.prod.eu", "eu.x.internal"),
        ("pg.dev", "x.internal"),
        ("mail", "y.example"),
    ],
)
def test_a_name_leads_to_its_zone(given: str, zone: str) -> None:
    assert resolved_zone(given, KNOWN, "contract") == zone


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        ("pg.prod", "ambiguous-name", "give one of: pg.prod.eu.x.internal, pg.prod.x.internal"),
        ("web.prod", "ambiguous-name", "give one of: web.prod.x.internal, web.prod.y.example"),
        ("mial.live", "unknown-name", "did you mean mail.live.y.example?"),
        ("pq.prod.eu.x.internal", "unknown-name", "did you mean pg.prod.eu.x.internal?"),
    ],
)
def test_a_name_of_no_zone_or_of_several_is_refused(given: str, code: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolved_zone(given, KNOWN, "contract")

    assert (caught.value.code, caught.value.hint) == (code, hint)


PARENT, SPLIT = "hyops.internal", "prod.hyops.internal"


@pytest.mark.parametrize(
    ("name", "zone", "folder", "path"),
    [
        (f"db.prod.{PARENT}", PARENT, "", "endpoints/prod/db.yaml"),
        ("db.prod.corp.example", "corp.example", "corp.example/", "endpoints/corp.example/prod/db.yaml"),
        (f"db.prod.{PARENT}", SPLIT, f"{SPLIT}/", f"endpoints/{SPLIT}/prod/db.yaml"),
        (f"db.dev.{SPLIT}", SPLIT, f"{SPLIT}/", f"endpoints/{SPLIT}/dev/db.yaml"),
        (f"db.prod.{SPLIT}", SPLIT, "", "endpoints/prod/db.yaml"),
    ],
)
def test_a_name_and_its_path_say_the_same(name: str, zone: str, folder: str, path: str) -> None:
    parsed = EndpointName.parse(name, zone, folder)

    assert parsed is not None
    assert (str(parsed), parsed.contract_path) == (name, path)
    assert endpoint_name_of_path(path, zone) == parsed


@pytest.mark.parametrize(
    ("name", "zone", "folder"),
    [
        ("db.hyops.internal", "hyops.internal", ""),
        ("a.db.prod.hyops.internal", "hyops.internal", ""),
        (f"db.prod.{SPLIT}", SPLIT, f"{SPLIT}/"),
        (SPLIT, SPLIT, f"{SPLIT}/"),
        ("db.prod.example.org", "hyops.internal", ""),
    ],
)
def test_a_name_of_another_form_is_no_endpoint_s(name: str, zone: str, folder: str) -> None:
    assert EndpointName.parse(name, zone, folder) is None
