#!/usr/bin/env bash
# Audits the signed log with git, ssh-keygen, sha256sum and jq alone; docs/auditing.md walks through the same by hand.
# What the entries say is judged by audit.jq beside it.
#
#   audit.sh REPO ALLOWED_SIGNERS [--genesis SHA256] [--seen SEQ:SHA256]... [--branch EVIDENCE] [--main REV]
#
# REPO: a clone with the contracts and the evidence branch, or a plain directory with that branch's files.
# ALLOWED_SIGNERS: your own copy of authority/allowed_signers. --seen: a head of the log that you remember.
# The last line is OK, FAILED, or CANNOT CONCLUDE where something was in the way: a program that cannot run is no verdict.
set -uo pipefail
export LC_ALL=C TZ=UTC
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
failed='' unknown='' w=/dev/null git='' genesis='' seen=() branch=evidence main=HEAD
cannot() { unknown=1 && printf 'UNKNOWN  %s\n' "$*"; }
check() { # a name, and what is wrong with it
  if [ -s "$w/broke" ]; then finish; fi
  if [ -z "$2" ]; then printf 'ok       %s\n' "$1"; else failed=1 && printf 'FAILED   %s: %s\n' "$1" "${2//$'\n'/; }"; fi
}
finish() {
  if [ -s "$w/broke" ]; then read -r line < "$w/broke" && cannot "cannot run $line"; fi
  if [ "$failed" ]; then echo FAILED && exit 1; elif [ "$unknown" ]; then echo 'CANNOT CONCLUDE' && exit 4; else echo OK && exit 0; fi
}
tools=(ssh-keygen sha256sum jq awk cmp comm cut diff find grep head mktemp realpath rm sed sort tail tee tr wc xargs)
for tool in $(if [ -e "${1-}/.git" ] || [ -d "${1-}/objects" ]; then echo git; fi) "${tools[@]}"; do
  command -v "$tool" > /dev/null || cannot "$tool is not installed"
done
[ "$unknown" ] && finish
w=$(mktemp -d) && [ -d "$w" ] && trap 'rm -rf "$w"' EXIT || { cannot 'cannot make a temporary folder' && finish; }

