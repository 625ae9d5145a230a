package rabbitmq

import (
	"sync/atomic"

	"github.com/openesm/openesm/sources"
)

// Metrics of the source, besides those of the engine.
const (
	// UnsettledMessages is how many messages the broker has handed over, and are not
	// settled. A gauge.
	UnsettledMessages sources.Metric = "UnsettledMessages"
	// RedeliveredMessages is how many messages came that had been handed out before. A
	// total.
	RedeliveredMessages sources.Metric = "RedeliveredMessages"
	// Connections is how many were made. A total.
	Connections sources.Metric = "Connections"
	// RecycledLinks is how often messages were given back and fetched anew, before the
	// broker's consumer timeout struck. A total.
	RecycledLinks sources.Metric = "RecycledLinks"
)

type counters struct {
	redelivered, connections, recycled atomic.Int64
}

// Measure tells what is held, and what has happened.
func (s *Source) Measure(dst []sources.Measure) []sources.Measure {
	if p := s.open.Load(); p != nil {
		dst = append(dst, sources.Measure{Name: UnsettledMessages, Partition: p.ID(), Count: p.unsettled()})
	}
	total := func(name sources.Metric, n *atomic.Int64) {
		dst = append(dst, sources.Measure{Name: name, Count: int(n.Load()), Total: true})
	}
	total(RedeliveredMessages, &s.counters.redelivered)
	total(Connections, &s.counters.connections)
	total(RecycledLinks, &s.counters.recycled)
	return dst
}

func (p *partition) unsettled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link == nil {
		return 0
	}
	return p.link.book.open
}
