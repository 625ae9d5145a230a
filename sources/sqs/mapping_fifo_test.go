package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// groups watches the order of groups: bodies are "group:number".
type groups struct {
	mu       sync.Mutex
	random   *rand.Rand
	repeats  bool           // a message may come again after its success
	next     map[string]int // number to be handled next
	inFlight map[string]bool
	problems []string
}

func newGroups(seed uint64) *groups {
	return &groups{
		random: rand.New(rand.NewPCG(seed, 1)),
		next:   map[string]int{}, inFlight: map[string]bool{},
	}
}

func split(r *sources.Record) (group string, number int) {
	group, text, _ := strings.Cut(string(r.Data), ":")
	number, _ = strconv.Atoi(text)
	return group, number
}

func (g *groups) problemf(format string, args ...any) {
	g.problems = append(g.problems, fmt.Sprintf(format, args...))
}

// begin checks a batch that starts, and returns its groups.
func (g *groups) begin(records []sources.Record) map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	expect := map[string]int{}
	for i := range records {
		group, number := split(&records[i])
		want, later := expect[group]
		if !later {
			want = g.next[group]
			if g.inFlight[group] {
				g.problemf("SQS-30: two batches of group %s in flight", group)
			}
		}
		if number > want || number < want && !g.repeats {
			g.problemf("P4: %s started, want number %d", records[i].Data, want)
		}
		expect[group] = max(want, number+1)
	}
	for group := range expect {
		g.inFlight[group] = true
	}
	return expect
}

// end notes what was handled. failed is the group that failed, "" for none.
func (g *groups) end(records []sources.Record, failed string, all bool) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ids []string
	for i := range records {
		group, number := split(&records[i])
		delete(g.inFlight, group)
		if group == failed || all {
			ids = append(ids, records[i].ID)
		} else {
			g.next[group] = max(g.next[group], number+1)
		}
	}
	return ids
}

func (g *groups) float() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.random.Float64()
}

// handle takes up to a second; it fails a batch, or one group of it, at odds.
func (g *groups) handle(failing func() bool) handle {
	return func(_ context.Context, records []sources.Record) (esm.Response, error) {
		g.begin(records)
		time.Sleep(time.Duration(g.float() * float64(time.Second)))
		if !failing() {
			g.end(records, "", false)
			return esm.Response{}, nil
		}
		if g.float() < 0.5 {
			g.end(records, "", true)
			return esm.Response{}, errHandler
		}
		group, _ := split(&records[0])
		return esm.Response{BatchItemFailures: g.end(records, group, false)}, nil
	}
}

// check looks that the groups are at their ends.
func (g *groups) check(t *testing.T, names []string, messages int) {
	t.Helper()
	for _, problem := range g.problems {
		t.Error(problem)
	}
	for _, name := range names {
		if g.next[name] != messages {
			t.Errorf("group %s is at %d, want %d", name, g.next[name], messages)
		}
	}
}

// Mapping groups (P4, P5, SQS-30, SQS-31, SQS-32).
func TestMappingGroups(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders.fifo", map[string]string{"VisibilityTimeout": "10"}, func(t *testing.T, w *world) {
				const messages = 25
				names := []string{"a", "b", "c", "d", "e", "f"}
				for i := range messages {
					for _, name := range names {
						w.send(name, fmt.Sprintf("%s:%d", name, i))
					}
				}
				g := newGroups(seed)
				r := w.run(w.journal(g.handle(func() bool { return g.float() < 0.2 })), sqs.Options{},
					esm.Config{Timeout: 5 * time.Second, ReportBatchItemFailures: true, BatchSize: 1 + int(seed)*2})
				w.until(messages*len(names), time.Hour)
				r.end()
				g.check(t, names, messages)
				w.left(sqstest.Counts{Deleted: messages * len(names)})
			})
		})
	}
}

// Mapping other groups go on (P6, SQS-32, SQS-35).
func TestMappingOtherGroupsGoOn(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders.fifo", nil, func(t *testing.T, w *world) {
		w.send("bad", "bad:0", "bad:1")
		for i := range 20 {
			w.send("good", fmt.Sprintf("good:%d", i))
		}
		r := w.run(w.journal(failGroup("bad")), sqs.Options{}, esm.Config{BatchSize: 2, ReportBatchItemFailures: true})
		if took := w.until(20, 10*time.Second); took > 5*time.Second {
			t.Errorf("the other group took %v", took)
		}
		time.Sleep(time.Minute)
		r.end()
		if seen := w.seen(); seen["bad:0"] < 2 || seen["good:0"] != 1 {
			t.Errorf("handled %v", seen)
		}
	})
}

// failGroup names all messages of a group as failed.
func failGroup(group string) handle {
	return func(_ context.Context, records []sources.Record) (esm.Response, error) {
		var response esm.Response
		for i := range records {
			if records[i].Key == group {
				response.BatchItemFailures = append(response.BatchItemFailures, records[i].ID)
			}
		}
		return response, nil
	}
}

// Mapping dead letter unblocks its group (SQS-36, SQS-51).
func TestMappingDeadLetterUnblocksItsGroup(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders.fifo", nil, func(t *testing.T, w *world) {
		w.redrive(10*time.Second, "dead.fifo", 2)
		w.send("g", "poison", "one", "two")
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "poison" {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), sqs.Options{}, esm.Config{BatchSize: 1, Timeout: 5 * time.Second})
		w.until(2, 2*time.Minute)
		r.end()
		if dead := w.Messages("dead.fifo"); len(dead) != 1 || dead[0].Body != "poison" {
			t.Errorf("dead letters %+v", dead)
		}
		var order []string
		for _, b := range w.log() {
			order = append(order, b.bodies...)
		}
		if got := strings.Join(order, ","); got != "poison,poison,one,two" {
			t.Errorf("handled %q", got)
		}
	})
}
