# shellcheck shell=bash
# The part of audit.sh about break-glass segments, read into it: each has as many entries as the log says, chained, the
# last as the log says, each signed for break-glass by a key that counted when the segment was brought in, or that somebody
# vouched for. $w/out holds, by audit.jq: B a segment, how many entries, its last one, and whether keys were vouched for;
# K a segment, and a principal with a key that counted.
while IFS=$'\t' read -r id count head vouched; do
  [[ $id =~ ^[0-9a-f]{12}$ ]] || { echo "segment $id is not a name" && continue; }
  found=$(find "segments/$id" -name '*.json' 2> /dev/null | wc -l) was="$(printf '0%.0s' {1..64}) $(printf '0%.0s' {1..64})"
  [ "$found" = "$count" ] || echo "segment $id holds $found entries, the log says $count"
  for ((seq = 1; seq <= found; seq++)); do
    file=segments/$id/$(printf %06d "$seq").json
    jq -cS . "$file" 2> /dev/null | cmp -s - "$file" || { echo "$file is not canonical" && continue; }
    IFS=$'\t' read -r principal time key previous own log < <(jq -r '.predicate |
      [.signer.principal, .time, .signer.key, "\(.prev.entry) \(.prev.sig)", .breakglass.id, .log] | @tsv' "$file")
    [ "$previous" = "$was" ] || echo "$file does not follow from the one before"
    { [ "$own" = "$id" ] && [ "$log" = "$(jq -rn 'input.predicate.log' "$w/all")" ]; } || echo "$file is of another segment or log"
    signed "$file" "$principal" "$time" hyops-gitops-breakglass "$key" || echo "$file is not signed as it says"
    [ "$vouched" = true ] || lines K | grep -qxF "$id"$'\t'"$principal"$'\t'"$key" || echo "$file: its key does not count"
    was="$(sha256sum < "$file" | cut -c1-64) $(sha256sum < "$file.sig" | cut -c1-64)"
  done
  [ "${was%% *}" = "$head" ] || echo "segment $id does not end as the log says"
done < <(lines B) > "$w/segments" 2>&1
check 'break-glass segments' "$(head -n 5 "$w/segments")"
