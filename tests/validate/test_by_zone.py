"""`validate` in a repository with several zones: each by itself, the findings together."""

from collections.abc import Collection
from random import Random

import pytest

from hyops_gitops.core.exchange import SourceFile
from hyops_gitops.core.layout import SIGNERS_PATH
from hyops_gitops.validate.by_zone import Inquiry, ZonesValidation
from hyops_gitops.validate.validation import MemoryTree
from tests.support.site import LONG
from tests.support.zoned import (
    CHILD,
    FIRST,
    SECOND,
    ReadFiles,
    ask,
    authority,
    authority_path,
    contract,
    everything,
    path_of,
    repository,
    shown,
    since,
)

HOSTS = {f"db.prod.{zone}": "10.0.0.1" for zone in (FIRST, SECOND, CHILD)}
GENESIS = f'"sha256:{0:064}"'
WIKI, ASK = f"wiki.prod.{SECOND}", f"ask.prod.{FIRST}"


def test_the_contracts_of_every_zone_are_counted() -> None:
    done = everything(repository(HOSTS))

    assert (done.checked, done.findings) == (3, ())


def test_findings_of_all_zones_are_sorted_together() -> None:
    wrong = [path_of(name) for name in HOSTS]
    files = repository(HOSTS) | dict.fromkeys(wrong, b"endpoint_port: x\n")

    assert [finding.path for finding in everything(files).findings] == sorted(
        finding.path for finding in everything(files).findings
    )
    assert {finding.path for finding in everything(files).findings} == set(wrong)


def test_what_is_wrong_with_the_signers_of_all_zones_is_shown_once() -> None:
    files = repository(HOSTS) | {SIGNERS_PATH: b"nonsense\n"}

    assert shown(everything(files)) == [f"signers-syntax {SIGNERS_PATH}"]


def test_a_file_in_no_zone_s_folder_is_shown_once() -> None:
    files = repository(HOSTS) | {f"endpoints/{FIRST}/README.md": b"", "endpoints/gone.example/prod/db.yaml": b""}
    files[f"endpoints/{FIRST}/prod/db.yaml"] = files.pop("endpoints/prod/db.yaml")

    assert shown(everything(files)) == ["tree-stray-file endpoints/gone.example/prod/db.yaml"]


def test_of_a_change_in_one_zone_no_other_is_read() -> None:
    before = repository(HOSTS)
    after = ReadFiles(before | {path_of(f"db.prod.{SECOND}"): b"endpoint_port: x\n"})
    done = since(before, after)

    assert {finding.path for finding in done.findings} == {path_of(f"db.prod.{SECOND}")}
    assert after.known == {path_of(f"db.prod.{SECOND}"), authority_path(SECOND)}
    assert [part.zone for part in done.parts] == [SECOND]


def test_given_paths_are_looked_at_in_their_zones() -> None:
    files = repository(HOSTS) | {path_of(f"db.prod.{zone}"): b"endpoint_port: x\n" for zone in (FIRST, CHILD)}
    named = frozenset([path_of(f"db.prod.{CHILD}")])
    done = ask(MemoryTree(files), Inquiry(named, None, MemoryTree(files)))

    assert {finding.path for finding in done.findings} == named


@pytest.mark.parametrize("full", [False, True])
def test_a_deletion_is_found_where_another_zone_points_at_the_name(full: bool) -> None:
    before = repository({WIKI: "10.0.0.2", ASK: WIKI})
    after = {path: content for path, content in before.items() if path != path_of(WIKI)}

    assert shown(since(before, MemoryTree(after), full=full)) == [f"target-deleted {path_of(ASK)}"]


def test_a_search_that_finds_nothing_is_found_out_by_a_full_run() -> None:
    class Silent(ReadFiles):
        def mentioning(self, texts: Collection[str]) -> frozenset[str]:
            assert set(texts) == {WIKI}
            return frozenset()

    before = repository({WIKI: "10.0.0.2", ASK: WIKI})
    after = Silent({path: content for path, content in before.items() if path != path_of(WIKI)})

    assert shown(since(before, after)) == []
    assert shown(since(before, after, full=True)) == [f"target-deleted {path_of(ASK)}"]


def test_an_alias_that_is_dropped_is_found_where_another_zone_points_at_it() -> None:
    before = repository({WIKI: "10.0.0.2", ASK: f"old.prod.{SECOND}"})
    before[path_of(WIKI)] = contract(WIKI, alias=f"old.prod.{SECOND}")
    after = before | {path_of(WIKI): contract(WIKI)}

    assert everything(before).findings == ()
    assert shown(since(before, MemoryTree(after))) == [f"target-dangling {path_of(ASK)}"]


def test_a_name_that_is_only_talked_about_elsewhere_is_no_reference() -> None:
    before = repository({WIKI: "10.0.0.2", ASK: "10.0.0.9"})
    before[path_of(ASK)] += f"# as {WIKI} was, and one mistake\nendpoint_port: x\n".encode()
    after = {path: content for path, content in before.items() if path != path_of(WIKI)}

    assert since(before, MemoryTree(after)).findings == ()


