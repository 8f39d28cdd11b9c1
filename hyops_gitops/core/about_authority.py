"""The rules about the authority file and the allowed signers, in words."""

from hyops_gitops.core.findings import Severity
from hyops_gitops.core.rule import Rule

AUTHORITY_RULES: tuple[Rule, ...] = (
    Rule(
        "authority-zone",
        "zone is a lower-case host name without final dot.",
        "It is compared with names and with what the API says.",
        "Write the zone in lower case, without final dot.",
        "zone: HyOps.internal.",
    ),
    Rule(
        "authority-file-name",
        "The authority file is called <zone>.yaml.",
        "Who reviews a path must be able to rely on which zone it is about.",
        "Rename the file, or correct zone.",
        "authority/prod.yaml with zone: hyops.internal",
    ),
    Rule(
        "authority-override",
        "A file given with --authority is for the repository's zone and log.",
        "Contracts of one zone must never be applied to another by a wrong option.",
        "Give the authority file of this zone.",
        "--authority other.yaml with zone: other.internal",
    ),
    Rule(
        "authority-environment",
        "Environments are valid labels, and shared is not among them.",
        "They become labels of names; shared always exists.",
        "Use lower-case letters, digits and hyphens; remove shared.",
        "environments: [dev, Prod, shared]",
    ),
    Rule(
        "authority-failure-domain",
        "The primary's site is not the failure domain.",
        "The authority must live outside the primary on-prem failure domain (cutover contract, section 2.1): it is "
        "needed exactly when that site is lost.",
        "Run the primary elsewhere; primary.site says where it really is.",
        "failure_domain: onprem with primary.site: onprem",
    ),
    Rule(
        "authority-url",
        "api_url is http(s)://host:port, without path and credentials.",
        "The path is ours to add, and a password in Git is public.",
        "Write scheme, host and port only; the API key comes from the environment.",
        "api_url: https://user:secret@dns.internal:8443/api/v1",
    ),
    Rule(
        "authority-plain-http",
        "An API that is not on this machine is reached by https.",
        "The API key crosses the network readable, and whoever reads it writes the zone.",
        "Put TLS in front of the API; ca_file names your own CA.",
        "api_url: http://10.0.0.53:8081",
        Severity.WARNING,
    ),
    Rule(
        "authority-address",
        "A server's address is host:port with a valid host and a port from 1 to 65535.",
        "An address that cannot be asked can prove nothing.",
        "Write host:port, an IPv6 address in brackets.",
        'dns: "10.0.0.53:99999"',
    ),
    Rule(
        "authority-duplicate-server",
        "Secondaries and resolvers have distinct names.",
        "Evidence and status call servers by name.",
        "Rename one of them.",
        "two secondaries called onprem",
    ),
    Rule(
        "authority-convergence",
        "convergence.require names primary only where primary.dns is given.",
        "A server without address cannot be asked, so that no apply could ever be confirmed.",
        "Add primary.dns, or remove primary from convergence.require.",
        "require: [primary, secondaries] without primary.dns",
    ),
    Rule(
        "authority-lease",
        "policy.convergence.timeout_s is at most policy.lease_s.",
        "When the lease and half a minute are over, another applier takes this one for dead and settles its intent; it "
        "must not still be waiting for servers then.",
        "Make lease_s longer, or timeout_s shorter.",
        "lease_s: 30 with convergence: {timeout_s: 60}",
    ),
    Rule(
        "authority-network",
        "target_networks are networks in CIDR form.",
        "Every target is checked against them.",
        "Write the network's first address and the prefix length.",
        "target_networks: [10.0.0.1/8]",
    ),
    Rule(
        "authority-ttl",
        "policy.ttl has min <= default <= max.",
        "Contracts without endpoint_ttl get the default, which must be allowed.",
        "Correct the bounds or the default.",
        "ttl: {min: 60, max: 3600, default: 30}",
    ),
    Rule(
        "authority-overridable",
        "policy.overridable lists guards that exist and can be overridden.",
        "A mistyped guard would be missing at three in the morning.",
        "Use the names that `explain` lists.",
        "overridable: [max-delets]",
    ),
    Rule(
        "authority-assertion",
        "policy.assertions names environments that exist and full names of endpoints.",
        "An assertion about something that is not there protects nothing.",
        "Use the environments of this file, and names as endpoint_dns_name has them.",
        "max_environment_cutovers: {production: 3}",
    ),
    Rule(
        "authority-protocol",
        "protocol is not above the one that this program speaks.",
        "It says how updates of the zone are fenced; a program that knows less would leave the fence open.",
        "Use the version that the file was written for, or a newer one.",
        "protocol: 3",
    ),
    Rule(
        "authority-branch",
        "evidence.branch is a valid Git branch name.",
        "The log is pushed to it.",
        "Use letters, digits, hyphens and single slashes, such as evidence.",
        'branch: "evidence..old"',
    ),
    Rule(
        "signers-syntax",
        "authority/allowed_signers has the form of OpenSSH's allowed signers file.",
        "ssh-keygen skips lines it cannot read, so that a mistyped key is silently not trusted.",
        "Write: principal [options] keytype base64-key [comment].",
        "applier@hyops.internal AAAAC3NzaC1lZDI1NTE5AAAA...",
    ),
    Rule(
        "signers-pattern",
        "A principal is one exact name, no pattern and no list.",
        "With a pattern one key can sign in anybody's name.",
        "Write one line per principal.",
        "*@hyops.internal ssh-ed25519 AAAA...",
    ),
    Rule(
        "signers-duplicate",
        "A key stands on one line for a namespace and a time.",
        "With two lines one signature would belong to two people.",
        "Keep one of the lines.",
        "the same key for alice and for bob",
    ),
    Rule(
        "signers-time-zone",
        "valid-after and valid-before end in Z.",
        "Without it ssh-keygen reads the time in the zone of the machine that verifies.",
        "Add Z: 20260101000000Z.",
        'valid-after="20260101000000"',
    ),
    Rule(
        "signers-newline",
        "authority/allowed_signers has LF line ends and ends in one.",
        "A line appended to a file without final LF becomes part of the last line, and both keys are lost.",
        "End the file with a line feed.",
        "a file written by printf without \\n",
    ),
    Rule(
        "signers-append-only",
        "authority/allowed_signers only grows: no line is removed, no valid-before removed or moved later, no "
        "valid-after changed, no namespace added to a key. Checked against an earlier revision: by --changed-since, "
        "and by apply against the commit recorded last.",
        "Every entry is verified by the line its key had then; a line taken out breaks all entries it signed, and a "
        "window opened again brings a retired or stolen key back to life.",
        "Put the line back as it was. To retire a key add valid-before, then run: hyops-gitops keys retire.",
        "the line of somebody who left is deleted",
    ),
    Rule(
        "breakglass-review",
        "Each break-glass segment in the log was reviewed by somebody who did not write or witness it. Told from the "
        "log that this clone has; a clone without it, as in most CI jobs, says nothing.",
        "A change that nobody could approve before it was made has to be looked at after.",
        "Read segments/<id>/ on the evidence branch, then run: hyops-gitops reconcile ID --reviewed 'what you saw'.",
        "a failover from a bundle last night",
        Severity.WARNING,
    ),
    Rule(
        "breakglass-overdue",
        "That review happens within policy.breakglass.review_h hours of the segment's last entry.",
        "A review without an end is one that never happens.",
        "As for breakglass-review; the audit fails until then as well.",
        "a failover from a bundle last week",
    ),
)
