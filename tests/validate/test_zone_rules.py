"""Targets in another zone of the repository, loops through several, and the log of each."""

import pytest

from hyops_gitops.validate.validation import MemoryTree
from tests.support.zoned import (
    CHILD,
    FIRST,
    SECOND,
    ReadFiles,
    authority,
    authority_path,
    contract,
    everything,
    path_of,
    repository,
    shown,
    since,
)

HERE, THERE, CHILDS = f"here.prod.{FIRST}", f"there.prod.{SECOND}", f"there.prod.{CHILD}"


@pytest.mark.parametrize("there", [THERE, CHILDS])
def test_a_target_in_another_zone_is_a_contract_there(there: str) -> None:
    assert everything(repository({HERE: there, there: "10.0.0.1"})).findings == ()
    (found,) = everything(repository({HERE: there})).findings

    zone = there.removeprefix("there.prod.")
    assert (found.rule, found.path) == ("target-dangling", path_of(HERE))
    assert found.message == f"{there} is in the zone {zone} of this repository, but no contract there defines it"


def test_a_contract_with_a_finding_has_its_name_all_the_same() -> None:
    files = repository({HERE: THERE}) | {path_of(THERE): b"endpoint_port: x\n"}

    assert {finding.path for finding in everything(files).findings} == {path_of(THERE)}


def test_an_alias_there_is_a_name_too() -> None:
    files = repository({HERE: f"old.prod.{SECOND}"})

    assert shown(everything(files)) == [f"target-dangling {path_of(HERE)}"]
    assert everything(files | {path_of(THERE): contract(THERE, alias=f"old.prod.{SECOND}")}).findings == ()


def test_an_alias_in_a_zone_that_is_not_its_contract_s_is_no_name() -> None:
    files = repository({HERE: f"old.prod.{SECOND}"})
    files[path_of(CHILDS)] = contract(CHILDS, alias=f"old.prod.{SECOND}")

    assert shown(everything(files)) == [f"alias-name {path_of(CHILDS)}", f"target-dangling {path_of(HERE)}"]


def test_a_name_of_the_child_is_none_of_the_parent_s_though_its_path_is_there() -> None:
    files = repository({HERE: f"db.eu.{FIRST}"})
    files["endpoints/eu/db.yaml"] = contract(f"db.eu.{FIRST}")

    assert f"target-dangling {path_of(HERE)}" in shown(everything(files))


def test_of_the_other_zone_only_the_name_is_read() -> None:
    before = repository({THERE: "10.0.0.1", f"more.prod.{SECOND}": "10.0.0.2"})
    after = ReadFiles(before | {path_of(HERE): contract(HERE, THERE)})

    assert since(before, after).findings == ()
    assert after.known == {path_of(HERE), path_of(THERE), authority_path(FIRST)}


def test_nothing_is_read_elsewhere_where_no_target_is_elsewhere() -> None:
    before = repository({THERE: "10.0.0.1"})
    after = ReadFiles(before | {path_of(HERE): contract(HERE, "db.example.net")})

    assert since(before, after).findings == ()
    assert after.known == {path_of(HERE), authority_path(FIRST)}


def test_a_deletion_in_one_zone_and_what_points_there_are_told_apart_from_a_mistake() -> None:
    before = repository({THERE: "10.0.0.1", HERE: THERE})
    after = {path: content for path, content in before.items() if path != path_of(THERE)}
    (found,) = since(before, MemoryTree(after)).findings

    assert found.message == f"{THERE} is pointed at here, but {path_of(THERE)} was deleted since main"


