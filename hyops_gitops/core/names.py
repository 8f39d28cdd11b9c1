"""DNS names as text, in lower case and without final dot.

Implements the naming rule of the cutover contract (section 4) on top of RFC 1123 section 2.1 host names.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from hyops_gitops.core.dataclass import dataclass
from hyops_gitops.core.errors import UsageError
from hyops_gitops.core.text import did_you_mean, first_few

MAX_NAME_OCTETS = 253  # RFC 1035 section 2.3.4, in text form without the final dot
MAX_LABEL_OCTETS = 63
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_SOUND_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SOUND_NAME = re.compile(rf"{_SOUND_LABEL}(?:\.{_SOUND_LABEL})*")
SHARED = "shared"
MARKER_LABEL = "_hyops-gitops"


def canonical_name(name: str) -> str:
    r"""Lower case, without one final dot (but with an escaped `\.`)."""
    lowered = name.lower()
    return lowered[:-1] if lowered.endswith(".") and not lowered.endswith("\\.") else lowered


def resolved_name(given: str, zone: str, known: Collection[str], where: str) -> str:
    """The whole name of a short one.

    The zone may be left out, and the environment where only one name fits.

    Args:
        given: As it was typed.
        zone: The zone.
        known: The names that can be meant.
        where: What knows them, for messages: `contract`, `entry of the log`.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    meant = _meant_names(given, zone, known)
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise _ambiguous(given, meant)
    whole = _whole_name(given, zone)
    raise _unknown(whole, did_you_mean(whole, known), where)


def resolved_zone(given: str, known: Mapping[str, Collection[str]], where: str) -> str:
    """The zone of a name, which may be short.

    Args:
        given: As it was typed.
        known: The names that can be meant, by zone.
        where: As of `resolved_name`.

    Raises:
        UsageError: codes `unknown-name`, `ambiguous-name`.
    """
    longest_last = sorted(known, key=len)
    found = {name: zone for zone in longest_last for name in _meant_names(given, zone, known[zone])}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise _ambiguous(given, found)
    name = canonical_name(given)
    own = zone_of_name(name, known)
    if own is not None:
        raise _unknown(name, did_you_mean(name, known[own]), where)
    near = ((zone, did_you_mean(f"{name}.{zone}", known[zone])) for zone in known)
    guesses = {guess.removesuffix(f".{zone}"): guess for zone, guess in near if guess}
    raise _unknown(name, guesses.get(did_you_mean(name, guesses) or ""), where)


def _whole_name(given: str, zone: str) -> str:
    name = canonical_name(given)
    return name if is_in_zone(name, zone) else f"{name}.{zone}"


def _meant_names(given: str, zone: str, known: Collection[str]) -> list[str]:
    """The names of a zone that a name can mean."""
    whole, name = _whole_name(given, zone), canonical_name(given)
    return [whole] if whole in known else sorted(each for each in known if each.startswith(f"{name}."))


def _ambiguous(given: str, names: Iterable[str]) -> UsageError:
    hint = f"give one of: {first_few(sorted(names))}"
    return UsageError(f"{given!r} is short for several names", code="ambiguous-name", hint=hint)


def _unknown(name: str, guess: str | None, where: str) -> UsageError:
    hint = f"did you mean {guess}?" if guess else "list the endpoints: hyops-gitops status"
    return UsageError(f"no {where} has the name {name}", code="unknown-name", hint=hint)


def absolute(name: str) -> str:
    """The name with its final dot, as the PowerDNS API writes it."""
    return name + "."


def label_problem(label: str) -> str | None:
    """The reason why a label is not an RFC 1123 label."""
    if not label:
        return "empty label"
    if len(label.encode()) > MAX_LABEL_OCTETS:
        return f"label {label[:20]!r}... has {len(label.encode())} octets, at most {MAX_LABEL_OCTETS} are allowed"
    if label != label.lower():
        return f"label {label!r} has upper-case letters"
    if not _LABEL.fullmatch(label):
        return f"label {label!r} may only hold letters, digits and hyphens, and not begin or end with a hyphen"
    if label.startswith("xn--"):
        return f"label {label!r} is an internationalised label"
    return None


def name_problem(name: str) -> str | None:
    """The reason why a name is not a lower-case host name."""
    if len(name) <= MAX_NAME_OCTETS and _SOUND_NAME.fullmatch(name):
        return None
    if name.endswith("."):
        return "the name ends in a dot"
    if len(name.encode()) > MAX_NAME_OCTETS:
        return f"the name has {len(name.encode())} octets, at most {MAX_NAME_OCTETS} are allowed"
    return next((problem for label in name.split(".") if (problem := label_problem(label))), None)


def is_below(name: str, ancestor: str) -> bool:
    """Whether `name` is strictly below `ancestor`."""
    return name.endswith("." + ancestor)


def is_in_zone(name: str, zone: str) -> bool:
    """Whether `name` is the zone's apex or below it."""
    return name == zone or is_below(name, zone)


def zone_of_name(name: str, zones: Iterable[str]) -> str | None:
    """The longest of these zones that a name is in, if any."""
    return max((zone for zone in zones if is_in_zone(name, zone)), key=len, default=None)


def ancestors(name: str, zone: str) -> Iterator[str]:
    """The names between `name` and the apex, nearest first, then the apex."""
    while name != zone and is_below(name, zone):
        name = name.split(".", 1)[1]
        yield name


def is_marker(name: str, zone: str) -> bool:
    """Whether the name is one of our markers, excluded from every count."""
    return is_in_zone(name, f"{MARKER_LABEL}.{zone}")


@dataclass(frozen=True, slots=True)
class EndpointName:
    """`<service>.<env>.<zone>`, where env is one of the zone's environments or `shared`.

    In a further zone of a repository that is called after an environment, such as prod.hyops.internal, the names of
    that environment are `<service>.<zone>`: they are what they were before the zone was split off.
    """

    service: str
    environment: str
    zone: str
    folder: str = ""  # `<zone>/`, where the contracts of the zone lie in a folder of their own

    def __str__(self) -> str:
        if self.folder and self.zone.startswith(f"{self.environment}."):
            return f"{self.service}.{self.zone}"
        return f"{self.service}.{self.environment}.{self.zone}"

    @classmethod
    def parse(cls, name: str, zone: str, folder: str) -> "EndpointName | None":
        """The endpoint of a canonical name; None: it has another form."""
        labels = name.removesuffix(f".{zone}").split(".") if is_below(name, zone) else []
        if len(labels) == 1 and folder:
            labels.append(zone.partition(".")[0])
        found = cls(labels[0], labels[1], zone, folder) if len(labels) == 2 and all(labels) else None  # noqa: PLR2004
        return found if found is not None and str(found) == name else None

    @property
    def contract_path(self) -> str:
        """The one path a contract of this name may have."""
        return f"endpoints/{self.folder}{self.environment}/{self.service}.yaml"


def endpoint_name_of_path(path: str, zone: str) -> EndpointName | None:
    """The name of a contract at this path, None for other paths."""
    match path.split("/"):
        case ["endpoints", environment, file] if file.endswith(".yaml"):
            return EndpointName(file.removesuffix(".yaml"), environment, zone)
        case ["endpoints", folder, environment, file] if folder == zone and file.endswith(".yaml"):
            return EndpointName(file.removesuffix(".yaml"), environment, zone, f"{zone}/")
        case _:
            return None
