"""Zones, contracts and managed sets at random."""

from hypothesis import strategies as st

from hyops_gitops.core.contract import Contract, Target, TargetType
from hyops_gitops.core.document import Document
from hyops_gitops.core.managed import ManagedRRset, ManagedSet
from hyops_gitops.core.names import endpoint_name_of_path
from hyops_gitops.core.zone import RRset, Zone
from hyops_gitops.plan.limits import Limits

APEX = "z.internal"
NO_LIMITS = Limits(10_000, 10_000, 100, 10_000, "warn", frozenset())
SERVICES = tuple(f"s{number}" for number in range(5))

addresses = st.integers(1, 250).map(lambda number: f"10.0.0.{number}")
addresses6 = st.integers(1, 250).map(lambda number: f"fd00::{number:x}")
hosts = st.sampled_from(["a.example", "b.example", "c.example"])
ttls = st.integers(1, 300)

targets = st.one_of(
    st.lists(st.one_of(addresses, addresses6), min_size=1, max_size=3, unique=True).map(
        lambda values: Target(TargetType.HOST, tuple(sorted(values)), 5432)
    ),
    hosts.map(lambda name: Target(TargetType.DNS, (name,), 5432)),
)


def contract_of(service: str, target: Target, ttl: int, env: str = "prod", *, stable: bool = False) -> Contract:
    """A contract for `<service>.<env>.z.internal`."""
    path = f"endpoints/{env}/{service}.yaml"
    name = endpoint_name_of_path(path, APEX)
    assert name is not None
    return Contract(
        path=path,
        name=name,
        target=target,
        ttl=ttl,
        cutover_required=not stable,
        protocol="tcp",
        sites={},
        home=None,
        readiness=(),
        owner=None,
        description=None,
        source=None,
        document=Document(path, {}, {}, {}),
    )


@st.composite
def contracts(draw: st.DrawFn) -> tuple[Contract, ...]:
    """Contracts of some of the services; always one, so that the tree is not empty."""
    chosen = draw(st.lists(st.sampled_from(SERVICES), unique=True, max_size=len(SERVICES)))
    made = [contract_of(service, draw(targets), draw(ttls)) for service in chosen]
    return (contract_of("always", Target(TargetType.HOST, ("10.1.1.1",), 1), 60), *made)


def managed_of(wanted: tuple[Contract, ...]) -> ManagedSet:
    """The managed set once these were applied."""
    return ManagedSet.of(APEX, (ManagedRRset(rrset, one.path) for one in wanted for rrset in one.rrsets()))


# Owners beside the services: wildcards, names below empty non-terminals, and mixed case.
_foreign_owners = st.sampled_from(
    [
        f"*.{APEX}",
        f"*.prod.{APEX}",
        f"*.w.{APEX}",
        f"deep.empty.non.terminal.{APEX}",
        f"MiXed.{APEX}",
        f"x.prod.{APEX}",
        f"prod.{APEX}",
        f"_sip._tcp.{APEX}",
        f"UPPER.prod.{APEX}",
        APEX,
    ]
)
_plain = st.one_of(
    st.tuples(st.just("A"), st.lists(addresses, min_size=1, max_size=2)),
    st.tuples(st.just("AAAA"), st.lists(addresses6, min_size=1, max_size=2)),
    st.tuples(st.just("TXT"), st.just(['"some text"'])),
    st.tuples(st.just("MX"), st.just(["10 mail.example."])),
    st.tuples(st.just("CAA"), st.just(['0 issue "ca.example"'])),
    st.tuples(st.just("ALIAS"), hosts.map(lambda name: [f"{name}."])),
)


@st.composite
def _foreign_rrset(draw: st.DrawFn) -> RRset:
    owner, (rrtype, rdata), ttl = draw(_foreign_owners), draw(_plain), draw(ttls)
    disabled = draw(st.sampled_from([(), ("10.9.9.9",)])) if rrtype == "A" else ()
    return RRset.of(owner, rrtype, ttl, rdata, disabled)


# Cuts that hide nothing of ours, for the services are below prod.
_cuts = st.sampled_from(
    [
        RRset.of(f"cut.{APEX}", "NS", 60, ["ns.example."]),
        RRset.of(f"dname.{APEX}", "DNAME", 60, ["elsewhere.example."]),
        RRset.of(f"below.cut.{APEX}", "A", 60, ["10.8.8.8"]),
        RRset.of(APEX, "NS", 60, ["ns1.example."]),
    ]
)
_beside = st.builds(
    lambda service, ttl: RRset.of(f"{service}.prod.{APEX}", "CAA", ttl, ['0 issue "ca.example"']),
    st.sampled_from(SERVICES),
    ttls,
)


def foreign_rrsets(*, beside: bool = False) -> st.SearchStrategy[list[RRset]]:
    """RRsets that no contract owns; `beside` puts some that do not conflict at the services' own names."""
    kinds = [_foreign_rrset(), _cuts, *([_beside] if beside else [])]
    return st.lists(st.one_of(*kinds), max_size=12, unique_by=lambda rrset: rrset.key)


# What somebody put at a service's own name; a CNAME has no neighbours (RFC 2181 section 10.1).
_by_hand = st.one_of(
    st.tuples(st.just("CNAME"), hosts.map(lambda name: [name])),
    st.tuples(st.just("A"), st.lists(addresses, min_size=1, max_size=2)),
    st.tuples(st.just("AAAA"), st.lists(addresses6, min_size=1, max_size=2)),
    st.tuples(st.just("HTTPS"), st.just(["1 ."])),
)


@st.composite
def zones(draw: st.DrawFn) -> Zone:
    """Any zone, with records of anybody's at the services' names too."""
    foreign = draw(foreign_rrsets(beside=True))
    made = [
        RRset.of(f"{service}.prod.{APEX}", rrtype, draw(ttls), rdata)
        for service, (rrtype, rdata) in draw(st.dictionaries(st.sampled_from(SERVICES), _by_hand)).items()
    ]
    alone = {rrset.name for rrset in made if rrset.type == "CNAME"}
    return Zone.of(APEX, [*(rrset for rrset in foreign if rrset.name not in alone), *made])
