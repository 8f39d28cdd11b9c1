"""What was measured, as a table and as a picture."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.compare.cases import CASES, CONTROL, FLOOR, OCTO, OURS, TOOLS, Case
from bench.compare.contest import CONVERGENCE, Samples
from bench.compare.measure import Sample

FORMAT = "hyops-bench-compare/1"
_COLOURS = {OURS: "#0b6e4f", OCTO: "#c1440e", CONTROL: "#2f5d9b", FLOOR: "#777777"}
_PICTURED = ("validate", "validate-file", "plan", "apply-one", "apply-none", "first-apply", "status", "verify", "audit")
_WIDTH, _HEIGHT, _MARGIN, _RIGHT, _COLUMNS = 310, 230, 44, 26, 3
_LENGTHS = (_WIDTH - _MARGIN - _RIGHT, _HEIGHT - _MARGIN - 24)  # of the axes of a panel
_Lines = dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Measured:
    """The medians of one size."""

    size: int
    samples: Samples
    entries: int

    def median(self, case: str, tool: str, value: str = "cpu_s") -> float | None:
        """The median of one value, if it was measured."""
        found = [getattr(sample, value) for sample in self.samples.get(case, {}).get(tool, [])]
        return statistics.median(found) if found and None not in found else None

    def ratio(self, case: Case, tool: str, value: str = "cpu_s") -> float | None:
        """Ours to a peer's same case, or to the one that it is compared with."""
        ours, theirs = self.median(case.name, OURS, value), self.median(case.against or case.name, tool, value)
        return ours / theirs if ours and theirs else None

    def exits(self, case: str) -> str:
        """Our exit codes other than 0, in brackets."""
        found = sorted({sample.exit for sample in self.samples.get(case, {}).get(OURS, []) if sample.exit})
        return f" (exit {', '.join(map(str, found))})" if found else ""

    def to_json(self) -> dict[str, object]:
        """Each run of each case."""
        cases = {
            case: {tool: [sample.to_json() for sample in found] for tool, found in tools.items()}
            for case, tools in self.samples.items()
        }
        return {"size": self.size, "entries": self.entries, "cases": cases}

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "Measured":
        """What `to_json` wrote."""
        cases, size, entries = document["cases"], document["size"], document["entries"]
        assert isinstance(cases, dict)
        assert isinstance(size, int)
        assert isinstance(entries, int)
        samples = {
            case: {tool: [Sample(**sample) for sample in found] for tool, found in tools.items()}
            for case, tools in cases.items()
        }
        return cls(size, samples, entries)


def merged(documents: Iterable[Mapping[str, object]]) -> list[Measured]:
    """What several documents of `--json` hold; of a case that several have, the last."""
    found: dict[int, Measured] = {}
    for document in documents:
        sizes = document["sizes"]
        assert isinstance(sizes, list)
        for measured in map(Measured.from_json, sizes):
            earlier = found.get(measured.size, measured)
            found[measured.size] = replace(measured, samples={**earlier.samples, **measured.samples})
    return [found[size] for size in sorted(found)]


