package simulation

import "slices"

// reachable is every fault that applies to a kind of model, and every rare
// branch of it.
func reachable(kind Kind) []string {
	names := []string{"stop", "kill", poisonReached, "batch of several", standsStill}
	ops := []Op{OpStart, OpAccept, OpFetch, OpAck, OpClose}
	for _, m := range behaviors() {
		names = append(names, "handler "+string(m))
	}
	if kind.Ordered {
		ops = append(ops, OpDeliver)
		names = append(names, "shard split", "shards merged", "shard lost", "partial progress", laterDone,
			"revoked", "revoked while handled", "revoked before a retry", "revoked and lost", "revoked and closed", "bisect",
			"delivered RetryAttemptsExhausted", "delivered RecordAgeExceeded", "delivered MaximumPayloadSizeExceeded", tooLate)
	} else {
		ops = append(ops, OpRelease, OpFail)
		names = append(names, string(FaultPartialAck))
	}
	if kind.Redelivers {
		names = append(names, "redriven")
	}

	// A message of a group is handed out to one receiver only.
	if kind.Redelivers && !kind.Grouped {
		names = append(names, string(FaultDuplicate), string(FaultStaleTaken), "stale receipt")
	}
	for _, op := range ops {
		names = append(names, string(before(op)), string(after(op)))
	}
	for name, more := range reachableTroubles(kind, ops) {
		if demanded(name) {
			names = append(names, more...)
		}
	}
	slices.Sort(names)
	return names
}

// reachableTroubles is what the seeds must reach of each trouble.
func reachableTroubles(kind Kind, ops []Op) map[string][]string {
	all := make(map[string][]string)
	for _, op := range ops {
		all[troubleHung] = append(all[troubleHung], string(hung(op)))
	}
	for _, m := range oddBehaviors() {
		all[troubleErrors] = append(all[troubleErrors], "handler "+string(m))
	}
	all[troubleLate] = []string{string(FaultLate)}
	all[troubleStuck] = []string{"handler stuck"}
	all[troubleBusy] = []string{troubleBusy}
	switch {
	case kind.Ordered:
		all[troubleDestination] = []string{string(FaultDeaf)}
	case kind.Redelivers:
		all[troubleLate] = append(all[troubleLate], "late answer")
		all[troublePoll] = []string{"poll forsaken"}
	}
	return all
}
