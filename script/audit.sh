#!/usr/bin/env bash
# Audits the signed log with git, ssh-keygen, sha256sum and jq alone; docs/auditing.md walks through the same by hand.
#
#   audit.sh REPO ALLOWED_SIGNERS [--genesis SHA256] [--seen SEQ:SHA256]... [--branch EVIDENCE] [--main REV]
#
# REPO: a clone with the contracts and the evidence branch, or a plain directory with that branch's files.
# ALLOWED_SIGNERS: your own copy of authority/allowed_signers. --seen: a log head that you noted earlier.
#
# The last line is OK (exit 0), FAILED (1), or CANNOT CONCLUDE (4). A program that cannot run is no verdict on the log:
# it gives CANNOT CONCLUDE.
#
# Sections:
#    1. Verdict: check, cannot, finish
#    2. Programs: each one runs through a wrapper that notes when it could not do its work
#    3. Arguments
#    4. Repository: history of the evidence branch
#    5. Tree: every expected file exists, and no other
#    6. Form and chain of the entries
#    7. Signatures
#    8. Content of the entries, by audit.jq; segments of break-glass, by audit-segments.sh
#    9. Contracts, by audit-contracts.sh and audit-contracts.jq

set -uo pipefail
export LC_ALL=C TZ=UTC
here=$(cd "${BASH_SOURCE[0]%/*}" && pwd)

# --- 1. Verdict

failed=''    # set when a check failed
unknown=''   # set when something could not be checked
w=/dev/null  # the working directory, once it exists

cannot() { # what could not be checked
  unknown=1
  printf 'UNKNOWN  %s\n' "$*"
}

finish() {
  if [ -s "$w/broke" ]; then
    read -r line < "$w/broke"
    cannot "cannot run $line"
  fi
  if [ "$failed" ]; then
    echo FAILED
    exit 1
  elif [ "$unknown" ]; then
    echo 'CANNOT CONCLUDE'
    exit 4
  fi
  echo OK
  exit 0
}

check() { # a name; the problems found, "" for none
  if [ -s "$w/broke" ]; then
    finish # what a broken program printed is no finding
  elif [ -z "$2" ]; then
    printf 'ok       %s\n' "$1"
  else
    failed=1
    printf 'FAILED   %s: %s\n' "$1" "${2//$'\n'/; }"
  fi
}

finish_if_failed() { # where later checks would only repeat the problem
  if [ "$failed" ]; then finish; fi
}

# --- 2. Programs

is_git_repository() {
  [ -e "$1/.git" ] || [ -d "$1/objects" ]
}

tools=(
  ssh-keygen sha256sum jq awk cat cmp comm cut diff find grep head mkdir mktemp paste realpath rm sed sort split
  tail tee tr wc xargs
)
is_git_repository "${1-}" && needs_git=git || needs_git=''
for tool in $needs_git "${tools[@]}"; do
  command -v "$tool" > /dev/null || cannot "$tool is not installed"
done
if [ "$unknown" ]; then finish; fi

w=$(mktemp -d) && [ -d "$w" ] || {
  cannot 'cannot make a temporary folder'
  finish
}
trap 'rm -rf "$w"' EXIT

broke() { # a program; how it ended
  echo "$1: ${2//$'\n'/; }" >> "$w/broke"
}

# Runs a program. Notes an exit status that is an inability and no answer: not found, not executable, ended by a signal.
# 141 is a closed pipe, as of `head`. git ends every fatal failure with 128: run_git reads its words.
run() {
  local status=0
  command "$@" || status=$?
  case "$1 $status" in
    *' 128' | *' 141') ;;
    *' '12[6-9] | *' '1[3-9]? | *' '2?? | 'xargs '12[345] | 'jq 3' | 'cmp 2' | 'diff 2' | 'grep 2' | 'sort 2')
      broke "$1" "exit status $status"
      ;;
  esac
  return "$status"
}

