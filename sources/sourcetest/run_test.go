package sourcetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// recorder is a testing.TB that keeps failures instead of failing.
type recorder struct {
	testing.TB

	failures []string
	logged   []string
	skipped  bool
}

func (r *recorder) Helper()                 {}
func (r *recorder) Skip(...any)             { r.skipped = true }
func (r *recorder) Failed() bool            { return len(r.failures) > 0 }
func (r *recorder) Logf(f string, a ...any) { r.logged = append(r.logged, fmt.Sprintf(f, a...)) }
func (r *recorder) Fatal(args ...any)       { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, a ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, a...))
}

func onQueue(options memory.QueueOptions, bend func(*bent)) Harness {
	queue := memory.NewQueue(options)
	return Harness{
		Send: func(_ context.Context, messages ...Message) error {
			for _, m := range messages {
				queue.SendGroup(m.Key, string(m.Data))
			}
			return nil
		},
		Open:              opener(queue.Source, bend),
		VisibilityTimeout: 30 * time.Second,
		TextOnly:          true,
		End: func(context.Context) error {
			queue.End()
			return nil
		},
	}
}

func onStream(bend func(*bent)) Harness {
	stream := memory.NewStream(memory.StreamOptions{})
	source := func() sources.Source { return stream.Source("app") }
	return Harness{
		Send: func(_ context.Context, messages ...Message) error {
			for _, m := range messages {
				stream.Put(m.Key, m.Data)
			}
			return nil
		},
		Open: opener(source, bend),
		Steal: func(ctx context.Context) (func(context.Context) error, error) {
			thief := source()
			_, err := thief.Accept(ctx)
			return thief.Close, err
		},
		Revoke: func(context.Context) (func(context.Context) error, error) {
			stream.Revoke("app", stream.Partitions()[0])
			return func(context.Context) error { return nil }, nil
		},
		Reshard: func(context.Context) error {
			_, _, err := stream.Split(stream.Partitions()[0])
			return err
		},
	}
}

func opener(source func() sources.Source, bend func(*bent)) func(context.Context) (sources.Source, error) {
	return func(context.Context) (sources.Source, error) {
		b := &bent{Source: source()}
		bend(b)
		return b, nil
	}
}

func find(t *testing.T, name string) *testCase {
	t.Helper()
	all := cases()
	i := slices.IndexFunc(all, func(c testCase) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no case %s", name)
	}
	return &all[i]
}

// TestCatches holds the suite to finding adapters that break the contract.
func TestCatches(t *testing.T) {
	t.Parallel()
	for _, fault := range faults() {
		for _, name := range fault.caught {
			t.Run(fault.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c, r := find(t, name), &recorder{TB: t}
					check(r, c, fault.harness(fault.bend))
					time.Sleep(2 * leakTime) // what was left behind ends, as the bubble asks
					if len(r.failures) == 0 || r.skipped {
						t.Fatalf("%s was not caught (skipped: %t)", fault.name, r.skipped)
					}
					if !strings.Contains(r.failures[0], c.rule) || !strings.Contains(r.failures[0], "broken: ") {
						t.Errorf("report does not tell the rule: %s", r.failures[0])
					}
				})
			})
		}
	}
}

// TestHarmless holds the suite to accepting the same sources unbent.
func TestHarmless(t *testing.T) {
	t.Parallel()
	straight := func(*bent) {}
	RunInBubbles(t, func(*testing.T) Harness { return onQueue(memory.QueueOptions{FIFO: true}, straight) })
}

// identified is a source whose records are named by a number.
type identified struct {
	*bent

	recordID func(item []byte) (string, bool)
}

func (s identified) RecordID(item []byte) (string, bool) { return s.recordID(item) }

