package sourcetest

import (
	"errors"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

func settleCases() []testCase {
	return []testCase{
		{"AckSettles", "what was acked does not come again, also after a restart", ackSettles, always},
		{"AckTwice", "settling twice is harmless", ackTwice, always},
		{"AckKeepsNothing", "the records given to Ack belong to the caller", ackKeepsNothing, always},
		{"CloseSettlesNothing", "Close settles nothing and moves no position", closeSettlesNothing, always},
		{"AckSubset", "unordered: exactly the acked records are settled, any subset", ackSubset, unordered},
		{"RestartFromPosition", "ordered: after a restart reading goes on behind the last acked record", restartFromPosition, ordered},
		{"Redelivers", "Redelivers: the service itself hands an unsettled record out again", redelivers, redelivering},
		{"StaleAck", "Ack of a record that went back gives nil or an AckError that names it", staleAck, redelivering},
		{"ConcurrentLanes", "unordered: any number of goroutines may Fetch and Ack at once", concurrentLanes, unordered},
	}
}

func ackSettles(p *probe) {
	const count = 10
	r := p.open()
	defer func() { r.close() }()
	r.send(count)
	r.ack(r.collect(count, defaultBatch))
	r = p.reopen(r)
	r.nothing("although it was acked before the restart")
}

func ackTwice(p *probe) {
	const count = 6
	r := p.open()
	defer func() { r.close() }()
	r.send(count)
	got := r.collect(count, defaultBatch)
	r.ack(got)
	r.ack(got)
	r.ack(got[:count/2])
	r = p.reopen(r)
	r.nothing("although it was acked more than once before the restart")
}

func ackKeepsNothing(p *probe) {
	r := p.open()
	defer func() { r.close() }()
	r.send(2)
	for _, record := range r.collect(2, 1) {
		own := []sources.Record{record.Record}
		if err := record.from.Ack(p.ctx, own); err != nil {
			p.brokenf("Ack: %v, from a source without faults", err)
		}
		own[0] = sources.Record{ID: "used for something else"}
	}
	r = p.reopen(r)
	r.nothing("although it was acked; its slice was used again after Ack")
}

func closeSettlesNothing(p *probe) {
	const count = 10
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	r.collect(count, defaultBatch)
	r = p.reopen(r)
	r.exactly(r.collect(count, defaultBatch), bodies)
}

func ackSubset(p *probe) {
	const count = 10
	r := p.open()
	defer func() { r.close() }()
	r.send(count)
	var (
		acked []taken
		left  []string
	)
	for i, record := range r.collect(count, defaultBatch) {
		if i%2 == 0 {
			acked = append(acked, record)
		} else {
			left = append(left, string(record.Data))
		}
	}
	slices.Reverse(acked)
	r.ack(acked)
	r = p.reopen(r)
	got := r.collect(len(left), defaultBatch)
	r.nothing("although it was acked in a subset, or came already")
	r.exactly(got, left)
}

func restartFromPosition(p *probe) {
	const count = 12
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	var acked, rest []taken
	seen := make(map[*part]int)
	got := r.collect(count, defaultBatch)
	for _, record := range got {
		if seen[record.from]++; seen[record.from]%2 == 1 && len(rest) == 0 {
			acked = append(acked, record)
		} else {
			rest = append(rest, record)
		}
	}
	r.ack(acked)
	left := unacked(got, acked)
	r = p.reopen(r)
	again := r.collect(len(left), defaultBatch)
	r.nothing("although it was before the position, or came already")
	r.exactly(again, left)
	r.inOrder(again, bodies)
}

// unacked returns the bodies behind the last acked record of each partition.
func unacked(got, acked []taken) []string {
	done := make(map[*part]string)
	for _, record := range acked {
		done[record.from] = record.ID
	}
	var left []string
	for _, record := range got {
		id, waiting := done[record.from]
		if !waiting {
			left = append(left, string(record.Data))
		} else if id == record.ID {
			delete(done, record.from)
		}
	}
	return left
}

func redelivers(p *probe) {
	const count = 6
	r := p.open()
	defer r.close()
	bodies := r.send(count)
	first := r.collect(count, defaultBatch)
	for _, record := range first {
		if record.Expires.IsZero() || time.Until(record.Expires) > p.harness.VisibilityTimeout+p.harness.Patience {
			p.brokenf("Expires is %v, now it is %v and the visibility timeout %v",
				record.Expires, time.Now(), p.harness.VisibilityTimeout)
		}
	}
	r.ack(first[:1])
	p.elapseVisibility(r)
	acked := string(first[0].Data)
	bodies = slices.DeleteFunc(bodies, func(body string) bool { return body == acked })
	again := r.collect(len(bodies), defaultBatch)
	r.exactly(again, bodies)
	r.ack(again)
}

func staleAck(p *probe) {
	r := p.open()
	defer r.close()
	r.send(1)
	first := r.collect(1, 1)
	p.elapseVisibility(r)
	second := r.collect(1, 1)
	err := first[0].from.Ack(p.ctx, []sources.Record{first[0].Record})
	partial, ok := errors.AsType[*sources.AckError](err)
	if err != nil && !ok {
		p.brokenf("Ack: %v, want nil or an AckError", err)
	}
	if ok && (len(partial.Stale) != 1 || partial.Stale[0].ID != first[0].ID || len(partial.Unsettled) > 0) {
		p.brokenf("Ack: AckError with %d stale and %d unsettled records, want the one stale",
			len(partial.Stale), len(partial.Unsettled))
	}
	r.ack(second)
	r.nothing("although its second delivery was acked")
}