def test_a_change_of_one_zone_s_authority_concerns_the_contracts_of_that_zone() -> None:
    wrong = {path_of(f"db.prod.{zone}"): b"endpoint_port: x\n" for zone in (FIRST, SECOND)}
    before = repository(HOSTS) | wrong
    after = before | {authority_path(SECOND): authority(SECOND) + b"# a remark\n"}
    done = since(before, MemoryTree(after))

    assert {finding.path for finding in done.findings} == {path_of(f"db.prod.{SECOND}")}
    assert [part.zone for part in done.parts] == [SECOND]


def test_a_zone_that_comes_takes_names_from_the_parent_s_contracts() -> None:
    """`db.prod.eu.hyops.internal` was outside of the repository's contracts, and is now to be one of the child's."""
    after = repository({f"ask.prod.{FIRST}": f"db.prod.{CHILD}"})
    before = {path: content for path, content in after.items() if CHILD not in path}

    assert shown(since(before, MemoryTree(after))) == [f"target-dangling {path_of(ASK)}"]


class TestMixedChange:
    """An authority file and contracts in one change, by zone."""

    def rules(self, before: dict[str, bytes], changed: dict[str, bytes]) -> list[str]:
        return shown(since(before, MemoryTree(before | changed)))

    def test_of_one_zone(self) -> None:
        before = repository(HOSTS, GENESIS)
        authority_too = {authority_path(SECOND): before[authority_path(SECOND)] + b"# a remark\n"}

        assert self.rules(before, {path_of(f"db.prod.{SECOND}"): contract(f"db.prod.{SECOND}", "10.0.0.2")}) == []
        assert self.rules(
            before, {path_of(f"db.prod.{SECOND}"): contract(f"db.prod.{SECOND}", "10.0.0.2"), **authority_too}
        ) == [f"mixed-change {authority_path(SECOND)}"]

    def test_of_two_zones(self) -> None:
        before = repository(HOSTS, GENESIS)
        changed = {authority_path(SECOND): before[authority_path(SECOND)] + b"# a remark\n"}

        assert (
            self.rules(before, changed | {path_of(f"db.prod.{FIRST}"): contract(f"db.prod.{FIRST}", "10.0.0.2")}) == []
        )

    def test_of_the_signers_of_all_and_the_contracts_of_one(self) -> None:
        before = repository(HOSTS, GENESIS)
        changed = {SIGNERS_PATH: b"", path_of(f"db.prod.{CHILD}"): contract(f"db.prod.{CHILD}", "10.0.0.2")}

        assert self.rules(before, changed) == [f"mixed-change {SIGNERS_PATH}"]

    def test_of_a_zone_that_is_added(self) -> None:
        after = repository(HOSTS, GENESIS)
        before = {path: content for path, content in after.items() if SECOND not in path}
        after[authority_path(SECOND)] = authority(SECOND)

        assert self.rules(before, after) == []

    def test_of_a_zone_that_is_removed(self) -> None:
        before = repository(HOSTS, GENESIS)
        for gone in (SECOND, CHILD):
            after = {path: content for path, content in before.items() if gone not in path}
            assert since(before, MemoryTree(after)).findings == ()
            before = after


def test_a_file_outside_stands_in_for_the_authority_of_the_zone_that_it_names() -> None:
    stands_in = authority(SECOND).replace(b"[prod]", b"[lab]")
    found = everything(repository(HOSTS), SourceFile("/elsewhere/lab.yaml", stands_in))

    assert shown(found) == [f"name-environment {path_of(f'db.prod.{SECOND}')}"]


def test_a_file_outside_for_no_zone_of_the_repository_is_refused() -> None:
    stands_in = SourceFile("/elsewhere/lab.yaml", authority("lab.example"))

    assert shown(everything(repository(HOSTS), stands_in)) == ["authority-override /elsewhere/lab.yaml"]


NAMES = [f"{service}.prod.{zone}" for zone in (FIRST, SECOND, CHILD) for service in ("a", "b")]


def some_contracts(random: Random) -> dict[str, bytes]:
    made = repository({})
    for name in NAMES:
        if random.random() < 0.6:
            target = random.choice(["10.0.0.1", "10.0.0.1", *NAMES, f"old.prod.{SECOND}"])
            zone = name.split(".", 2)[2]
            alias = f"old.prod.{zone}" if random.random() < 0.3 else ""
            made[path_of(name)] = contract(name, target, alias=alias)
    return made


LEFT = {"target-deleted": "no name", "target-dangling": "no name"}  # which of them depends on the comparison alone


def places(done: ZonesValidation) -> set[tuple[str, str]]:
    return {(finding.path, LEFT.get(finding.rule, finding.rule)) for finding in done.findings}


@pytest.mark.parametrize("seed", range(400 if LONG else 40))
def test_no_new_finding_is_missed_where_few_files_are_read(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - not for secrets
    before, other = some_contracts(random), some_contracts(random)
    changed = random.sample(sorted(path for path in before | other if path.startswith("endpoints/")), 2)
    after = {path: content for path, content in before.items() if path not in changed}
    after |= {path: other[path] for path in changed if path in other}

    was, now, short = places(everything(before)), places(everything(after)), places(since(before, MemoryTree(after)))
    new_loops = {place for place in now - was if place[1] == "target-loop"}  # shown at one of their members at least

    assert now - was - new_loops <= short <= now
    assert not new_loops or new_loops & short
