//go:build synctests

package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// mood is a way in which a handler misbehaves.
type mood string

const (
	moodError     mood = "error"
	moodPanic     mood = "panic"
	moodGoexit    mood = "goexit"
	moodThrottle  mood = "throttle"
	moodPartial   mood = "partial"   // names some records as failed
	moodMalformed mood = "malformed" // names a record that it did not get, or none
	moodSlow      mood = "slow"      // about as long as its time limit, whatever happens
	moodLong      mood = "long"      // longer than a partition may be kept that is asked back
	moodHang      mood = "hang"      // until its context ends
	moodDeaf      mood = "deaf"      // and longer
)

func moods() []mood {
	return []mood{
		moodError, moodPanic, moodGoexit, moodThrottle, moodPartial, moodMalformed, moodSlow, moodLong, moodHang, moodDeaf,
	}
}

var (
	errHandler = errors.New("simulation: the handler failed")
	errDead    = errors.New("simulation: the process is dead")
)

// body is the data of a record, which holds its number.
func body(number, size int) []byte {
	text := fmt.Sprintf(`{"n":%d,"pad":"`, number)

	return []byte(text + strings.Repeat("x", max(size-len(text)-2, 0)) + `"}`)
}

// numberOf is the number in the data of a record.
func numberOf(data []byte) int {
	rest, ok := bytes.CutPrefix(data, []byte(`{"n":`))
	if !ok {
		panic(fmt.Sprintf("a record that nobody sent: %.100q", data))
	}

	number, err := strconv.Atoi(string(rest[:bytes.IndexByte(rest, ',')]))
	if err != nil {
		panic(err)
	}

	return number
}

// item is a record as a handler gets it.
type item struct {
	number    int
	partition int
	offset    int64
	id        string
}

func (i item) String() string { return fmt.Sprintf("%d@%d:%d", i.number, i.partition, i.offset) }

// handler is the life's handler.
func (l *life) handler() esm.Handler {
	if l.sim.bytes {
		return esm.Bytes(documents{l})
	}

	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		items := make([]item, len(records))
		size := l.sim.observer.overhead

		for i := range records {
			n := records[i].Native.(*kgo.Record) // documented
			items[i] = item{numberOf(records[i].Data), int(n.Partition), n.Offset, records[i].ID}
			size += records[i].Size
		}

		failed, err := l.handle(ctx, items, size)

		var ids []string
		for _, it := range failed {
			ids = append(ids, it.id)
		}

		return esm.Response{BatchItemFailures: ids}, err
	})
}

type documents struct{ life *life }

// Invoke is for esm.Bytes.
func (h documents) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	failed, err := h.life.handle(ctx, decode(payload), len(payload))
	if err != nil || failed == nil {
		return nil, err
	}

	texts := make([]string, len(failed))
	for i, it := range failed {
		texts[i] = fmt.Sprintf(`{"itemIdentifier":{"partition":"%s-%d","offset":%d}}`, simTopic, it.partition, it.offset)
	}

	if failed[0].id == "junk" {
		return []byte(`{"batchItemFailures": 7`), nil
	}

	return []byte(`{"batchItemFailures":[` + strings.Join(texts, ",") + `]}`), nil
}

// decode reads an event document, partition by partition.
func decode(payload []byte) []item {
	var event struct {
		Records map[string][]struct {
			Partition int    `json:"partition"`
			Offset    int64  `json:"offset"`
			Value     []byte `json:"value"`
		} `json:"records"`
	}

	err := json.Unmarshal(payload, &event)
	if err != nil {
		panic(err)
	}

	var items []item

	for name, records := range event.Records {
		for _, r := range records {
			items = append(items, item{numberOf(r.Value), r.Partition, r.Offset, fmt.Sprint(name, ":", r.Offset)})
		}
	}

	return items
}

// plan is what a handler is going to do.
type plan struct {
	mood   mood // "" for success
	lasts  time.Duration
	failed map[int]bool // numbers that a partial failure names
	text   string       // of a malformed response
}

