//go:build synctests

package kafka_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/kafka"
)

// Rest looks what mappings do with nothing to do.
func (w *brokers) Rest() (time.Duration, func()) {
	const (
		span   = time.Minute // longer than a request may hang
		resent = 10          // requests a second of each member, besides fetches
	)
	before := make(map[*process]int)
	for _, p := range w.processes {
		before[p] = p.total
	}
	most := int(span/time.Second)*resent + int(span/min(w.fetchWait, time.Second))*w.size()*2
	return span, func() {
		for _, p := range w.processes {
			if n := p.total - before[p]; p.life.Running() && n > most {
				w.violate(9, "%s makes %d requests within %v with nothing to do, the most is %d", p.name, n, span, most)
			}
			if p.life.Running() {
				w.checkLag(p)
			}
		}
		w.checkLosses()
	}
}

// checkLag holds the lag of a mapping that has handled all against P15: it is known, and 0,
// unless records were deleted that the mapping still has.
func (w *brokers) checkLag(p *process) {
	lags := make(map[string]int)
	for _, m := range p.source.Measure(nil) {
		if m.Name == "OffsetLag" {
			lags[m.Partition] = m.Count
		}
	}
	for _, of := range w.current {
		for _, l := range w.lanes[of.name] {
			name := fmt.Sprintf("%s-%d", simTopic, of.number)
			if lag, known := lags[name]; l.process == p && !l.lost && !l.closed && (!known || lag > 0 && !w.deletedInHand(of)) {
				w.violate(15, "%s says that the lag of %s is %d (known: %v), and all is handled", p.name, name, lag, known)
			}
		}
	}
}

// deletedInHand reports whether records of a partition were deleted and may be handled yet;
// those behind them wait for that.
func (w *brokers) deletedInHand(p *simPartition) bool {
	return slices.ContainsFunc(p.records, func(s *sent) bool { return s.gone && s.offset >= p.committed })
}

// checkLosses holds what was lost against P1: who lost it tells how much it was.
func (w *brokers) checkLosses() {
	told := make(map[string][]*kafka.LossError)
	for _, p := range w.processes {
		p.mu.Lock()
		for _, loss := range p.losses {
			told[loss.Partition] = append(told[loss.Partition], loss)
		}
		p.mu.Unlock()
	}
	for _, p := range w.current {
		for _, loss := range told[fmt.Sprintf("%s-%d", simTopic, p.number)] {
			w.sim.Cover("loss told")
			most := p.deleted
			if w.options.StartingPosition == kafka.Latest { // it goes on at the end
				most = max(most, w.cluster.PartitionInfo(simTopic, p.number).HighWatermark)
			}
			if loss.Count <= 0 || loss.From+loss.Count > most && len(w.partitions) == len(w.current) {
				w.violate(1, "%d lost offsets of %s are told, from %d on, but only those up to %d are lost", loss.Count, p.name, loss.From, most)
			}
		}
		for _, s := range p.records {
			if w.sim.Scenario.Hanging > 0 && s.offset >= p.committed {
				continue // a handler holds it up that hangs
			}
			is := func(loss *kafka.LossError) bool { return loss.From <= s.offset && s.offset < loss.From+loss.Count }
			if s.gone && !s.silent && !s.handed && w.sim.Scenario.Kills == 0 && !slices.ContainsFunc(told[fmt.Sprintf("%s-%d", simTopic, p.number)], is) {
				w.violate(1, "record %d (offset %d of %s) was lost, and nobody was told", s.number, s.offset, p.name)
			}
		}
	}
}
