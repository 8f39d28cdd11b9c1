# What audit.sh asks of the entries, all of them as one array, oldest first. $h, $s: SHA-256 of each entry and signature,
# $n: the namespace each was found to be signed in, a line each. Walks the log once, keeping what it amounts to.
#
# Out come lines: P a problem, O the open intent, S a line of state/, F what the entries pin (as sha256sum prints it),
# M the contracts that an entry names, T a commit that one carried out, G the commit of genesis, C an entry with the commit applied
# before, its own, and its type, A the commit applied last, D a digest of allowed_signers, B a break-glass segment, K a key that counted for it, W number and digest of a plan, J plans and results for
# audit-contracts.jq.
def need(c; $what): if c then . else .out += [$what] end;
def named: "\(.name) \(.type)";
def hold($names; $by): reduce ($names[] | "\(.) A", "\(.) AAAA", "\(.) CNAME") as $at (.; if has($at) then .[$at].held = $by else . end);
def after($intent; $seq): reduce $intent.plan.changes[] as $c (.; if $c.ttl.after == null then del(.[$c | named]) else .[$c | named] = $c end)
  | hold([$intent.plan.changes[].name] | unique; null) | hold([$intent.holds[]?.name]; $seq);
def inverse: {name, type, before: .after, after: .before, ttl: {before: .ttl.after, after: .ttl.before}};
def written: select(.action | IN("create", "replace", "delete"));
def asked($server): select((.action | IN("create", "replace", "delete")) or (.action == "adopt" and (named as $key | any($server.answers[]; named == $key))));
def shows($c): .role as $role | [.answers[] | select(named == ($c | named))][0] as $a | $a != null and ($a.rcode | test("^(NOERROR|NXDOMAIN)$")) and
  if $c.ttl.after == null then $c.ttl.before == null or $a.rdata != $c.before else $a.rdata == $c.after and ($role == "resolver" or $a.ttl == $c.ttl.after) end;