// decide draws what the handler does with a batch, which it was given so often.
func (s *sim) decide(items []item, before int) plan {
	d := dice{rand.New(rand.NewPCG(s.seed, uint64(items[0].number)<<32+uint64(before)<<16+uint64(len(items))))}
	p := plan{lasts: d.upTo(s.slowest + 1)}

	if bad := s.poisoned(items); len(bad) > 0 {
		s.cover("poison")

		switch {
		case s.stuck:
			p.mood = moodHang
		case s.config.ReportBatchItemFailures:
			p.mood, p.failed = moodPartial, bad
		default:
			p.mood = moodError
		}

		return p
	}

	if !s.bad() {
		p.lasts = min(p.lasts, s.timeout()/2, s.patience()/2)

		return p
	}

	for _, m := range moods() {
		if d.chance(s.moods[m]) {
			p.mood = m
			s.cover("handler " + string(m))

			break
		}
	}

	switch p.mood {
	case moodPartial:
		p.failed = make(map[int]bool)

		for _, it := range items {
			if d.IntN(3) == 0 {
				p.failed[it.number] = true
			}
		}
	case moodMalformed:
		p.text = pick(d, "stranger", "junk", "null")
	case moodError, moodPanic, moodGoexit, moodThrottle, moodHang:
	case moodSlow:
		p.lasts = s.timeout() - time.Second + d.upTo(2*time.Second)
	case moodLong:
		p.lasts = s.patience() + d.upTo(2*s.patience())
	case moodDeaf:
		p.lasts = d.upTo(2 * s.patience())
	}

	return p
}

func (s *sim) poisoned(items []item) map[int]bool {
	bad := make(map[int]bool)

	for _, it := range items {
		if s.poisonous(it.number) {
			bad[it.number] = true
		}
	}

	return bad
}

func (s *sim) poisonous(number int) bool {
	return s.poison > 0 && s.poisoning.Load() && number%s.poison == s.poison-1
}

// handle is one invocation. It returns what the response names.
func (l *life) handle(ctx context.Context, items []item, size int) ([]item, error) {
	began := time.Now()
	info := l.sim.cluster.GroupInfo(simGroup)

	r := l.sim.observer.begins(&run{life: l, ctx: ctx, items: items, lane: l.lane(items[0].id), began: began}, size, info)
	if r == nil {
		return nil, errDead
	}

	if !l.last(ctx, r.plan) {
		return nil, errDead
	}

	if !l.sim.observer.ends(r) {
		return nil, errDead
	}

	return l.answer(ctx, r)
}

// last lets the handler's time pass, and reports whether the process lives on.
func (l *life) last(ctx context.Context, p plan) bool {
	timer := time.NewTimer(p.lasts)
	defer timer.Stop()

	ended, over := ctx.Done(), timer.C

	if p.mood == moodSlow { // it hears nothing
		ended = nil
	}

	if p.mood == moodHang || p.mood == moodDeaf {
		over = nil
	}

	select {
	case <-over:
	case <-ended:
	case <-l.dead:
		return false
	case <-l.sim.over:
		return false
	}

	if p.mood != moodDeaf {
		return true
	}

	late := time.NewTimer(p.lasts)
	defer late.Stop()

	select {
	case <-late.C:
		return true
	case <-l.dead:
		return false
	case <-l.sim.over:
		return false
	}
}

// answer is what the handler returns.
func (l *life) answer(ctx context.Context, r *run) ([]item, error) {
	if ctx.Err() != nil && r.plan.mood != moodSlow {
		return nil, context.Cause(ctx)
	}

	switch r.plan.mood {
	case moodSlow, moodLong, moodHang, moodDeaf:
	case moodError:
		return nil, errHandler
	case moodPanic:
		panic("simulation: the handler panics")
	case moodGoexit:
		runtime.Goexit()
	case moodThrottle:
		return nil, fmt.Errorf("handler: %w", &esm.ThrottleError{})
	case moodPartial:
		var failed []item

		for _, it := range r.items {
			if r.plan.failed[it.number] {
				failed = append(failed, it)
			}
		}

		return failed, nil
	case moodMalformed:
		switch r.plan.text {
		case "stranger":
			return []item{r.items[0], {partition: 99, id: "stranger"}}, nil
		case "junk":
			return []item{{id: "junk"}}, nil
		}
	}

	return nil, nil
}