def table(all_sizes: Sequence[Measured]) -> str:
    """CPU seconds and ratios, in Markdown."""
    heads = [
        "endpoints",
        "case",
        *TOOLS,
        f"/ {OCTO}",
        f"/ {CONTROL}",
        "aimed at",
        "wall, s",
        "MiB",
        f"MiB, {OCTO}",
    ]
    rows = [heads, ["---"] * len(heads)]
    for measured in all_sizes:
        for case in CASES:
            cells = [measured.median(case.name, tool) for tool in TOOLS]
            if any(cell is not None for cell in cells):
                aims = ", ".join(f"{ratio:g} x {tool}" for tool, ratio in case.targets.items())
                wall, memory = (measured.median(case.name, OURS, value) for value in ("wall_s", "memory_mib"))
                rows.append(
                    [f"{measured.size:,}", case.text + measured.exits(case.name), *map(_seconds, cells)]
                    + [_number(measured.ratio(case, tool), ".2f") for tool in (OCTO, CONTROL)]
                    + [aims, _seconds(wall), _number(memory, ".0f")]
                    + [_number(measured.median(case.against or case.name, OCTO, "memory_mib"), ".0f")]
                )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def answers_table(all_sizes: Sequence[Measured]) -> str:
    """Seconds from the start of an apply until servers answer with the change."""
    rows = [["endpoints", "tool", "primary answers, s", "last secondary answers, s"], ["---"] * 4]
    for measured in all_sizes:
        for tool in TOOLS:
            moments = [measured.median(CONVERGENCE, tool, value) for value in ("primary_s", "last_s")]
            if None not in moments:
                rows.append([f"{measured.size:,}", tool, *map(_seconds, moments)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows) if len(rows) > 2 else ""


def _seconds(value: float | None) -> str:
    return _number(value, ".2f")


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


# --- the picture


def picture(all_sizes: Sequence[Measured]) -> str:
    """SVG: CPU seconds over endpoints, both logarithmic; a panel a case, a line a tool."""
    cases = [case for case in CASES if case.name in _PICTURED and any(one.samples.get(case.name) for one in all_sizes)]
    drawn = [_lines(case, all_sizes) for case in cases]
    points = [point for lines in drawn for line in lines.values() for point in line]
    axes = tuple(_Axis.over([point[number] for point in points], length) for number, length in enumerate(_LENGTHS))
    rows = math.ceil(len(cases) / _COLUMNS)
    panels = (
        f'<g transform="translate({number % _COLUMNS * _WIDTH},{number // _COLUMNS * _HEIGHT + 24})">'
        f"{_panel(case, drawn[number], *axes)}</g>"
        for number, case in enumerate(cases)
    )
    legend = "".join(
        f'<text x="{_MARGIN + number * 120}" y="16" fill="{_COLOURS[tool]}" font-weight="bold">{tool}</text>'
        for number, tool in enumerate(tool for tool in TOOLS if any(tool in lines for lines in drawn))
    )
    size = f'width="{_COLUMNS * _WIDTH}" height="{rows * _HEIGHT + 24}"'
    style = 'font-family="sans-serif" font-size="11"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}><rect width="100%" height="100%" fill="white"/>'
        f"{legend}\n{chr(10).join(panels)}\n</svg>\n"
    )


def _lines(case: Case, all_sizes: Sequence[Measured]) -> _Lines:
    """The points of each tool; where a peer has no such case, of the one that it is compared with."""
    lines = {}
    for tool in TOOLS:
        name = case.name if tool == OURS else case.against or case.name
        points = [(float(one.size), value) for one in all_sizes if (value := one.median(name, tool)) is not None]
        if points:
            lines[tool] = points
    return lines


def _panel(case: Case, lines: _Lines, xs: "_Axis", ys: "_Axis") -> str:
    """The axes and lines of one case."""
    bottom = _HEIGHT - _MARGIN
    parts = [f'<text x="{_MARGIN}" y="14" font-weight="bold">{case.text.replace("`", "")}</text>']
    for tick in xs.ticks():
        x = _MARGIN + xs.at(tick)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="24" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{tick:,.0f}</text>')
    for tick in ys.ticks():
        y = bottom - ys.at(tick)
        parts.append(f'<line x1="{_MARGIN}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{_MARGIN - 4}" y="{y + 4:.1f}" text-anchor="end">{tick:g} s</text>')
    for tool, points in lines.items():
        places = [(_MARGIN + xs.at(size), bottom - ys.at(value)) for size, value in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_COLOURS[tool]}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_COLOURS[tool]}"/>' for x, y in places]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Axis:
    """A logarithmic axis over whole powers of ten."""

    low: int
    high: int
    length: float

    @classmethod
    def over(cls, values: Iterable[float], length: float) -> "_Axis":
        logs = [math.log10(value) for value in values]
        low = math.floor(min(logs))
        return cls(low, max(math.ceil(max(logs)), low + 1), length)

    def at(self, value: float) -> float:
        return (math.log10(value) - self.low) / (self.high - self.low) * self.length

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]
