# shellcheck shell=bash disable=SC2154
# The part of audit.sh about the contracts, read into it. $contracts is the head of their branch, $w/out the lines of
# audit.jq, $w/all every entry; g asks Git, lines selects lines of $w/out.

# --- Contracts at the commits that the entries name

mkdir "$w/blobs"
lines M 3 | sort -u | while read -r commit; do
  [[ $commit =~ ^[0-9a-f]{40,64}$ ]] &&
    g merge-base --is-ancestor "$commit" "$contracts" 2> /dev/null &&
    g -c core.quotePath=false ls-tree -r "$commit" -- authority endpoints |
    sed -n "s/^100[0-7]* blob \([0-9a-f]*\)\t/$commit \1 /p"
done > "$w/every" # lines COMMIT BLOB PATH

# Where a commit has several authority files, the zone's part of it. Contracts of a zone are below endpoints/<zone>/,
# and those of one zone, which has no such folder, in endpoints/ itself: to it belongs what is in no other zone's place.
awk -v zone="$zone" '
  { path = substr($0, length($1 $2) + 3); count = split(path, part, "/"); owner = "" }
  count == 2 && path ~ /^authority\/[^.].*[.]yaml$/ { owner = substr(part[2], 1, length(part[2]) - 5) }
  count > 2 && part[1] == "endpoints" { owner = part[2] }
  NR == FNR {
    if (part[1] == "authority" && owner != "") { zones[$1]++; known[$1, owner] }
    if (part[1] == "endpoints" && owner != "") below[$1, owner]
    next
  }
  zones[$1] < 2 || path == "authority/allowed_signers" { print; next }
  ($1, owner) in known && ($1, owner) in below { if (owner == zone) print; next }
  !(($1, zone) in below) { print }
' "$w/every" "$w/every" > "$w/files"

# Every version of allowed_signers there ever was.
g log -m --format= --raw --no-abbrev "$contracts" -- authority/allowed_signers |
  cut -d ' ' -f 4 |
  grep -v '^0*$' |
  sort -u > "$w/versions"

cut -d ' ' -f 2 "$w/files" | sort -u - "$w/versions" | while read -r id; do
  g cat-file blob "$id" > "$w/blobs/$id" || rm "$w/blobs/$id"
done
(
  cd "$w/blobs" || exit
  find . -type f -printf '%P\n' > "$w/ids"
  xargs -r sha256sum < "$w/ids" > "$w/sums" # lines SHA256 BLOB
  sed 's/.*/--rawfile & &/' "$w/ids" | xargs -r -L 500 jq -n '$ARGS.named' > "$w/texts" # {BLOB: content}
)

# Lines COMMIT SHA256  PATH. A manifest is the sha256sum of a commit's contracts and authority files, by path.
awk '
  NR == FNR { sum[$2] = $1; next }
  { print $1, sum[$2] "  " substr($0, length($1 $2) + 3) }
' "$w/sums" "$w/files" | sort -k 1,1 -k 3 > "$w/listed"
mkdir "$w/manifests"
awk -v folder="$w/manifests" '
  $1 != commit { close(file); commit = $1; file = folder "/" commit }
  { print substr($0, length(commit) + 2) > file }
' "$w/listed"
(cd "$w/manifests" && find . -type f -printf '%P\n' | xargs -r sha256sum) > "$w/manifest-sums" # lines SHA256  COMMIT

# The entries: lines NUMBER COMMIT MANIFEST AUTHORITY, "-" for an authority from outside the repository.
lines M | awk -v file="authority/$zone.yaml" '
  part == 1 { manifest[$2] = $1; next }
  part == 2 { if (substr($0, length($1 $2) + 4) == file) authority[$1] = $2; next }
  !($2 in manifest) { print "entry " $1 ": commit " $2 " is not on the branch"; next }
  manifest[$2] != $3 { print "entry " $1 ": the contracts do not hash to what it says" }
  $4 != "-" && authority[$2] != $4 { print "entry " $1 ": another authority file" }
' part=1 "$w/manifest-sums" part=2 "$w/listed" part=3 FS='\t' - > "$w/wrong"
check 'contracts are those that the entries name' "$(head -n 5 "$w/wrong")"
finish_if_failed

# --- Commits of the contracts' branch, and the entries that applied them
# ranges: lines ENTRY BEFORE OWN TYPE; BEFORE is the commit applied before the entry, OWN the entry's.
# steps: lines ENTRY COMMIT PARENT, for each step of main from BEFORE to OWN. Main is whichever chain of parents leads
# back to BEFORE: after a fast-forward that need not be the first parents.

