#!/usr/bin/env bash
# Audits the signed log with git, ssh-keygen, sha256sum and jq alone; docs/auditing.md walks through the same by hand.
# What the entries say is judged by audit.jq beside it.
#
#   audit.sh REPO ALLOWED_SIGNERS [--genesis SHA256] [--seen SEQ:SHA256]... [--branch EVIDENCE] [--main REV]
#
# REPO: a clone with the contracts and the evidence branch, or a plain directory with that branch's files.
# ALLOWED_SIGNERS: your own copy of authority/allowed_signers. --seen: a head of the log that you remember.
set -uo pipefail
export LC_ALL=C TZ=UTC
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)
failed='' unknown='' git='' genesis='' seen=() branch=evidence main=HEAD
cannot() { unknown=1 && printf 'UNKNOWN  %s\n' "$*"; }
check() { # a name, and what is wrong with it
  if [ -z "$2" ]; then printf 'ok       %s\n' "$1"; else failed=1 && printf 'FAILED   %s: %s\n' "$1" "${2//$'\n'/; }"; fi
}
finish() { if [ "$failed" ]; then echo FAILED && exit 1; elif [ "$unknown" ]; then echo 'CANNOT CONCLUDE' && exit 1; else echo OK && exit 0; fi; }
for tool in $(if [ -e "${1-}/.git" ] || [ -d "${1-}/objects" ]; then echo git; fi) ssh-keygen sha256sum jq awk base64 cmp comm cut diff find grep head mktemp realpath rm sed sort tail tee tr wc xargs; do
  command -v "$tool" > /dev/null || cannot "$tool is not installed"
done
[ "$unknown" ] && finish
[ $# -ge 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
repo=$1 signers=$(realpath "$2") && shift 2
for (( ; $# > 0; )); do
  case $1 in --genesis) genesis=${2#sha256:} ;; --seen) seen+=("$2") ;; --branch) branch=$2 ;; --main) main=$2 ;; *) exit 2 ;; esac
  shift 2 || exit 2
done
{ [ -r "$signers" ] && [ -r "$repo" ]; } || { cannot "$signers or $repo cannot be read" && finish; }
w=$(mktemp -d) && trap 'rm -rf "$w"' EXIT

# --- A repository is read through an empty one that borrows its objects: no setting, filter, hook or graft takes part.
if [ -e "$repo/.git" ] || [ -d "$repo/objects" ]; then
  # shellcheck disable=SC2046 # names of variables, one a word
  unset $(git rev-parse --local-env-vars)
  export GIT_NO_REPLACE_OBJECTS=1 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
  src() { git -C "$repo" "$@" 2> /dev/null; } && tip() { src rev-parse --verify --quiet "$1^{commit}"; }
  contracts=$(tip "$main") local=$(tip "refs/heads/$branch") evidence=$(tip "refs/remotes/origin/$branch")
  git=$w/git && g() { git --git-dir="$git" "$@"; } && git init -q --bare --object-format="$(src rev-parse --show-object-format)" "$git"
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

# --- The contracts: manifests, the line of merged commits both ways, each plan against the targets at its commit.
declare -A sha target
blob() { # remembers a blob's digest, and its target where that stands on one line
  [ "${sha[$1]-}" ] && return
  g cat-file blob "$1" > "$w/blob" && sha[$1]=$(sha256sum < "$w/blob" | cut -c1-64)
  target[$1]=$(sed -n 's/ #.*//; s/^endpoint_target: *//p' "$w/blob" | tr -d '"[]'\' | tr 'A-Z,' 'a-z ' | xargs -n1 2> /dev/null | sed 's/\.$//' | sort | xargs)
}
look() { # COMMIT: its manifest and targets
  [ -e "$w/$1.m" ] && return; : | tee "$w/$1.m" "$w/$1.t" "$w/$1.skip"
  while IFS=$' \t' read -r mode _ id path; do
    [ "${mode#100}" != "$mode" ] || continue
    blob "$id" && printf '%s  %s\n' "${sha[$id]}" "$path" >> "$w/$1.m"
    [ "${path#endpoints/}" = "$path" ] && continue
    if [ "${target[$id]-}" ]; then printf '%s\t%s\n' "$path" "${target[$id]}" >> "$w/$1.t"; else echo "$path" >> "$w/$1.skip"; fi
  done < <(g -c core.quotePath=false ls-tree -r "$1" -- authority endpoints)
}
g rev-list --first-parent "$contracts" > "$w/line"
while IFS=$'\t' read -r seq commit manifest authority; do
  { [[ $commit =~ ^[0-9a-f]{40,64}$ ]] && g merge-base --is-ancestor "$commit" "$contracts" 2> /dev/null; } || { echo "entry $seq: commit $commit is not on the branch" && continue; }
  look "$commit"
  [ "$(sort -k2 "$w/$commit.m" | sha256sum | cut -c1-64)" = "$manifest" ] || echo "entry $seq: the contracts do not hash to what it says"
  [ "$authority" = - ] || grep -qx "$authority  authority/$zone.yaml" "$w/$commit.m" || echo "entry $seq: another authority file"
done < <(lines M) > "$w/wrong"
check 'contracts are those that the entries name' "$(head -n 5 "$w/wrong")" && if [ "$failed" ]; then finish; fi
last=$(lines U | tail -n 1) && check 'merged commits, both ways' "$(lines T | sort -u | comm -23 - <(sort "$w/line")
  [ -z "$last" ] || g log --first-parent --format=%H "^$(lines G)" "$last" -- authority endpoints 2>&1 | sort | comm -23 - <(lines T | sort -u))"
while IFS=$'\t' read -r seq commit; do
  look "$commit" && { cat "$w/$commit.skip" && lines A | awk -F '\t' -v s="$seq" '$1 == s { print $2 }'; } | sort -u > "$w/aside"
  diff <(lines C | awk -F '\t' -v s="$seq" '$1 == s { print $2 "\t" $3 }' | sort) <(sort "$w/$commit.t") | grep '^[<>]' |
    awk -F '\t' -v s="$seq" 'FILENAME != "-" { skip[$0]; next } !(substr($1, 3) in skip) { print "entry " s ": " $0 }' "$w/aside" -
done < <(lines I) > "$w/wrong"
check 'plans are what the contracts ask for' "$(head -n 4 "$w/wrong")"
g log -m --format= --raw --no-abbrev "$contracts" -- authority/allowed_signers | cut -d ' ' -f 4 | grep -v '^0*$' | sort -u > "$w/versions"
while read -r id; do blob "$id" && echo "${sha[$id]}"; done < "$w/versions" | sort > "$w/digests"
check 'signers are from the history of the contracts' "$(lines D | sort -u | comm -23 - "$w/digests")"
finish
