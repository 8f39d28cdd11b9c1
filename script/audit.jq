# What audit.sh asks of the entries. Input: all of them as one array, oldest first. $zone: the zone's name. $h, $s:
# SHA-256 of each entry and of its signature, a line each. $n: the namespace in which each was found to be signed.
#
# Walks the log once and keeps a state: whose keys are trusted, which intent is open, which record sets are managed.
#
# Output: lines of a letter and fields.
#   P  a problem
#   O  the open intent
#   S  a line of state/
#   F  what the entries pin, as sha256sum prints it
#   M  an entry, and the commit, manifest and authority file of the contracts that it names
#   C  an entry, the commit applied before it, its own commit, its type
#   A  the commit applied last
#   T  an entry, and a commit that it says it applied
#   G  the commit of genesis
#   D  a digest of allowed_signers
#   B  a segment of break-glass: how many entries, its last one, whether an override vouched for its keys
#   K  a segment, and a principal with a key that was trusted for it
#   W  the number and plan digest of an intent
#   J  plans and results, for audit-contracts.jq

# --- Record sets and changes

def named: "\(.name) \(.type)";

def inverse: {name, type, before: .after, after: .before, ttl: {before: .ttl.after, after: .ttl.before}};

def written: select(.action | IN("create", "replace", "delete"));

def by_contract:
  group_by(.contract)
  | map({key: .[0].contract, value: map({name, rdata: .after, ttl: .ttl.after})})
  | from_entries;

# Marks every record set of these names as held by an entry, or by none (null).
def hold($names; $by):
  reduce ($names[] | "\(.) A", "\(.) AAAA", "\(.) CNAME") as $at (.;
    if has($at) then .[$at].held = $by else . end);

# The managed record sets after an intent.
def after($intent; $seq):
  reduce $intent.plan.changes[] as $c (.;
    if $c.ttl.after == null then del(.[$c | named]) else .[$c | named] = $c end)
  | hold([$intent.plan.changes[].name] | unique; null)
  | hold([$intent.holds[]?.name]; $seq);

# --- What a server answered

# The changes of which this server was asked.
def asked($server):
  select(
    (.action | IN("create", "replace", "delete"))
    or (.action == "adopt" and (named as $key | any($server.answers[]; named == $key)))
  );

# Whether a server shows a change: the value and TTL after it, or that the name is gone. A resolver counts TTLs down.
def shows($c):
  .role as $role
  | [.answers[] | select(named == ($c | named))][0] as $a
  | $a != null
    and ($a.rcode | test("^(NOERROR|NXDOMAIN)$"))
    and if $c.ttl.after == null
        then $c.ttl.before == null or $a.rdata != $c.before
        else $a.rdata == $c.after and ($role == "resolver" or $a.ttl == $c.ttl.after)
        end;

# Whether a server shows the anchor of an intent; resolvers are not asked for it.
def shows_anchor($intent):
  .role == "resolver"
  or any(.answers[];
    .name == "_hyops-gitops.\($zone)"
    and .rdata == ["\"v=hyops1 seq=\($intent.seq) intent=sha256:\($intent.hash)\""]);

def shows_all($intent):
  . as $server
  | all($intent.intent.plan.changes[] | asked($server) as $c | $server | shows($c); .);

# --- Checks of one entry. $c describes it: .i its index, .x the statement, .p its predicate, .at "entry N", .now the
# digest of the zone that it names, .left that of the entry before. Each check takes the state and returns it.

def digits: type == "string" and test("^[0-9a-f]{64}$");

def need(c; $what): if c then . else .out += [$what] end;

def known_form($c):
  need(
    $c.x._type == "https://in-toto.io/Statement/v1"
    and $c.x.predicateType == "https://hyops.internal/evidence/v1"
    and $c.p.form == 1
    and ($c.p.type | IN(
      "genesis", "intent", "result", "refusal", "unchanged", "drift", "authority", "trust", "gap", "reconcile"
    ));
    "\($c.at): cannot conclude from an unknown type, version or form");

def canonical($c):
  need(
    [$c.x | .. | numbers | select(. != floor or fabs >= 9007199254740992)] == []
    and [$c.x | .. | strings | select(contains("\u007f"))] == [];
    "\($c.at): not canonical");

def of_this_zone($c):
  need(
    ($c.x.subject | length) == 1 and $c.x.subject[0].name == $zone and ($c.now | digits);
    "\($c.at): about another zone");

# The namespaces of a trusted key's line: none stands for all.
def allows($namespace): (.namespaces | length) == 0 or (.namespaces | index($namespace)) != null;

# Which keys are trusted after a trust entry. A retired key never comes back.
def change_trust($p):
  reduce $p.trust[] as $new (.; if .retired[$new.key] then . else .trusted[$new.key] = $new end)
  | reduce ($p.retire[], $p.compromised[]) as $old (.; del(.trusted[$old.key]) | .retired[$old.key] = true)
  | reduce $p.compromised[] as $old (.; .last_good[$old.key] = $old.last_good_seq);

# --- The walk

. as $e
| length as $count
| [$h, $s, $n | split("\n")] as [$h, $s, $n]
| ("0" * 64) as $none