# --- Every program is run by one of these: how it ends, where that is no verdict of its own, is noted.
broke() { echo "$1: ${2//$'\n'/; }" >> "$w/broke"; }
ran() { # not found, not to be run, ended by a signal (a closed pipe aside); git's own failures are for `told`
  local status=0 && command "$@" || status=$?
  case "$1 $status" in *' 128' | *' 141') ;; *' '12[6-9] | *' '1[3-9]? | *' '2?? | 'xargs '12[345] | 'jq 3' | 'cmp 2' | 'diff 2' | 'grep 2' | 'sort 2') broke "$1" "exit status $status" ;; esac
  return "$status"
}
told() { # git, whose fatal failures end alike: these words say what is not there, all others that it could not look
  local status=0 words=$w/words.$BASHPID && ran git "$@" 2> "$words" || status=$?
  [ "$status" != 128 ] || case $(< "$words") in *'Not a valid '* | *'does not exist in'* | *'exists on disk'*) ;; *) broke git "$(< "$words")" ;; esac
  [ ! -s "$words" ] || printf '%s\n' "$(< "$words")" >&2
  return "$status"
}
ssh-keygen() { # likewise, by its words for a no
  local status=0 words=$w/words.$BASHPID out && out=$(command ssh-keygen "$@" 2> "$words") || status=$?
  [ "$status" = 0 ] || case "$out $(< "$words")" in *'Invalid option'* | *'Unable to open'* | *"Couldn't read"*) broke ssh-keygen "$(< "$words")" ;; *'Could not verify signature'* | *'is not a public key file'*) ;; *) broke ssh-keygen "$out$(< "$words")" ;; esac
  printf '%s\n' "$out"
  return "$status"
}
for tool in "${tools[@]:1}"; do eval "$tool() { ran $tool \"\$@\"; }"; done
[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
repo=$1 signers=$(realpath "$2") && shift 2 || { cannot "$2 cannot be read" && finish; }
for (( ; $# > 0; )); do
  case $1 in --genesis) genesis=${2#sha256:} ;; --seen) seen+=("$2") ;; --branch) branch=$2 ;; --main) main=$2 ;; *) exit 2 ;; esac
  shift 2 || exit 2
done
{ [ -r "$signers" ] && [ -r "$repo" ]; } || { cannot "$signers or $repo cannot be read" && finish; }

# --- A repository is read through an empty one that borrows its objects: no setting, filter, hook or graft takes part.
if [ -e "$repo/.git" ] || [ -d "$repo/objects" ]; then
  trust=() && while read -r line; do trust+=(-c "safe.directory=$line"); done < <(git -C / config --get-all safe.directory)
  # shellcheck disable=SC2046 # names of variables, one a word
  unset $(git rev-parse --local-env-vars)
  export GIT_NO_REPLACE_OBJECTS=1 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
  src() { told "${trust[@]+"${trust[@]}"}" -C "$repo" "$@" 2> /dev/null; } && tip() { src rev-parse --verify --quiet "$1^{commit}"; }
  contracts=$(tip "$main") local=$(tip "refs/heads/$branch") evidence=$(tip "refs/remotes/origin/$branch")
  git=$w/git && g() { told --git-dir="$git" "$@"; } && told init -q --bare --object-format="$(src rev-parse --show-object-format)" "$git"
  src rev-parse --path-format=absolute --git-path objects > "$git/objects/info/alternates"
  if [ -z "$evidence" ] || { [ "$local" ] && g merge-base --is-ancestor "$evidence" "$local"; }; then evidence=$local
  elif [ "$local" ] && ! g merge-base --is-ancestor "$local" "$evidence"; then check branch 'local and remote diverge'; fi
  { [ "$evidence" ] && [ "$contracts" ]; } || { cannot "no branch $branch, or no $main, in $repo" && finish; }
  if [ "$(src rev-parse --is-shallow-repository)" != false ] || [ "$(src for-each-ref refs/replace/)" ] ||
    [ -s "$(src rev-parse --path-format=absolute --git-path info/grafts)" ]; then cannot 'history is shallow, grafted or replaced' && finish; fi
  check 'modes of files' "$(g ls-tree -r "$evidence" | awk '$1 != "100644"' | head -n 3)"
  check 'one root, no merges' "$(g rev-list --max-parents=0 "$evidence" | tail -n +2; g rev-list --merges "$evidence")"
  check 'only additions' "$(g log -m --no-renames --diff-filter=MDT --format= --name-only "$evidence" -- log segments |
    grep -Ev '^log/[^/]+/[0-9]+/README\.md(\.sig)?$|^$' | sort -u | head -n 3)"
  mkdir "$w/tree" && g --work-tree="$w/tree" read-tree "$evidence" && g --work-tree="$w/tree" checkout-index -a
  repo=$w/tree
fi
cd "$repo" || exit 2

# --- The tree: every file is expected, every expected file is there.
zone=$(cd log 2> /dev/null && find . -mindepth 1 -maxdepth 1 | cut -c3-) count=$(find log -name '*.json' 2> /dev/null | wc -l)
awk -v n="$count" -v z="$zone" 'BEGIN { for (i = 1; i <= n; i++) printf "log/%s/%04d/%06d.json\n", z, int(i / 100), i }' > "$w/entries"
{ printf '%s\n' LOG.md LOG.md.sig README.md "zones/$zone.zone" "state/$zone.zone" && sed p "$w/entries" | sed 'n;s/$/.sig/' &&
  sed 's,[^/]*$,README.md,' "$w/entries" | sort -u | sed p | sed 'n;s/$/.sig/'; } | sort > "$w/expected"
find . \( -name .git -o -path ./segments \) -prune -o ! -type d -printf '%P\n' | sort > "$w/found"
check 'no file missing, none too many' "$(diff "$w/expected" "$w/found" | grep '^[<>]' | head -n 3; find . -type l)"
{ [ "$count" -gt 0 ] && [[ $zone =~ ^[a-z0-9.-]+$ ]]; } || check 'entries' 'there is none, or of no one zone' && if [ "$failed" ]; then finish; fi

# --- Form and chain. The one jq over all files makes duplicate keys, reformatting and CRLF show.
xargs cat < "$w/entries" > "$w/all"
check 'canonical JSON' "$(jq -cS . "$w/all" 2>&1 | cmp - "$w/all" 2>&1; xargs awk 'FNR > 1 { print FILENAME }' < "$w/entries")" && if [ "$failed" ]; then finish; fi
xargs sha256sum < "$w/entries" | cut -c1-64 > "$w/h"
sed 's/$/.sig/' "$w/entries" | xargs sha256sum | cut -c1-64 > "$w/s"
find . -name '*.sig' > "$w/sigs"
# shellcheck disable=SC2016 # awk's own variables
check 'armour of signatures' "$(xargs awk '
  function judge(  i, text) { # base64 in lines of 70, no bit unused, version 1: exactly what ssh-keygen writes
    for (i = 2; i < n; i++) { text = text line[i]; if (i < n - 1 && length(line[i]) != 70 || length(line[i]) > 70) text = "=" }
    if (line[1] != "-----BEGIN SSH SIGNATURE-----" || line[n] != "-----END SSH SIGNATURE-----" || length(text) % 4 ||
        text !~ /^U1NIU0lHAAAAAQAA[A-Za-z0-9+\/]*([A-Za-z0-9+\/]|[AEIMQUYcgkosw048]=|[AQgw]==)$/) print file }
  FNR == 1 { if (n) judge(); file = FILENAME } { n = FNR; line[n] = $0 } END { judge() }' < "$w/sigs"
  xargs tail -qc1 < "$w/sigs" | tr -d '\n')"
[ "$genesis" ] || [ -z "$git" ] || genesis=$(g cat-file blob "$contracts:authority/$zone.yaml" 2> /dev/null |
  sed -n 's/.*genesis: *"\{0,1\}sha256:\([0-9a-f]\{64\}\).*/\1/p')
[ "$genesis" ] || cannot 'nothing pins the first entry: give --genesis'
check 'genesis is the pinned one' "$([ "$(head -n 1 "$w/h")" = "${genesis:-$(head -n 1 "$w/h")}" ] || echo "it is $(head -n 1 "$w/h")")"
for one in "${seen[@]+"${seen[@]}"}"; do check "seen $one" "$(sed -n "${one%%:*}p" "$w/h" | grep -qx "${one##*:}" || echo 'cut or rewritten')"; done

# --- Signatures, as of the time and by the key that each entry names; the pages by whoever signed their last entry.
check 'signers are plain names' "$(grep -En '^[[:blank:]]*[^#[:blank:]]*[*?!,]|namespaces="[^"]*[*?!]' "$signers")"
declare -A prints
signed() { # file, principal, time, namespace, key
  [ "$4" ] || return 1
  [ "${prints[$5]-}" ] || prints[$5]=$(ssh-keygen -lf - <<< "$5" 2> /dev/null | cut -d ' ' -f 2) # SHA256:...
  local said && said=$(ssh-keygen -Y verify -f "$signers" -I "$2" -n "$4" -O verify-time="${3//[TZ:-]/}" -s "$1.sig" < "$1" 2> /dev/null) &&
    [[ $said == *" key ${prints[$5]}" ]]
}
seq=0 # counted here: nothing an entry says is ever calculated with
while IFS=$'\t' read -r principal time type key <&3; do
  seq=$((seq + 1)) used='' && file=$(sed -n "${seq}p" "$w/entries")
  for ns in hyops-gitops $([ "$type" != trust ] || echo hyops-gitops-trust); do
    [ -z "$used" ] && signed "$file" "$principal" "$time" "$ns" "$key" && used=$ns
  done
  echo "$used" >> "$w/ns"
  for page in $( ((seq == count)) && echo LOG.md; ((seq % 100 == 99 || seq == count)) && echo "${file%/*}/README.md"); do
    signed "$page" "$principal" "$time" "$used" "$key" || echo "$page"; done >> "$w/pages"
done 3< <(jq -r '.predicate | [.signer.principal, .time, .type, .signer.key] | @tsv' "$w/all")
check 'signatures' "$([ "$seq" = "$count" ] || echo "only $seq entries name a signer"; grep -n '^$' "$w/ns" | sed 's/:/ is not signed as it says/'; cat "$w/pages")"

# --- What the entries say: order, trust, pairs, continuity, observations. Out come P(roblems) and what to compare with.
jq -rs --arg zone "$zone" --rawfile h "$w/h" --rawfile s "$w/s" --rawfile n "$w/ns" -f "$here/audit.jq" "$w/all" > "$w/out" 2> "$w/err"
lines() { grep "^$1" "$w/out" | cut -f "${2:-2-}"; }
check 'order, trust, pairs, continuity, observations' "$(cat "$w/err"; lines P | head -n 5)"
check 'state is the sum of the applied changes' "$(lines S | sort | cmp - "state/$zone.zone" 2>&1)"
check 'files are as the entries pin them' "$(lines F | sha256sum --check --strict --quiet 2>&1 | head -n 3)"
[ -z "$(lines O)" ] || echo "note     intent $(lines O) has no result yet"
# shellcheck source=script/audit-segments.sh
[ -z "$(lines B)" ] || . "$here/audit-segments.sh" || cannot 'audit-segments.sh is not beside this script'
[ "$git" ] || { echo 'note     without git: history, contracts and plans are not looked at' && finish; }

# --- The contracts: manifests, merged commits both ways, each plan and result against the contracts at its commit.
mkdir "$w/blobs" && lines M 3 | sort -u | while read -r commit; do
  [[ $commit =~ ^[0-9a-f]{40,64}$ ]] && g merge-base --is-ancestor "$commit" "$contracts" 2> /dev/null &&
    g -c core.quotePath=false ls-tree -r "$commit" -- authority endpoints | sed -n "s/^100[0-7]* blob \([0-9a-f]*\)\t/$commit \1 /p"
done > "$w/files" # lines COMMIT ID PATH
g log -m --format= --raw --no-abbrev "$contracts" -- authority/allowed_signers | cut -d ' ' -f 4 | grep -v '^0*$' | sort -u > "$w/versions"
cut -d ' ' -f 2 "$w/files" | sort -u - "$w/versions" | while read -r id; do
  g cat-file blob "$id" > "$w/blobs/$id" && jq -Rs --arg id "$id" '{($id): .}' "$w/blobs/$id"
done > "$w/texts"
(cd "$w/blobs" && find . -type f -printf '%P\n' | xargs -r sha256sum) > "$w/sums"
awk 'NR == FNR { sum[$2] = $1; next } { print $1, sum[$2] "  " substr($0, length($1 $2) + 3) }' "$w/sums" "$w/files" > "$w/manifests"
while IFS=$'\t' read -r seq commit manifest authority; do
  awk -v commit="$commit" '$1 == commit { print substr($0, length(commit) + 2) }' "$w/manifests" | sort -k 2 > "$w/one"
  [ -s "$w/one" ] || { echo "entry $seq: commit $commit is not on the branch" && continue; }
  [ "$(sha256sum < "$w/one" | cut -c1-64)" = "$manifest" ] || echo "entry $seq: the contracts do not hash to what it says"
  [ "$authority" = - ] || grep -qxF "$authority  authority/$zone.yaml" "$w/one" || echo "entry $seq: another authority file"
done < <(lines M) > "$w/wrong"
check 'contracts are those that the entries name' "$(head -n 5 "$w/wrong")" && if [ "$failed" ]; then finish; fi
g rev-list --topo-order --reverse --parents "$contracts" > "$w/graph"
(lines C && printf '0\t%s\t%s\thead\n' "$(lines A)" "$contracts") > "$w/ranges"
# shellcheck disable=SC2016 # awk's own variables. Lines ENTRY COMMIT BEFORE: the steps of main in (applied before, its own].
awk '
  function reach(one, known, found,  n, i, queue) { # what a commit reaches and is not known
    for (queue[n = 1] = one; n; ) { one = queue[n--]; if (one == old) met = 1
      if (one in place && !(one in known) && !(one in found)) { found[one]; if (place[one] < low) low = place[one]
        for (i = 1; i <= parents[one]; i++) queue[++n] = parent[one, i] } } }
  function apply_all(one,  new, i) { met = 0; reach(one, applied, new); if (!met) { split("", applied); reach(one, applied, new) }
    for (i in new) applied[i]; old = one }
  function side(one) { for (; one in within && !(one in had); one = parent[one, 1]) print seq, one, parent[one, 1] }
  NR == FNR { place[$1] = FNR; at[FNR] = $1; parents[$1] = NF - 1; for (i = 2; i <= NF; i++) parent[$1, i - 1] = $i; next }
  $2 != old { apply_all($2) }
  { seq = $1; split("", within); split("", main); split("", had); low = FNR + NR; reach($3, applied, within); main[$2]
    for (i = low; i <= place[$3]; i++) if (at[i] in within) for (k = 1; k <= parents[at[i]]; k++) if (parent[at[i], k] in main) main[at[i]]
    n = 0; for (c = $3; c in within; c = before[c]) { chain[++n] = c; before[c] = parent[c, 1]
      for (k = parents[c]; k; k--) if (parent[c, k] in main) before[c] = parent[c, k] }
    for (; n; n--) { c = chain[n]; print seq, c, before[c]; first = parent[c, 1]
      if (before[c] == $2 && first != $2 && !(first in within)) print "main was never at " $2 > never
      if (first != before[c]) side(first)
      reach(c, had, had) } }' never="$w/never" "$w/graph" "$w/ranges" > "$w/steps" && touch "$w/never"
cut -d ' ' -f 2,3 "$w/steps" | sort -u | sed 's/ $//' | g diff-tree --stdin --root -r --name-only -- authority endpoints | grep -xE '[0-9a-f]{40,64}' | sort > "$w/touched"
lines T | tr '\t' ' ' | sort > "$w/told" && awk '$4 ~ /intent|unchanged/ { print $1 }' "$w/ranges" > "$w/carried"
check 'merged commits, both ways' "$(cat "$w/never"; grep -qF "$(lines G)" "$w/graph" || echo "genesis names another branch"
  cut -d ' ' -f 1,2 "$w/steps" | sort | comm -13 - "$w/told" | head -n 3
  awk 'NR == FNR { carried[$1]; next } $1 in carried { print $2 }' "$w/carried" "$w/steps" | sort -u | comm -12 - "$w/touched" |
    comm -23 - <(awk 'NR == FNR { carried[$1]; next } $1 in carried { print $2 }' "$w/carried" "$w/told" | sort -u) | head -n 3)"
lines J > "$w/log" && jq -rn --arg zone "$zone" --slurpfile texts "$w/texts" --rawfile files "$w/files" --slurpfile log "$w/log" \
  -f "$here/audit-contracts.jq" > "$w/out2" 2> "$w/wrong" || echo "P audit-contracts.jq" >> "$w/wrong"
check 'plans and results are what the contracts ask for' "$(cat "$w/wrong"; grep '^P' "$w/out2" | cut -f 2- | head -n 4)"
while read -r what; do cannot "$what"; done < <(grep '^Q' "$w/out2" | cut -f 2- | head -n 4)
mkdir "$w/plans" && (cd "$w/plans" && jq -cS --arg z "$zone" '.predicate | select(.type == "intent") | {zone: $z, zone_sha256: .zone.before.whole, changes: .plan.changes}' "$w/all" | split -a 7 -l 1)
check 'digests of plans' "$(find "$w/plans" -type f | sort | xargs -r sha256sum | cut -c1-64 | paste - <(lines W) | awk '$1 != $3 { print "entry " $2 }' | head -n 4)"
check 'signers are from the history of the contracts' "$(while read -r id; do grep " $id\$" "$w/sums"; done < "$w/versions" | cut -c1-64 | sort -u | comm -13 - <(lines D | sort -u))"
finish