run_git() { # fatal failures: these words say that an object does not exist; all others that git could not look
  local status=0 words=$w/words.$BASHPID
  run git "$@" 2> "$words" || status=$?
  if [ "$status" = 128 ]; then
    case $(< "$words") in
      *'Not a valid '* | *'does not exist in'* | *'exists on disk'*) ;;
      *) broke git "$(< "$words")" ;;
    esac
  fi
  if [ -s "$words" ]; then printf '%s\n' "$(< "$words")" >&2; fi
  return "$status"
}

ssh-keygen() { # likewise: only these words are a "no"
  local status=0 words=$w/words.$BASHPID out
  out=$(command ssh-keygen "$@" 2> "$words") || status=$?
  if [ "$status" != 0 ]; then
    case "$out $(< "$words")" in
      *'Invalid option'* | *'Unable to open'* | *"Couldn't read"*) broke ssh-keygen "$(< "$words")" ;;
      *'Could not verify signature'* | *'is not a public key file'*) ;;
      *) broke ssh-keygen "$out$(< "$words")" ;;
    esac
  fi
  printf '%s\n' "$out"
  return "$status"
}

for tool in "${tools[@]:1}"; do # all but ssh-keygen
  eval "$tool() { run $tool \"\$@\"; }"
done

# --- 3. Arguments

if [ $# -lt 2 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
repo=$1
signers=$(realpath "$2") || {
  cannot "$2 cannot be read"
  finish
}
shift 2

genesis=''      # SHA-256 of the first entry
seen=()         # SEQ:SHA256
branch=evidence # the branch of the log
main=HEAD       # the revision with the contracts
while [ $# -gt 0 ]; do
  case $1 in
    --genesis) genesis=${2#sha256:} ;;
    --seen) seen+=("$2") ;;
    --branch) branch=$2 ;;
    --main) main=$2 ;;
    *) exit 2 ;;
  esac
  shift 2 || exit 2
done
if [ ! -r "$signers" ] || [ ! -r "$repo" ]; then
  cannot "$signers or $repo cannot be read"
  finish
fi

# --- 4. Repository: history of the evidence branch
# The repository is read through an empty one that borrows its objects: none of its settings, filters, hooks or grafts
# takes part. `src` asks the repository itself, `g` the empty one.

git=''
if is_git_repository "$repo"; then
  trust=() # the safe.directory lines of this user
  while read -r line; do
    trust+=(-c "safe.directory=$line")
  done < <(git -C / config --get-all safe.directory)
  # shellcheck disable=SC2046 # names of variables, one a word
  unset $(git rev-parse --local-env-vars)
  export GIT_NO_REPLACE_OBJECTS=1 GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

  git=$w/git
  src() { run_git "${trust[@]+"${trust[@]}"}" -C "$repo" "$@" 2> /dev/null; }
  g() { run_git --git-dir="$git" "$@"; }
  commit_of() { src rev-parse --verify --quiet "$1^{commit}"; }

  contracts=$(commit_of "$main")
  local_log=$(commit_of "refs/heads/$branch")
  remote_log=$(commit_of "refs/remotes/origin/$branch")
  run_git init -q --bare --object-format="$(src rev-parse --show-object-format)" "$git"
  src rev-parse --path-format=absolute --git-path objects > "$git/objects/info/alternates"

  # The remote's log, unless the local one continues it.
  evidence=$remote_log
  if [ -z "$remote_log" ]; then
    evidence=$local_log
  elif [ "$local_log" ]; then
    if g merge-base --is-ancestor "$remote_log" "$local_log"; then
      evidence=$local_log
    elif ! g merge-base --is-ancestor "$local_log" "$remote_log"; then
      check branch 'local and remote diverge'
    fi
  fi
  if [ -z "$evidence" ] || [ -z "$contracts" ]; then
    cannot "no branch $branch, or no $main, in $repo"
    finish
  fi
  if [ "$(src rev-parse --is-shallow-repository)" != false ] ||
    [ "$(src for-each-ref refs/replace/)" ] ||
    [ -s "$(src rev-parse --path-format=absolute --git-path info/grafts)" ]; then
    cannot 'history is shallow, grafted or replaced'
    finish
  fi

  check 'modes of files' "$(g ls-tree -r "$evidence" | awk '$1 != "100644"' | head -n 3)"
  check 'one root, no merges' "$(
    g rev-list --max-parents=0 "$evidence" | tail -n +2
    g rev-list --merges "$evidence"
  )"
  check 'only additions' "$( # only the README of a folder of entries is ever rewritten
    g log -m --no-renames --diff-filter=MDT --format= --name-only "$evidence" -- log segments |
      grep -Ev '^log/[^/]+/[0-9]+/README\.md(\.sig)?$|^$' |
      sort -u |
      head -n 3
  )"

  mkdir "$w/tree" || finish
  g --work-tree="$w/tree" read-tree "$evidence" && g --work-tree="$w/tree" checkout-index -a
  repo=$w/tree