class TestLoops:
    """CNAMEs that lead back to themselves through several zones."""

    def test_through_three_zones(self) -> None:
        files = repository({HERE: THERE, THERE: CHILDS, CHILDS: HERE})

        assert shown(everything(files)) == [
            f"target-loop {path}" for path in sorted(map(path_of, (HERE, THERE, CHILDS)))
        ]

    def test_with_two_members_in_one_zone(self) -> None:
        second = f"second.prod.{FIRST}"
        files = repository({HERE: second, second: THERE, THERE: HERE})

        assert shown(everything(files)) == [
            f"target-loop {path}" for path in sorted(map(path_of, (HERE, second, THERE)))
        ]

    def test_through_an_alias(self) -> None:
        files = repository({HERE: f"old.prod.{SECOND}", THERE: HERE})
        files[path_of(THERE)] = contract(THERE, HERE, alias=f"old.prod.{SECOND}")

        assert shown(everything(files)) == [f"target-loop {path}" for path in sorted(map(path_of, (HERE, THERE)))]

    def test_what_leads_into_a_loop_is_none_of_it(self) -> None:
        leading = f"leading.prod.{FIRST}"
        files = repository({HERE: THERE, THERE: HERE, leading: THERE})

        assert f"target-loop {path_of(leading)}" not in shown(everything(files))

    def test_that_a_change_of_one_member_closes(self) -> None:
        before = repository({HERE: THERE, THERE: "10.0.0.1"})
        after = before | {path_of(THERE): contract(THERE, HERE)}

        assert f"target-loop {path_of(THERE)}" in shown(since(before, MemoryTree(after)))


class TestLogs:
    """The branch of each zone's log."""

    def test_two_on_one_branch(self) -> None:
        files = repository({}) | {authority_path(zone): authority(zone, "evidence") for zone in (FIRST, SECOND)}
        (found,) = everything(files).findings

        assert (found.rule, found.path) == ("authority-shared-log", authority_path(SECOND))
        assert found.message == f"the log would be on the branch evidence, which is that of {authority_path(FIRST)}"

    def test_the_one_that_is_started_keeps_its_branch(self) -> None:
        files = repository({}) | {authority_path(FIRST): authority(FIRST, "log")}
        files[authority_path(SECOND)] = authority(SECOND, "log", f'"sha256:{0:064}"')

        assert shown(everything(files)) == [f"authority-shared-log {authority_path(FIRST)}"]

    def test_a_change_of_one_authority_file(self) -> None:
        before = repository({})
        after = before | {authority_path(CHILD): authority(CHILD, f"evidence-{SECOND}")}

        assert shown(since(before, MemoryTree(after))) == [f"authority-shared-log {authority_path(CHILD)}"]

    def test_a_change_of_contracts_reads_no_other_authority_file(self) -> None:
        files = repository({THERE: "10.0.0.1"}) | {
            authority_path(zone): authority(zone, "log") for zone in (FIRST, SECOND)
        }
        after = ReadFiles(files | {path_of(HERE): contract(HERE)})

        assert since(files, after).findings == ()
        assert authority_path(SECOND) not in after.known


def test_a_zone_that_is_called_after_an_environment_keeps_the_names_that_the_parent_had() -> None:
    """Else a zone could be split only by renaming what clients ask for."""
    split, name = f"prod.{FIRST}", f"db.prod.{FIRST}"
    before = repository({}) | {"endpoints/prod/db.yaml": contract(name)}
    after = before | {authority_path(split): authority(split), f"endpoints/{split}/prod/db.yaml": contract(name)}
    del after["endpoints/prod/db.yaml"]
    longer = after | {f"endpoints/{split}/prod/db.yaml": contract(f"db.prod.{split}")}

    assert everything(before).findings == everything(after).findings == ()
    named = [str(found.name) for part in everything(after).parts for found in part.validation.contracts]
    assert named == [name]
    assert shown(everything(longer)) == [f"name-labels endpoints/{split}/prod/db.yaml"]


def test_an_environment_of_another_name_has_its_label_in_a_split_zone_too() -> None:
    split = f"prod.{FIRST}"
    files = repository({}) | {authority_path(split): authority(split)}
    files |= {f"endpoints/{split}/shared/db.yaml": contract(f"db.shared.{split}")}

    assert everything(files).findings == ()
