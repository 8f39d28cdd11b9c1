# What audit.sh asks of plans and results: that they are what the contracts and the authority file at their commit ask
# for. $log: the plans and results, as audit.jq wrote them. $texts: the text of each blob, by id. $files: lines
# COMMIT BLOB PATH. $zone: the zone's name.
#
# Output: lines of a letter and a text. P: a problem. Q: what cannot be concluded.
#
# This is not a reader of YAML. A value stands beside its key, or is a list below it; a target that is not found so is
# a Q.

# --- Contracts, as texts

# The value beside a key at the start of a line, without comment, brackets and quotes.
def value($key):
  [
    split("\n")[]
    | capture("^" + $key + ": *(?<v>.*)$").v
    | sub(" +#.*$"; "")
    | gsub("[\\[\\]\"']"; "")
  ][0];

# The value beside a key anywhere in a text.
def part($key): [capture("(^|[ {,\"'])" + $key + "[\"']?: *[\"']?(?<v>[^,\"' }]+)").v][0];

def targets:
  if . then
    ascii_downcase
    | [splits(" *, *") | sub("^ +"; "") | sub("\\.? *$"; "") | select(. != "")]
    | sort
  else [] end;

# A list below a key, as a list beside it.
def listed:
  gsub("(?<a>endpoint_target:) *\n? *- *"; .a + " ")
  | gsub("\n *- *"; ", ");

# The text below each key at the start of a line, without comments: {KEY: TEXT}.
def sections:
  reduce (split("\n")[] | sub("(^| )#.*$"; "")) as $line ({at: "", text: {}};
    ($line | capture("^(?<key>[a-z_]+):(?<rest>.*)") // null) as $new
    | if $new
      then .at = $new.key | .text[.at] = $new.rest
      else .text[.at] += " " + $line
      end)
  | .text;

def aliases:
  sections.endpoint_aliases // ""
  | [scan("(?:^|[ {,\"'])name[\"']?: *[\"']?([^,\"' }]+)")[0] | ascii_downcase | rtrimstr(".")];

# A contract: its name, targets and TTL, and where each of its names leads: {NAME: [TARGET]}.
def contract:
  {
    name: value("endpoint_dns_name"),
    targets: (listed | value("endpoint_target") | targets),
    ttl: (value("endpoint_ttl") // "" | tonumber? // null)
  } as $c
  | $c + {leads: ({($c.name // ""): $c.targets} + (reduce aliases[] as $old ({}; .[$old] = [$c.name])))};

# --- Authority files, as texts

def servers($role):
  [
    splits("- |\\{")
    | select(part("name"))
    | {role: $role, name: part("name"), site: part("site")}
  ];

# The servers by role, which roles must answer, and the default TTL.
def authority:
  sections
  | (.primary | part("dns")) as $dns
  | {
      primary: (if $dns then [{role: "primary", name: "primary", site: (.primary | part("site"))}] else [] end),
      secondaries: (.secondaries // "" | servers("secondary")),
      resolvers: (.resolvers // "" | servers("resolver"))
    } as $servers
  | [
      .policy // ""
      | capture("require[\"']?: *(?<v>\\[[^\\]]*\\]|( *- *[a-z]+)+)").v
      | scan("primary|secondaries|resolvers")
    ] as $require
  | {
      default: (.policy // "" | part("default") // "60" | tonumber),
      servers: $servers,
      require: (
        if $require != [] then $require
        elif $dns then ["primary", "secondaries"]
        else ["secondaries"]
        end
      )
    };

# --- Plans: what each contract's names lead to after the intent, against what the contract asks for

def show:
  .ttl as $ttl
  | [.leads | to_entries[] | "\(.value | join(" ")) TTL \($ttl // "unknown") as \(.key)"]
  | join(", ")
  | if . == "" then "nothing" else . end;

def check_plan($commits):
  . as $plan
  | $commits[.commit] as $at
  | (if .outside then null else $at.authority.default end) as $default
  | ($at.contracts // {} | map_values(.ttl //= $default)) as $asked
  | ($asked + .left | keys[]) as $path
  | $asked[$path] as $want
  # A contract that the intent set aside: only what it changed is compared.
  | (.aside | index($path) != null) as $aside
  | ((if $aside then .changed else .left end)[$path] // []) as $rows
  | {
      leads: (
        reduce $rows[] as $row ({}; .[$row.name] += ($row.rdata | map(rtrimstr("."))))
        | map_values(sort)
      ),
      ttl: ([$rows[].ttl] | unique | join(" ") | tonumber? // null)
    } as $have
  | select(($aside and $rows == [] or .restored and $want == null) | not)
  | "entry \(.seq): \($path)" as $where
  | if $want == null then
      "P\t\($where): leaves \($have | show), and there is no such contract"
    elif $want.targets == [] then
      "Q\t\($where): its target cannot be read here"
    elif
      ($aside | not) and $have.leads != $want.leads
      or $aside and any($have.leads | to_entries[]; .value - ($want.leads[.key] // []) != [])
      or $want.ttl != null and $want.ttl != $have.ttl
    then
      "P\t\($where): leaves \($have | show), not \($want | show)"
    elif $want.ttl == null and $have.ttl != $at.authority.default then
      "Q\t\($where): TTL \($have.ttl), and the authority file is not at hand"
    else empty end;

# --- Results: every server that the authority file requires, except those of a lost site, converged

def check_result($commits):
  . as $result
  | $commits[.commit].authority as $a
  | (
      if .outside then # the authority file that applied is not in the repository: by role alone
        [
          .servers[]
          | select(.role as $role
              | $a.require
              | map({primary: "primary", secondaries: "secondary", resolvers: "resolver"}[.])
              | index($role))
        ]
      else
        [$a.require[] as $role | $a.servers[$role][]]
        | map(select(.site as $site | $result.lost | index($site) | not))
        # Where that leaves none, one of the other authority servers has to show it, as in core/servers.servers_of.
        | if . == [] and any($a.servers[][]; .site as $site | $result.lost | index($site)) then
            [$a.servers | .primary[], .secondaries[] | select(.site as $site | $result.lost | index($site) | not)]
          else .
          end
      end
    ) as $required
  | if .outside and $required == [] or [$a.servers[][]] == [] then
      "Q\tentry \(.seq): who had to serve it cannot be read here"
    else
      $required[]
      | . as $server
      | select(
          any($result.servers[]; .role == $server.role and .name == $server.name and .verdict == "converged")
          | not
        )
      | "P\tentry \($result.seq): the result says converged, but required \(.role) \(.name) is not shown to be"
    end;

# --- Output

($texts | add) as $texts
| $log[0] as $log
| (
    reduce (
      $files
      | split("\n")[]
      | select(. != "")
      | capture("^(?<commit>[^ ]+) (?<id>[^ ]+) (?<path>.*)$")
    ) as $f ({};
      if $f.path == "authority/\($zone).yaml" then
        .[$f.commit].authority = ($texts[$f.id] | authority)
      elif $f.path | test("^endpoints/.*[.]yaml$") then
        .[$f.commit].contracts[$f.path] = ($texts[$f.id] | contract)
      else . end)
  ) as $commits
| ($log.plans[] | check_plan($commits)),
  ($log.results[] | check_result($commits))