fi
cd "$repo" || exit 2

# --- 5. Tree: every expected file exists, and no other

zone=$(cd log 2> /dev/null && find . -mindepth 1 -maxdepth 1 | cut -c3-)
count=$(find log -name '*.json' 2> /dev/null | wc -l)
awk -v n="$count" -v z="$zone" '
  BEGIN { for (i = 1; i <= n; i++) printf "log/%s/%04d/%06d.json\n", z, int(i / 100), i }
' > "$w/entries"
and_signatures() { # each line, and after it the same with .sig
  sed p | sed 'n;s/$/.sig/'
}
{
  printf '%s\n' LOG.md LOG.md.sig README.md "zones/$zone.zone" "state/$zone.zone"
  and_signatures < "$w/entries"
  sed 's,[^/]*$,README.md,' "$w/entries" | sort -u | and_signatures
} | sort > "$w/expected"
find . \( -name .git -o -path ./segments \) -prune -o ! -type d -printf '%P\n' | sort > "$w/found"
check 'no file missing, none too many' "$(
  diff "$w/expected" "$w/found" | grep '^[<>]' | head -n 3
  find . -type l
)"
if ! [[ $count -gt 0 && $zone =~ ^[a-z0-9.-]+$ ]]; then
  check 'entries' 'there is none, or of no one zone'
fi
finish_if_failed

# --- 6. Form and chain of the entries
# One run of jq over all files shows duplicate keys, reformatting and CRLF.

xargs cat < "$w/entries" > "$w/all"
check 'canonical JSON' "$(
  jq -cS . "$w/all" 2>&1 | cmp - "$w/all" 2>&1
  xargs awk 'FNR > 1 { print FILENAME }' < "$w/entries" # more than one line
)"
finish_if_failed
xargs sha256sum < "$w/entries" | cut -c1-64 > "$w/h"
sed 's/$/.sig/' "$w/entries" | xargs sha256sum | cut -c1-64 > "$w/s"

find . -name '*.sig' > "$w/sigs"
# shellcheck disable=SC2016 # awk's own variables
check 'armour of signatures' "$(
  # Exactly what ssh-keygen writes: base64 in lines of 70, no bit unused, version 1.
  xargs awk '
    function judge(  i, text) {
      for (i = 2; i < n; i++) {
        text = text line[i]
        if (i < n - 1 && length(line[i]) != 70 || length(line[i]) > 70) text = "="
      }
      if (line[1] != "-----BEGIN SSH SIGNATURE-----" || line[n] != "-----END SSH SIGNATURE-----" ||
          length(text) % 4 ||
          text !~ /^U1NIU0lHAAAAAQAA[A-Za-z0-9+\/]*([A-Za-z0-9+\/]|[AEIMQUYcgkosw048]=|[AQgw]==)$/) print file
    }
    FNR == 1 { if (n) judge(); file = FILENAME }
    { n = FNR; line[n] = $0 }
    END { judge() }
  ' < "$w/sigs"
  xargs tail -qc1 < "$w/sigs" | tr -d '\n' # each ends in a newline
)"

if [ -z "$genesis" ] && [ "$git" ]; then
  genesis=$(
    g cat-file blob "$contracts:authority/$zone.yaml" 2> /dev/null |
      sed -n 's/.*genesis: *"\{0,1\}sha256:\([0-9a-f]\{64\}\).*/\1/p'
  )