| def in_place($c):
    need(
      $c.p.seq == $c.i + 1 and $c.p.log == $e[0].predicate.log and ($c.p.type == "genesis") == ($c.i == 0);
      "\($c.at): not in its place, or of another log")
    | need(
      $c.p.prev == if $c.i > 0 then {entry: $h[$c.i - 1], sig: $s[$c.i - 1]} else {entry: $none, sig: $none} end;
      "\($c.at): does not follow from the one before")
    | need(
      ($c.p.time | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$"))
      and ($c.i == 0 or $c.p.time >= $e[$c.i - 1].predicate.time);
      "\($c.at): time goes back");

  def signed_by_a_trusted_key($c):
    .trusted[$c.p.signer.key] as $line
    | need(
      $line != null and $line.principal == $c.p.signer.principal and ($line | allows($n[$c.i]));
      "\($c.at): its key does not count here");

  # A restore changes nothing that the log did not have: it goes back to an entry after which nothing was applied.
  def restores_what_was_recorded($p; $i):
    $p.plan.changes == []
    and ($p.restore.from | . > 0 and . <= $i)
    and $e[$p.restore.from - 1].subject[0].digest.sha256 == $p.zone.expected.whole
    and all($e[$p.restore.from:$i][].predicate;
      .outcome != "applied" and (.type != "drift" or .restored) and (.type != "reconcile" or .zone == null));

  # A roll-back is the inverse of what an earlier intent wrote for the same names, and holds them.
  def takes_back($p; $i):
    $e[$p.rollback_of - 1].predicate as $earlier
    | [$p.plan.changes[].name] as $names
    | $p.rollback_of > 0
      and $p.rollback_of <= $i
      and $earlier.type == "intent"
      and ($names - [$p.holds[]?.name]) == []
      and ([$p.plan.changes[] | inverse] | sort) == (
        [$earlier.plan.changes[] | written | select(.name | IN($names[])) | {name, type, before, after, ttl}] | sort
      );

  def intent($c):
    $c.p as $p
    | need(.open == null; "\($c.at): the intent before has no result")
    | need(
      $p.zone.before.whole == $c.now and ((.based | not) or $c.now == $c.left);
      "\($c.at): starts from another zone than was left")
    | need($p.restore == null or restores_what_was_recorded($p; $c.i); "\($c.at): does not restore what the log had")
    | need($p.rollback_of == null or takes_back($p; $c.i); "\($c.at): does not take back what it says")
    | .based = true
    | .open = {seq: ($c.i + 1), hash: $h[$c.i], intent: $p}
    | if $p.restore then . else
        .plans += [{
          seq: ($c.i + 1),
          commit: $p.contracts.commit,
          outside: $p.authority.outside_commit,
          aside: ([$p.plan.held[], $p.plan.drift[]] | map(.contract)),
          restored: any($p.overrides[]; .guard == "restored"),
          changed: ([$p.plan.changes[] | select(.ttl.after != null and $p.rollback_of == null)] | by_contract),
          left: ([.state | after($p; $c.i + 1)[]] | by_contract)
        }]
      end;

  def result($c):
    $c.p as $p
    | .open as $open
    | (if $p.outcome == "applied" then $open.intent.zone.expected.whole else $c.left end) as $expected
    | need(
      $open != null and $open.seq == $p.intent.seq and $open.hash == $p.intent.sha256;
      "\($c.at): the result of no open intent")
    | need(
      $c.now == $expected and $p.zone.after.whole == $expected;
      "\($c.at): leaves another zone than intended")
    | need(
      all($p.servers[] | select(.verdict == "converged"); shows_anchor($open) and shows_all($open));
      "\($c.at): called converged over other observations")
    | if $p.outcome == "applied" then (.state |= after($open.intent; $open.seq)) | .last = $open else . end
    | .open = null
    | if $p.converged then
        .results += [{
          seq: ($c.i + 1),
          commit: $open.intent.contracts.commit,
          outside: $open.intent.authority.outside_commit,
          lost: [$open.intent, $open.intent.changes[] | .site_lost // [] | .[]],
          servers: [$p.servers[] | {role, name, verdict}]
        }]
      else . end;

  def unchanged($c):
    .last as $last
    | need(
      .open == null and $c.now == $c.left;
      "\($c.at): the intent before has no result, or the zone changed")
    | need(
      all($c.p.caught_up[]?;
        $last != null and .verdict == "converged" and shows_anchor($last) and shows_all($last));
      "\($c.at): called caught up over other observations");

  # A segment of break-glass that is imported, and leads from zone to zone.
  def imported($c):
    $c.p as $p
    | need(
      .open == null and $p.zone.after.whole == $c.now and ((.based | not) or $p.zone.before.whole == $c.left);
      "\($c.at): the segment does not lead from zone to zone")
    | .based = true
    | .state |= after($p; $c.i + 1)
    | .segments += [{
        id: $p.segment,
        count: $p.count,
        head: $p.head,
        vouched: any($p.overrides[]; .guard == "segment-trust"),
        keys: [.trusted[] | select(allows("hyops-gitops-breakglass"))]
      }];

  def drift($c):
    need(
      $c.p.zone.before.whole == $c.left and $c.p.zone.after.whole == $c.now;
      "\($c.at): does not lead from zone to zone");

  # The commit applied before each entry, and after it.
  def commits($c):
    $c.p as $p
    | if $p.type | IN("intent", "unchanged", "refusal") then
        .steps += ["\($c.i + 1)\t\(.commit)\t\($p.contracts.commit)\t\($p.type)"]
      else . end
    | if $p.type == "unchanged" then .commit = $p.contracts.commit
      elif $p.type == "result" and $p.outcome == "applied" and .open then .commit = .open.intent.contracts.commit
      else . end;

  def gap($c):
    if $c.p.acknowledges
    then .acknowledged[$c.p.acknowledges | tostring] = $c.i + 1
    else .gaps["\($c.i + 1)"] = "missing entries"
    end;

  def step($i):
    {i: $i, x: $e[$i], p: $e[$i].predicate, at: "entry \($i + 1)", now: $e[$i].subject[0].digest.sha256} as $c
    | ($c + {left: (if $i > 0 then $e[$i - 1].subject[0].digest.sha256 else $c.now end)}) as $c
    | known_form($c)
    | canonical($c)
    | of_this_zone($c)
    | in_place($c)
    | if $c.p.type == "genesis" then .trusted = ([$c.p.trusted[] | {key, value: .}] | from_entries) else . end
    | signed_by_a_trusted_key($c)
    | if $c.p.type == "trust" then change_trust($c.p) else . end
    | commits($c)
    | if $c.p.type == "gap" then gap($c) else . end
    | if $c.p.type == "intent" then intent($c)
      elif $c.p.type == "result" then result($c)
      elif $c.p.type == "unchanged" then unchanged($c)
      elif $c.p.type == "reconcile" and $c.p.zone then imported($c)
      elif $c.p.type == "drift" then drift($c)
      else need($c.now == $c.left; "\($c.at): the zone changed without a word")
      end;

  reduce range($count) as $i (
    {
      out: [],          # problems
      commit: $e[0].predicate.commit, # the one applied last
      steps: [],        # lines C
      trusted: {},      # key -> its line of allowed_signers
      retired: {},      # key -> true
      last_good: {},    # stolen key -> the last entry that its owner signed
      gaps: {},         # number -> why it must be acknowledged
      acknowledged: {}, # number -> the entry that acknowledges it
      state: {},        # "NAME TYPE" -> the change that left it
      plans: [],
      results: [],
      segments: []
    };
    step($i))

# --- Output

| .last_good as $last_good
| .acknowledged as $acknowledged
| ([$e[].predicate | select(.seq > ($last_good[.signer.key] // .seq)) | {key: (.seq | tostring), value: true}]
    | from_entries) as $stolen
| $e[-1].predicate.files as $files
| (
    # An acknowledgement by a stolen key acknowledges nothing.
    .gaps + ($stolen | map_values("signed by a stolen key"))
    | to_entries[]
    | select($acknowledged[.key] == null or $stolen[$acknowledged[.key] | tostring])
    | "P\tentry \(.key): \(.value), not acknowledged"
  ),
  (.out[] | "P\t\(.)"),
  (if .open then "O\t\(.open.seq)" else empty end),
  (
    .segments[]
    | "B\t\(.id)\t\(.count)\t\(.head)\t\(.vouched)",
      (.id as $id | .keys[] | "K\t\($id)\t\(.principal)\t\(.key)")
  ),
  (
    .state[]
    | . as $c
    | (if $c.held then " ; held \($c.held)" else "" end) as $held
    | .after[]
    | "S\t\($c.name). \($c.ttl.after) IN \($c.type) \(.) ; \($c.contract)\($held)"
  ),
  (
    ("README.md", "LOG.md", "zones/\($zone).zone", "state/\($zone).zone")
    | "F\t\($files[.])  \(.)"
  ),
  "F\t\($e[-1].subject[0].digest.sha256)  zones/\($zone).zone",
  (
    # The README of a folder is pinned by the folder's last entry.
    $e[].predicate
    | select(.seq % 100 == 99 or .seq == $count)
    | .files
    | to_entries[]
    | select(.key | test("^log/"))
    | "F\t\(.value)  \(.key)"
  ),
  (
    $e[].predicate
    | select(.contracts)
    | (.authority | if .outside_commit then "-" else .sha256 end) as $authority
    | "M\t\(.seq)\t\(.contracts.commit)\t\(.contracts.manifest)\t\($authority)"
  ),
  (.steps[] | "C\t\(.)"),
  "A\t\(.commit)",
  (
    $e[].predicate
    | select(.type | IN("intent", "unchanged", "refusal"))
    | "T\t\(.seq)\t\(.changes[].commit)"
  ),
  (
    $e[]
    | "G\t\(select(.predicate.type == "genesis").predicate.commit)",
      "D\t\(.predicate.signers)"
  ),
  ($e[].predicate | select(.type == "intent") | "W\t\(.seq)\t\(.plan.digest)"),
  "J\t\({plans, results} | tojson)"