g rev-list --topo-order --reverse --parents "$contracts" > "$w/graph"
{
  lines C
  printf '0\t%s\t%s\thead\n' "$(lines A)" "$contracts"
} > "$w/ranges"
# shellcheck disable=SC2016 # awk's own variables
awk '
  # Puts into `found` what a commit reaches and is not in `known`. Notes the earliest place, and whether it met `old`.
  function reach(commit, known, found,  n, i, queue) {
    for (queue[n = 1] = commit; n; ) {
      commit = queue[n--]
      if (commit == old) met = 1
      if (commit in place && !(commit in known) && !(commit in found)) {
        found[commit]
        if (place[commit] < low) low = place[commit]
        for (i = 1; i <= parents[commit]; i++) queue[++n] = parent[commit, i]
      }
    }
  }
  # Makes `applied` all that this commit reaches; from the beginning where it does not descend from the last one.
  function apply_all(commit,  new, i) {
    met = 0
    reach(commit, applied, new)
    if (!met) {
      split("", applied)
      reach(commit, applied, new)
    }
    for (i in new) applied[i]
    old = commit
  }
  # Prints the steps of a merged branch: the first parents, as far as they are not printed yet.
  function side(commit) {
    for (; commit in within && !(commit in had); commit = parent[commit, 1]) print seq, commit, parent[commit, 1]
  }

  # The graph: lines COMMIT PARENT..., parents before children.
  NR == FNR {
    place[$1] = FNR
    at[FNR] = $1
    parents[$1] = NF - 1
    for (i = 2; i <= NF; i++) parent[$1, i - 1] = $i
    next
  }

  # The ranges.
  $2 != old { apply_all($2) }
  {
    seq = $1
    split("", within) # what this entry applies
    split("", main)   # what descends from BEFORE
    split("", had)    # what was printed, and its ancestors
    low = FNR + NR
    reach($3, applied, within)
    main[$2]
    for (i = low; i <= place[$3]; i++)
      if (at[i] in within)
        for (k = 1; k <= parents[at[i]]; k++)
          if (parent[at[i], k] in main) main[at[i]]
    n = 0
    for (c = $3; c in within; c = before[c]) {
      chain[++n] = c
      before[c] = parent[c, 1]
      for (k = parents[c]; k; k--)
        if (parent[c, k] in main) before[c] = parent[c, k]
    }
    for (; n; n--) {
      c = chain[n]
      print seq, c, before[c]
      first = parent[c, 1]
      if (before[c] == $2 && first != $2 && !(first in within)) print "main was never at " $2 > never
      if (first != before[c]) side(first)
      reach(c, had, had)
    }
  }
' never="$w/never" "$w/graph" "$w/ranges" > "$w/steps"
: >> "$w/never"

# touched: commits that change contracts or authority. told: lines COMMIT that an entry says it applied, by entry.
# By the form of paths: in a repository with several zones some changes are of others.
g ls-tree -r --name-only "$contracts" -- authority "endpoints/$zone" > "$w/here"
cut -d ' ' -f 2,3 "$w/steps" | sort -u | sed 's/ $//' |
  g -c core.quotePath=false diff-tree --stdin --root -r --name-only -- authority endpoints |
  awk -v zone="$zone" '
    NR == FNR {
      if ($0 ~ /^authority\/[^.\/][^\/]*[.]yaml$/) zones++
      if ($0 ~ /^endpoints\//) folder = 1
      next
    }
    /^[0-9a-f]+$/ && (length($0) == 40 || length($0) == 64) { commit = $0; next }
    zones > 1 && $0 != "authority/allowed_signers" && $0 != "authority/" zone ".yaml" {
      count = split($0, part, "/")
      if (index($0, "endpoints/" zone "/") != 1) {
        if (folder || count > 3) next
        if (part[1] == "authority" ? $0 ~ /[.]yaml$/ : part[2] ~ /.[.]/) next
      }
    }
    { print commit }
  ' "$w/here" - |
  sort -u > "$w/touched"
lines T | tr '\t' ' ' | sort > "$w/told" # lines ENTRY COMMIT
awk '$4 ~ /intent|unchanged/ { print $1 }' "$w/ranges" > "$w/carried" # entries that applied what they name
of_carried() { # lines ENTRY COMMIT...: the commits of those entries
  awk 'NR == FNR { carried[$1]; next } $1 in carried { print $2 }' "$w/carried" "$1" | sort -u
}
check 'merged commits, both ways' "$(
  cat "$w/never"
  grep -qF "$(lines G)" "$w/graph" || echo "genesis names another branch"
  cut -d ' ' -f 1,2 "$w/steps" | sort | comm -13 - "$w/told" | head -n 3
  of_carried "$w/steps" | comm -12 - "$w/touched" | comm -23 - <(of_carried "$w/told") | head -n 3
)"

# --- Plans and results against the contracts

lines J > "$w/log"
jq -rn --arg zone "$zone" --slurpfile texts "$w/texts" --rawfile files "$w/files" --slurpfile log "$w/log" \
  -f "$here/audit-contracts.jq" > "$w/out2" 2> "$w/wrong" || echo "P audit-contracts.jq" >> "$w/wrong"
check 'plans and results are what the contracts ask for' "$(
  cat "$w/wrong"
  grep '^P' "$w/out2" | cut -f 2- | head -n 4
)"
while read -r what; do
  cannot "$what"
done < <(grep '^Q' "$w/out2" | cut -f 2- | head -n 4)

mkdir "$w/plans"
(
  cd "$w/plans" &&
    jq -cS --arg z "$zone" '
      .predicate
      | select(.type == "intent")
      | {zone: $z, zone_sha256: .zone.before.whole, changes: .plan.changes}
    ' "$w/all" | split -a 7 -l 1
)
check 'digests of plans' "$(
  find "$w/plans" -type f | sort | xargs -r sha256sum | cut -c1-64 |
    paste - <(lines W) |
    awk '$1 != $3 { print "entry " $2 }' |
    head -n 4
)"
check 'signers are from the history of the contracts' "$(
  while read -r id; do
    grep " $id\$" "$w/sums"
  done < "$w/versions" | cut -c1-64 | sort -u | comm -13 - <(lines D | sort -u)
)"
