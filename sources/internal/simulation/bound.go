package simulation

import "github.com/openesm/openesm/esm"

// checkAbandoned holds an invocation against P7: with those that the mapping has
// abandoned no more than two of a lane go on.
func (o *Observer) checkAbandoned(i *invocation) {
	if !demanded(troubleAbandoned) {
		return
	}
	most := 2 * max(o.sim.Scenario.Config.ParallelizationFactor, 1)
	if !o.sim.kind.Ordered {
		most = 2 * o.lanes()
	} else if o.sim.kind.Members > 1 || o.sim.Scenario.Disturbances+o.sim.Scenario.Revocations > 0 {
		return // a partition may be lost before its life knows it
	}
	running := 1
	for _, other := range o.running {
		// Who has lost a partition, if only for want of a renewal, has lost its handlers.
		if other.life == i.life && !other.lost && other.partition(o) == i.partition(o) {
			running++
		}
	}
	if running > most {
		o.violate(7, "%d handlers of %s go on, abandoned ones counted, the most is %d", running, i.partition(o), most)
	}
}

// checkBytes holds what a mapping holds of an unordered source against P7. A single
// record may exceed the bound. What could not be let go still counts as held.
func (o *Observer) checkBytes(bytes, records int) {
	limit := o.sim.Scenario.Config.MaximumBufferedBytes
	if limit == 0 {
		limit = esm.DefaultBufferedBytes
	}
	if o.sim.Scenario.Stuck > 0 || o.sim.late {
		// What handlers hold that do not return is bounded by their number, and what
		// comes when its Fetch has left is the source's until another one takes it.
		return
	}
	held := bytes + records*o.sim.traits.RecordBytes
	if demanded(troubleBytes) && !o.keeping && records > 1 && held > limit {
		o.violate(7, "%d records with %d bytes held, MaximumBufferedBytes is %d", records, held, limit)
	}
}