def shows_anchor($i): .role == "resolver" or any(.answers[]; .name == "_hyops-gitops.\($zone)" and .rdata == ["\"v=hyops1 seq=\($i.seq) intent=sha256:\($i.hash)\""]);
def by_contract: group_by(.contract) | map({key: .[0].contract, value: map({name, rdata: .after, ttl: .ttl.after})}) | from_entries;
def digits: type == "string" and test("^[0-9a-f]{64}$");
. as $e | length as $count | [$h, $s, $n | split("\n")] as [$h, $s, $n] | ("0" * 64) as $none |
reduce range($count) as $i ({out: [], at: $e[0].predicate.commit, steps: [], trusted: {}, retired: {}, good: {}, acked: {}, asks: {}, state: {}, plans: [], results: [], segments: []};
  $e[$i] as $x | $x.predicate as $p | $x.subject[0].digest.sha256 as $now | "entry \($i + 1)" as $at |
  (if $i > 0 then $e[$i - 1].subject[0].digest.sha256 else $now end) as $left | $p.signer.key as $key
  | need($x._type == "https://in-toto.io/Statement/v1" and $x.predicateType == "https://hyops.internal/evidence/v1" and $p.form == 1 and
      ($p.type | IN("genesis", "intent", "result", "refusal", "unchanged", "drift", "authority", "trust", "gap", "reconcile")); "\($at): cannot conclude from an unknown type, version or form")
  | need([$x | .. | numbers | select(. != floor or fabs >= 9007199254740992)] + [$x | .. | strings | select(contains("\u007f"))] == []; "\($at): not canonical")
  | need(($x.subject | length) == 1 and $x.subject[0].name == $zone and ($now | digits); "\($at): about another zone")
  | need($p.seq == $i + 1 and $p.log == $e[0].predicate.log and ($p.type == "genesis") == ($i == 0); "\($at): not in its place, or of another log")
  | need($p.prev == (if $i > 0 then {entry: $h[$i - 1], sig: $s[$i - 1]} else {entry: $none, sig: $none} end); "\($at): does not follow from the one before")
  | need(($p.time | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$")) and ($i == 0 or $p.time >= $e[$i - 1].predicate.time); "\($at): time goes back")
  | if $p.type == "genesis" then .trusted = ([$p.trusted[] | {key, value: .}] | from_entries) else . end
  | .trusted[$key] as $line | need($line != null and $line.principal == $p.signer.principal and
      (($line.namespaces | length) == 0 or ($line.namespaces | index($n[$i])) != null); "\($at): its key does not count here")
  | if $p.type == "trust" then reduce $p.trust[] as $new (.; if .retired[$new.key] then . else .trusted[$new.key] = $new end)
      | reduce ($p.retire[], $p.compromised[]) as $old (.; del(.trusted[$old.key]) | .retired[$old.key] = true)
      | reduce $p.compromised[] as $old (.; .good[$old.key] = $old.last_good_seq) else . end
  | if $p.type | IN("intent", "unchanged", "refusal") then .steps += ["\($i + 1)\t\(.at)\t\($p.contracts.commit)\t\($p.type)"] else . end
  | if $p.type == "unchanged" then .at = $p.contracts.commit elif $p.type == "result" and $p.outcome == "applied" and .open then .at = .open.intent.contracts.commit else . end
  | if $p.type == "gap" then if $p.acknowledges then .acked[$p.acknowledges | tostring] = $i + 1 else .asks["\($i + 1)"] = "missing entries" end else . end
  | if $p.type == "intent" then need(.open == null; "\($at): the intent before has no result")
      | need($p.zone.before.whole == $now and ((.based | not) or $now == $left); "\($at): starts from another zone than was left")
      | need($p.restore == null or ($p.plan.changes == [] and ($p.restore.from | . > 0 and . <= $i) and
          $e[$p.restore.from - 1].subject[0].digest.sha256 == $p.zone.expected.whole and
          all($e[$p.restore.from:$i][].predicate; .outcome != "applied" and (.type != "drift" or .restored) and (.type != "reconcile" or .zone == null))); "\($at): does not restore what the log had")
      | need($p.rollback_of == null or ($e[$p.rollback_of - 1].predicate as $earlier | [$p.plan.changes[].name] as $names
          | $p.rollback_of > 0 and $p.rollback_of <= $i and $earlier.type == "intent" and ($names - [$p.holds[]?.name]) == [] and
          ([$p.plan.changes[] | inverse] | sort) == ([$earlier.plan.changes[] | written | select(.name | IN($names[])) | {name, type, before, after, ttl}] | sort));
          "\($at): does not take back what it says")
      | .based = true | .open = {seq: ($i + 1), hash: $h[$i], intent: $p} | ([$p.plan.held[], $p.plan.drift[]] | map(.contract)) as $aside
      | if $p.restore then . else .plans += [{seq: ($i + 1), commit: $p.contracts.commit, outside: $p.authority.outside_commit, aside: $aside, restored: any($p.overrides[]; .guard == "restored"),
          changed: ([$p.plan.changes[] | select(.ttl.after != null and $p.rollback_of == null)] | by_contract), left: ([.state | after($p; $i + 1)[]] | by_contract)}] end
    elif $p.type == "result" then .open as $open | need($open != null and $open.seq == $p.intent.seq and $open.hash == $p.intent.sha256; "\($at): the result of no open intent")
      | (if $p.outcome == "applied" then $open.intent.zone.expected.whole else $left end) as $expected
      | need($now == $expected and $p.zone.after.whole == $expected; "\($at): leaves another zone than intended")
      | need(all($p.servers[] | select(.verdict == "converged") as $server | $server | shows_anchor($open),
          ($open.intent.plan.changes[] | asked($server) as $c | $server | shows($c)); .); "\($at): called converged over other observations")
      | if $p.outcome == "applied" then (.state |= after($open.intent; $open.seq)) | .last = $open else . end | .open = null
      | if $p.converged then .results += [{seq: ($i + 1), commit: $open.intent.contracts.commit, outside: $open.intent.authority.outside_commit,
          lost: [$open.intent, $open.intent.changes[] | .site_lost // [] | .[]], servers: [$p.servers[] | {role, name, verdict}]}] else . end
    elif $p.type == "unchanged" then need(.open == null and $now == $left; "\($at): the intent before has no result, or the zone changed")
      | .last as $last | need(all($p.caught_up[]?; . as $server | $last != null and .verdict == "converged" and shows_anchor($last) and
          all($last.intent.plan.changes[] | asked($server) as $c | $server | shows($c); .)); "\($at): called caught up over other observations")
    elif $p.type == "reconcile" and $p.zone then need(.open == null and $p.zone.after.whole == $now and ((.based | not) or $p.zone.before.whole == $left);
        "\($at): the segment does not lead from zone to zone") | .based = true | .state |= after($p; $i + 1)
      | .segments += [{id: $p.segment, count: $p.count, head: $p.head, vouched: any($p.overrides[]; .guard == "segment-trust"), keys: [.trusted[] |
          select((.namespaces | length) == 0 or (.namespaces | index("hyops-gitops-breakglass")))]}]
    elif $p.type == "drift" then need($p.zone.before.whole == $left and $p.zone.after.whole == $now; "\($at): does not lead from zone to zone")
    else need($now == $left; "\($at): the zone changed without a word") end)
| .good as $good | ([$e[].predicate | select(.seq > ($good[.signer.key] // .seq)) | {key: (.seq | tostring), value: true}] | from_entries) as $stolen | .acked as $acked
| (.asks + ($stolen | map_values("signed by a stolen key")) | to_entries[] | select($acked[.key] == null or $stolen[$acked[.key] | tostring]) | "P\tentry \(.key): \(.value), not acknowledged"),
  (.out[] | "P\t\(.)"), (if .open then "O\t\(.open.seq)" else empty end),
  (.segments[] | "B\t\(.id)\t\(.count)\t\(.head)\t\(.vouched)", (.id as $id | .keys[] | "K\t\($id)\t\(.principal)\t\(.key)")),
  (.state[] | . as $c | .after[] | "S\t\($c.name). \($c.ttl.after) IN \($c.type) \(.) ; \($c.contract)\(if $c.held then " ; held \($c.held)" else "" end)"),
  ($e[-1].predicate.files as $f | ("README.md", "LOG.md", "zones/\($zone).zone", "state/\($zone).zone") | "F\t\($f[.])  \(.)"), "F\t\($e[-1].subject[0].digest.sha256)  zones/\($zone).zone",
  ($e[].predicate | select(.seq % 100 == 99 or .seq == $count) | .files | to_entries[] | select(.key | test("^log/")) | "F\t\(.value)  \(.key)"),
  ($e[].predicate | select(.contracts) | "M\t\(.seq)\t\(.contracts.commit)\t\(.contracts.manifest)\t\(.authority | if .outside_commit then "-" else .sha256 end)"),
  (.steps[] | "C\t\(.)"), "A\t\(.at)", ($e[].predicate | select(.type | IN("intent", "unchanged", "refusal")) | "T\t\(.seq)\t\(.changes[].commit)"),
  ($e[] | "G\t\(select(.predicate.type == "genesis").predicate.commit)", "D\t\(.predicate.signers)"),
  ($e[].predicate | select(.type == "intent") | "W\t\(.seq)\t\(.plan.digest)"), "J\t\({plans, results} | tojson)"