func TestRecordIDs(t *testing.T) {
	t.Parallel()
	digits := func(item []byte) (string, bool) {
		_, err := strconv.Atoi(string(item))
		return string(item), err == nil
	}
	item := func(r sources.Record) string { return r.ID }
	for name, test := range map[string]struct {
		recordID func([]byte) (string, bool)
		item     func(sources.Record) string
		want     string
	}{
		"right":      {digits, item, ""},
		"no item":    {digits, nil, "harness"},
		"takes all":  {func(item []byte) (string, bool) { return string(item), true }, item, "names record"},
		"takes none": {func([]byte) (string, bool) { return "", false }, item, "want"},
		"another": {func(item []byte) (string, bool) {
			_, ok := digits(item)
			return "another", ok
		}, item, "want"},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := onStream(func(*bent) {})
			open := h.Open
			h.Item = test.item
			h.Open = func(ctx context.Context) (sources.Source, error) {
				s, err := open(ctx)
				b, _ := s.(*bent)
				return identified{b, test.recordID}, err
			}
			r := &recorder{TB: t}
			check(r, find(t, "RecordIDs"), h)
			got := strings.Join(r.failures, "")
			if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
				t.Errorf("%s: failures %q, want %q", name, got, test.want)
			}
		})
	}
}

// TestHang has a Fetch that does not come back until the test lets it.
func TestHang(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := onStream(func(b *bent) {
		b.fetch = func(ctx context.Context, _ *bentPartition, _ []sources.Record, _ time.Duration) (int, error) {
			<-release
			return 0, ctx.Err()
		}
	})
	h.Patience = 10 * time.Millisecond
	r := &recorder{TB: t}
	check(r, find(t, "WaitZero"), h)
	close(release)
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "does not return") {
		t.Errorf("failures %q", r.failures)
	}
}

// TestNotDecided tells failures of the harness from those of the adapter.
func TestNotDecided(t *testing.T) {
	t.Parallel()
	h := onStream(func(*bent) {})
	h.Send = func(context.Context, ...Message) error { return context.DeadlineExceeded }
	r := &recorder{TB: t}
	check(r, find(t, "ExactlyOnce"), h)
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "not decided: Send") {
		t.Errorf("failures %q", r.failures)
	}
}

// TestConcerns sees that rules for other kinds of source are no cases, that
// those left out are none either, and that misspelt names are told.
func TestConcerns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		harness Harness
		want    string // a case that is there
		not     []string
	}{
		"queue":  {onQueue(memory.QueueOptions{}, func(*bent) {}), "AckSubset", []string{"Order", "Reshard", "BatchInfo", "Time"}},
		"FIFO":   {onQueue(memory.QueueOptions{FIFO: true}, func(*bent) {}), "GroupGoesOn", []string{"RestartFromPosition", "Time"}},
		"stream": {onStream(func(*bent) {}), "RestartFromPosition", []string{"AckSubset", "Redelivers", "End", "Time"}},
	} {
		test.harness.LeftOut = map[string]string{"Time": "its clock stands still"}
		var k kind
		r := &recorder{TB: t}
		k.learn(r, test.harness)
		names := make(map[string]bool)
		for _, c := range k.cases(r) {
			names[c.name] = true
		}
		if len(r.failures) > 0 || !names[test.want] {
			t.Errorf("%s: cases %v, failures %q", name, names, r.failures)
		}
		for _, not := range test.not {
			if names[not] {
				t.Errorf("%s: has the case %s", name, not)
			}
		}
		if !slices.Equal(r.logged, []string{"left out: Time: its clock stands still"}) {
			t.Errorf("%s: logged %q", name, r.logged)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	r := &recorder{TB: t}
	k := kind{harness: Harness{Skip: map[string]string{"Order": "to be learnt", "Misspelt": ""}}}
	k.cases(r)
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], "Misspelt") {
		t.Errorf("failures %q", r.failures)
	}
	k.skip(r, "Time")
	if r.skipped {
		t.Error("a case that is not named was skipped")
	}
	k.skip(r, "Order")
	if !r.skipped {
		t.Error("a case that is named was not skipped")
	}
}

func TestCaseNames(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, c := range cases() {
		if seen[c.name] || c.rule == "" {
			t.Errorf("case %q: named twice, or without a rule", c.name)
		}
		seen[c.name] = true
	}
}