fi
[ "$genesis" ] || cannot 'nothing pins the first entry: give --genesis'
first=$(head -n 1 "$w/h")
check 'genesis is the pinned one' "$([ "$first" = "${genesis:-$first}" ] || echo "it is $first")"
for head in "${seen[@]+"${seen[@]}"}"; do
  check "seen $head" "$(sed -n "${head%%:*}p" "$w/h" | grep -qx "${head##*:}" || echo 'cut or rewritten')"
done

# --- 7. Signatures
# Each entry is signed by the key that it names, which is valid at the time that it names. A derived page is signed by
# the key of its last entry.

check 'signers are plain names' "$(
  grep -En '^[[:blank:]]*[^#[:blank:]]*[*?!,]|namespaces="[^"]*[*?!]' "$signers"
)"

declare -A prints # public key -> SHA256:...
signed() { # file, principal, time, namespace, key
  [ "$4" ] || return 1
  local verdict
  [ "${prints[$5]-}" ] || prints[$5]=$(ssh-keygen -lf - <<< "$5" 2> /dev/null | cut -d ' ' -f 2)
  verdict=$(
    ssh-keygen -Y verify -f "$signers" -I "$2" -n "$4" -O verify-time="${3//[TZ:-]/}" -s "$1.sig" < "$1" 2> /dev/null
  ) && [[ $verdict == *" key ${prints[$5]}" ]]
}

seq=0 # counted here: no number from an entry takes part in a calculation
while IFS=$'\t' read -r principal time type key <&3 && read -r file <&4; do
  seq=$((seq + 1))
  namespaces=(hyops-gitops)
  if [ "$type" = trust ]; then namespaces+=(hyops-gitops-trust); fi
  used='' # the namespace in which it is signed
  for namespace in "${namespaces[@]}"; do
    if [ -z "$used" ] && signed "$file" "$principal" "$time" "$namespace" "$key"; then used=$namespace; fi
  done
  echo "$used" >> "$w/ns"
  pages=() # those that end with this entry
  if ((seq == count)); then pages+=(LOG.md); fi
  if ((seq % 100 == 99 || seq == count)); then pages+=("${file%/*}/README.md"); fi
  for page in "${pages[@]+"${pages[@]}"}"; do
    signed "$page" "$principal" "$time" "$used" "$key" || echo "$page"
  done >> "$w/pages"
done 3< <(jq -r '.predicate | [.signer.principal, .time, .type, .signer.key] | @tsv' "$w/all") 4< "$w/entries"
check 'signatures' "$(
  [ "$seq" = "$count" ] || echo "only $seq entries name a signer"
  grep -n '^$' "$w/ns" | sed 's/:/ is not signed as it says/'
  cat "$w/pages"
)"

# --- 8. Content of the entries: order, trust, pairs of intent and result, continuity, observations
# audit.jq prints lines of a letter and fields; its header explains them.

jq -rs --arg zone "$zone" --rawfile h "$w/h" --rawfile s "$w/s" --rawfile n "$w/ns" \
  -f "$here/audit.jq" "$w/all" > "$w/out" 2> "$w/err"
lines() { # a letter, and which fields of its lines; all by default
  grep "^$1" "$w/out" | cut -f "${2:-2-}"
}
check 'order, trust, pairs, continuity, observations' "$(
  cat "$w/err"
  lines P | head -n 5
)"
check 'state is the sum of the applied changes' "$(lines S | sort | cmp - "state/$zone.zone" 2>&1)"
check 'files are as the entries pin them' "$(lines F | sha256sum --check --strict --quiet 2>&1 | head -n 3)"
[ -z "$(lines O)" ] || echo "note     intent $(lines O) has no result yet"
part() { # a script beside this one, read into it
  # shellcheck source=/dev/null
  . "$here/$1" || cannot "$1 is not beside this script"
}
if [ "$(lines B)" ]; then part audit-segments.sh; fi

# --- 9. Contracts: what the entries say of them, against their branch

if [ "$git" ]; then
  part audit-contracts.sh
else
  echo 'note     without git: history, contracts and plans are not looked at'
fi
finish
