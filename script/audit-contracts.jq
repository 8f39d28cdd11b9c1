# What audit.sh asks of plans and results: that they are what the contracts and the authority file at their commit ask for.
# $log: the plans and results, as audit.jq wrote them. $texts: the text of each blob, by id. $files: lines COMMIT ID PATH.
#
# Out come lines: P a problem, Q a question that stays open. This is no reader of YAML: a value stands beside its key, or is a
# list below it, and a target that cannot be found so is a question.
def value($key): [split("\n")[] | capture("^" + $key + ": *(?<v>.*)$").v | sub(" +#.*$"; "") | gsub("[\\[\\]\"']"; "")][0];
def part($key): [capture("(^|[ {,\"'])" + $key + "[\"']?: *[\"']?(?<v>[^,\"' }]+)").v][0];
def targets: if . then ascii_downcase | [splits(" *, *") | sub("^ +"; "") | sub("\\.? *$"; "") | select(. != "")] | sort else [] end;
def listed: gsub("(?<a>endpoint_target:) *\n? *- *"; .a + " ") | gsub("\n *- *"; ", ");
def sections: reduce (split("\n")[] | sub("(^| )#.*$"; "")) as $line ({at: "", text: {}};
  ($line | capture("^(?<key>[a-z_]+):(?<rest>.*)") // null) as $new
  | if $new then .at = $new.key | .text[.at] = $new.rest else .text[.at] += " " + $line end) | .text;
def servers($role): [splits("- |\\{") | select(part("name")) | {role: $role, name: part("name"), site: part("site")}];
def aliases: sections.endpoint_aliases // "" | [scan("(?:^|[ {,\"'])name[\"']?: *[\"']?([^,\"' }]+)")[0] | ascii_downcase | rtrimstr(".")];
def contract: {name: value("endpoint_dns_name"), targets: (listed | value("endpoint_target") | targets), ttl: (value("endpoint_ttl") // "" | tonumber? // null)} as $c
  | $c + {leads: ({($c.name // ""): $c.targets} + (reduce aliases[] as $old ({}; .[$old] = [$c.name])))}; # each name, and where it leads
def authority: sections | (.primary | part("dns")) as $dns |
  {primary: (if $dns then [{role: "primary", name: "primary", site: (.primary | part("site"))}] else [] end),
   secondaries: (.secondaries // "" | servers("secondary")), resolvers: (.resolvers // "" | servers("resolver"))} as $servers |
  {default: (.policy // "" | part("default") // "60" | tonumber), servers: $servers,
   require: ([.policy // "" | capture("require[\"']?: *(?<v>\\[[^\\]]*\\]|( *- *[a-z]+)+)").v | scan("primary|secondaries|resolvers")] |
     if . != [] then . elif $dns then ["primary", "secondaries"] else ["secondaries"] end)};
def show: .ttl as $ttl | [.leads | to_entries[] | "\(.value | join(" ")) TTL \($ttl // "unknown") as \(.key)"] | join(", ") | if . == "" then "nothing" else . end;
($texts | add) as $texts | $log[0] as $log
| (reduce ($files | split("\n")[] | select(. != "") | capture("^(?<commit>[^ ]+) (?<id>[^ ]+) (?<path>.*)$")) as $f ({};
    if $f.path == "authority/\($zone).yaml" then .[$f.commit].authority = ($texts[$f.id] | authority)
    elif $f.path | test("^endpoints/.*[.]yaml$") then .[$f.commit].contracts[$f.path] = ($texts[$f.id] | contract) else . end)) as $commits
| ($log.plans[] | . as $plan | $commits[.commit] as $at | (if .outside then null else $at.authority.default end) as $default
  | ($at.contracts // {} | map_values(.ttl //= $default)) as $asked | ($asked + .left | keys[]) as $path | $asked[$path] as $want
  | (.aside | index($path) != null) as $aside | ((if $aside then .changed else .left end)[$path] // []) as $rows
  | {leads: (reduce $rows[] as $row ({}; .[$row.name] += ($row.rdata | map(rtrimstr(".")))) | map_values(sort)), ttl: ([$rows[].ttl] | unique | join(" ") | tonumber? // null)} as $have
  | select(($aside and $rows == [] or .restored and $want == null) | not)
  | if $want == null then "P\tentry \(.seq): \($path): leaves \($have | show), and there is no such contract"
    elif $want.targets == [] then "Q\tentry \(.seq): \($path): its target cannot be read here"
    elif ($aside | not) and $have.leads != $want.leads or $aside and any($have.leads | to_entries[]; .value - ($want.leads[.key] // []) != []) or $want.ttl != null and $want.ttl != $have.ttl
      then "P\tentry \(.seq): \($path): leaves \($have | show), not \($want | show)"
    elif $want.ttl == null and $have.ttl != $at.authority.default then "Q\tentry \(.seq): \($path): TTL \($have.ttl), and the authority file is not at hand"
    else empty end),
  ($log.results[] | . as $result | $commits[.commit].authority as $a
  | (if .outside then [.servers[] | select(.role as $r | $a.require | map({primary: "primary", secondaries: "secondary", resolvers: "resolver"}[.]) | index($r))]
     else [$a.require[] as $role | $a.servers[$role][]] | map(select(.site as $s | $result.lost | index($s) | not)) end) as $required
  | if .outside and $required == [] or [$a.servers[][]] == [] then "Q\tentry \(.seq): who had to serve it cannot be read here" else
      $required[] | . as $one | select(any($result.servers[]; .role == $one.role and .name == $one.name and .verdict == "converged") | not)
      | "P\tentry \($result.seq): the result says converged, but required \(.role) \(.name) is not shown to be" end)
