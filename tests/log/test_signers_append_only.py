"""Rule `signers-append-only`, by `validate --changed-since` and by `apply`."""

import pytest

from hyops_gitops.core.findings import FindingsError
from tests.support.clone import PRINCIPAL
from tests.support.keys import MakeKey, ok
from tests.support.world import World

PATH = "authority/allowed_signers"


def rules(world: World, *arguments: str) -> list[str]:
    ran = world.cli("validate", "--format", "json", *arguments)
    findings = ran.document()["findings"]
    assert isinstance(findings, list)
    assert ran.exit == (1 if findings else 0)
    return [one["rule"] for one in findings]


def since_begin(world: World, text: str) -> list[str]:
    world.write(PATH, text)
    return rules(world, "--changed-since", "HEAD")


def line(world: World, options: str = "", principal: str = PRINCIPAL) -> str:
    return f"{principal} {options}{' ' if options else ''}{world.public_key}\n"


def test_a_removed_line(world: World) -> None:
    assert since_begin(world, "# empty\n") == ["signers-append-only"]


def test_a_removed_file(world: World) -> None:
    (world.root / PATH).unlink()

    assert rules(world, "--changed-since", "HEAD") == ["signers-append-only"]


def test_another_principal_is_a_removed_line_and_a_known_key(world: World) -> None:
    assert since_begin(world, line(world, principal="other@tests")) == ["signers-append-only"] * 2


def test_a_line_more(world: World, make_key: MakeKey) -> None:
    assert since_begin(world, line(world) + make_key("second@tests").line()) == []


def test_an_end_may_be_set(world: World) -> None:
    assert since_begin(world, line(world, 'valid-before="20990101Z"')) == []


@pytest.mark.parametrize("options", ['valid-before="21000101Z"', ""])
def test_an_end_may_not_be_moved_later_or_taken_out(world: World, options: str) -> None:
    world.write(PATH, line(world, 'valid-before="20990101Z"'))
    world.commit()

    assert since_begin(world, line(world, options)) == ["signers-append-only"]


def test_an_end_may_be_moved_earlier(world: World) -> None:
    world.write(PATH, line(world, 'valid-before="20990101Z"'))
    world.commit()

    assert since_begin(world, line(world, 'valid-before="20980101Z"')) == []


@pytest.mark.parametrize("options", ["", 'valid-after="19990101Z"', 'valid-after="20010101Z"'])
def test_a_beginning_stays(world: World, options: str) -> None:
    world.write(PATH, line(world, 'valid-after="20000101Z"'))
    world.commit()

    assert since_begin(world, line(world, options)) == ["signers-append-only"]


@pytest.mark.parametrize("options", ["", 'namespaces="hyops-gitops,git"'])
def test_a_namespace_more(world: World, options: str) -> None:
    world.write(PATH, line(world, 'namespaces="hyops-gitops"'))
    world.commit()

    assert since_begin(world, line(world, options)) == ["signers-append-only"]


def test_a_namespace_more_on_a_line_of_its_own(world: World) -> None:
    world.write(PATH, line(world, 'namespaces="hyops-gitops-trust"'))
    world.commit()
    text = line(world, 'namespaces="hyops-gitops-trust"') + line(world, 'namespaces="hyops-gitops"')

    assert since_begin(world, text) == ["signers-append-only"]


def test_the_order_of_namespaces_and_comments_do_not_matter(world: World) -> None:
    world.write(PATH, line(world, 'namespaces="a,b"'))
    world.commit()

    assert since_begin(world, "# who\n" + line(world, 'namespaces="b,a"')) == []


def test_without_a_base_nothing_is_compared(world: World) -> None:
    world.write(PATH, "# empty\n")

    assert rules(world) == []


def test_apply_compares_with_genesis_before_anything_was_applied(served: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    served.write(PATH, new.line())
    served.commit()
    # The applier's own key must still be listed, or it could not sign at all.
    served.write(PATH, f'{PRINCIPAL} valid-after="20000101Z" {served.public_key}\n' + new.line())
    served.commit()
    with pytest.raises(FindingsError) as caught:
        served.apply()

    assert [one.rule for one in caught.value.findings] == ["signers-append-only"]


def test_apply_compares_with_the_commit_recorded_last(served: World, make_key: MakeKey) -> None:
    new = make_key("second@tests")
    served.write(PATH, served.read(PATH) + new.line())
    served.commit()
    served.apply()
    served.write(PATH, served.read(PATH).replace(new.line(), ""))
    served.commit()
    ran = served.cli("apply", "--format", "json")

    assert ran.exit == 1
    assert "signers-append-only" in ran.out
    assert served.types()[-1] == "refusal"


def test_it_is_explained(world: World) -> None:
    assert "only grows" in ok(world.cli("explain", "signers-append-only")).out
