# shellcheck shell=bash disable=SC2154
# The part of audit.sh about segments of break-glass, read into it. For each segment: as many entries as the log says;
# chained; the last one as the log says; each signed for break-glass, by a key that was trusted when the segment was
# imported, unless an override of the import vouched for the keys.
#
# $w/out holds, by audit.jq: lines B with a segment, how many entries, its last one, and whether keys were vouched for;
# lines K with a segment, and a principal with a trusted key.

zeros=$(printf '0%.0s' {1..64})
log_id=$(jq -rn 'input.predicate.log' "$w/all")

while IFS=$'\t' read -r id length last vouched; do
  if ! [[ $id =~ ^[0-9a-f]{12}$ ]]; then
    echo "segment $id is not a name"
    continue
  fi
  found=$(find "segments/$id" -name '*.json' 2> /dev/null | wc -l)
  [ "$found" = "$length" ] || echo "segment $id holds $found entries, the log says $length"

  before="$zeros $zeros" # SHA-256 of the entry before, and of its signature
  for ((seq = 1; seq <= found; seq++)); do
    file=segments/$id/$(printf %06d "$seq").json
    if ! jq -cS . "$file" 2> /dev/null | cmp -s - "$file"; then
      echo "$file is not canonical"
      continue
    fi
    IFS=$'\t' read -r principal time key previous own log < <(
      jq -r '
        .predicate
        | [.signer.principal, .time, .signer.key, "\(.prev.entry) \(.prev.sig)", .breakglass.id, .log]
        | @tsv
      ' "$file"
    )
    [ "$previous" = "$before" ] || echo "$file does not follow from the one before"
    if [ "$own" != "$id" ] || [ "$log" != "$log_id" ]; then
      echo "$file is of another segment or log"
    fi
    signed "$file" "$principal" "$time" hyops-gitops-breakglass "$key" || echo "$file is not signed as it says"
    [ "$vouched" = true ] ||
      lines K | grep -qxF "$id"$'\t'"$principal"$'\t'"$key" ||
      echo "$file: its key does not count"
    before="$(sha256sum < "$file" | cut -c1-64) $(sha256sum < "$file.sig" | cut -c1-64)"
  done
  [ "${before%% *}" = "$last" ] || echo "segment $id does not end as the log says"
done < <(lines B) > "$w/segments" 2>&1
check 'break-glass segments' "$(head -n 5 "$w/segments")"
