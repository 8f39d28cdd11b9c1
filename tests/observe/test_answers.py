"""What is concluded from the answers of servers."""

import pytest

from hyops_gitops.core.exchange import Answer, Question
from hyops_gitops.core.zone import RRset
from hyops_gitops.observe.answers import negative_ttl

ZONE = "z.internal"
SOA = Question(ZONE, "SOA")


def soa(rdata: str) -> dict[Question, Answer]:
    return {SOA: Answer("NOERROR", True, (RRset.of(ZONE, "SOA", 3600, [rdata]),), 1)}


@pytest.mark.parametrize("damaged", [r"\# 4 0a0b0c0d", r"\# 0", "a. b. 1", "a. b. 1 2 3 4 x"])
def test_a_damaged_soa_says_nothing_about_negative_answers(damaged: str) -> None:
    assert negative_ttl([soa(damaged)], ZONE) is None
    assert negative_ttl([soa(damaged), soa("a. b. 1 2 3 4 300")], ZONE) == 300
