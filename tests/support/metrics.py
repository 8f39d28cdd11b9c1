"""Metrics, read back by the reference parsers of both formats."""

from collections.abc import Mapping

from prometheus_client import parser as classic
from prometheus_client.openmetrics import parser as openmetrics

from hyops_gitops.observe.metrics import METRICS

Series = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(printed: str) -> Series:
    """The series, which both parsers have to find; each at most once, a gauge, and in the table."""
    known = {metric.name: {"zone", *metric.labels} for metric in METRICS}
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in openmetrics.text_string_to_metric_families(printed):  # type: ignore[no-untyped-call]  # has no types
        assert (family.type, family.unit) == ("gauge", "seconds" if family.name.endswith("_seconds") else "")
        for sample in family.samples:
            series = (sample.name, tuple(sorted(sample.labels.items())))
            assert series not in found
            assert sample.labels.keys() == known[sample.name]
            assert sample.timestamp is None  # the node exporter refuses a file that has one
            found[series] = sample.value
    others = [sample for family in classic.text_string_to_metric_families(printed) for sample in family.samples]
    assert {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in others} == found
    return found


def values(series: Series, name: str, **labels: str) -> list[float]:
    return [
        value for (metric, given), value in series.items() if metric == name and labels.items() <= dict(given).items()
    ]
