package esm_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// script is a handler by steps.
func (j *journal) script(all ...string) esm.Handler { return j.handler(steps(all...)) }

// steps is a handler whose nth invocation names the bodies of step n as failed, and
// fails as a whole if that is "!". After the last step all succeed.
func steps(steps ...string) func(context.Context, []sources.Record) (esm.Response, error) {
	n := 0
	return func(_ context.Context, records []sources.Record) (esm.Response, error) {
		time.Sleep(time.Millisecond) // for what is settled meanwhile
		if n++; n > len(steps) {
			return esm.Response{}, nil
		}
		if steps[n-1] == "!" {
			return esm.Response{}, errHandler
		}
		var response esm.Response
		for body := range strings.FieldsSeq(steps[n-1]) {
			i := slices.IndexFunc(records, func(r sources.Record) bool { return string(r.Data) == body })
			response.BatchItemFailures = append(response.BatchItemFailures, records[i].ID)
		}
		return response, nil
	}
}

// invokes is the bodies of each batch, in one line.
func (j *journal) invokes() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	batches := make([]string, len(j.batches))
	for i, b := range j.batches {
		batches[i] = strings.Join(b, "")
	}
	return strings.Join(batches, "/")
}

// wholeBatches gathers what is there into one batch and reads partial failures.
func wholeBatches(c esm.Config) esm.Config {
	c.ReportBatchItemFailures = true
	c.MaximumBatchingWindow = time.Second
	return c
}

func TestPartialFailure_KAF67(t *testing.T) {
	for name, c := range map[string]struct {
		steps   []string
		invokes string
		acks    []string
	}{
		"the last":             {[]string{"f"}, "abcdef/f", []string{"ack e", "ack f"}},
		"the first":            {[]string{"a"}, "abcdef/a", []string{"ack f"}},
		"every other":          {[]string{"b d f"}, "abcdef/bdf", []string{"ack a", "ack f"}},
		"less and less":        {[]string{"b c e", "c e", "e"}, "abcdef/bce/ce/e", []string{"ack a", "ack b", "ack d", "ack f"}},
		"the last of the rest": {[]string{"b c e", "b e", "b"}, "abcdef/bce/be/b", []string{"ack a", "ack f"}},
		"all":                  {[]string{"a b c d e f"}, "abcdef/abcdef", []string{"ack f"}},
		"then the whole rest":  {[]string{"b d", "!"}, "abcdef/bd/bd", []string{"ack a", "ack f"}},
		"named twice":          {[]string{"b b"}, "abcdef/b", []string{"ack a", "ack f"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b c d e f")
				source.ahead = ahead
				j := newJournal()
				stop := background(t, mustNew(t, source, j.script(c.steps...), j.config(wholeBatches(esm.Config{BatchSize: 6}))))
				time.Sleep(time.Hour)
				equal(t, "invokes", j.invokes(), c.invokes)
				equal(t, "acks", source.acks(), c.acks)
				equal(t, "lag", s.Lag("app"), 0)
				equal(t, "committed", j.count(esm.CommittedEventCount), 6)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A stream goes on from the first failed record whatever the response says of others.
func TestPartialFailureOfAStream_KIN151(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b", "c", "d")
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.script("b d", "b"), j.config(wholeBatches(esm.Config{BatchSize: 4}))))
		equal(t, "invokes", j.invokes(), "abcd/bcd/bcd")
	})
}

// The position stays below the lowest open record, with whatever is finished above it,
// and a restart goes on there (KAF-69, KAF-184).
func TestPosition(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b c d e f")
		source.ahead = ahead
		j := newJournal()
		config := j.config(wholeBatches(esm.Config{BatchSize: 4}))
		stop := background(t, mustNew(t, source, j.script("b c", "c", "c", "c", "c", "c", "c", "c", "c", "c"), config))
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "acks", source.acks(), []string{"ack a", "ack b"})
		if _, err := stop(); err != nil {
			t.Error(err)
		}
		equal(t, "lag", s.Lag("app"), 4)
		if !strings.HasPrefix(j.invokes(), "abcd/bc/c/c") || strings.Contains(j.invokes(), "e") {
			t.Errorf("invokes %s", j.invokes())
		}
		again, j := topicOf(s), newJournal()
		again.ahead = ahead
		stop = background(t, mustNew(t, again, j.handler(nil), j.config(wholeBatches(esm.Config{BatchSize: 4}))))
		time.Sleep(time.Minute)
		equal(t, "invokes after a restart", j.invokes(), "cdef")
		equal(t, "acks", again.acks(), []string{"ack f"})
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// With sub-lanes the position is below what any of them has open.
func TestPositionWithSublanes_KAF69(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic(strings.Join(numbers(40), " "))
		source.ahead = ahead
		j := newJournal()
		var bad sync.Map
		for _, body := range []string{"7", "21", "22"} {
			bad.Store(body, true)
		}
		config := j.config(wholeBatches(esm.Config{BatchSize: 10, ParallelizationFactor: 4}))
		stop := background(t, mustNew(t, source, j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			var response esm.Response
			for _, r := range records {
				if _, is := bad.Load(string(r.Data)); is {
					response.BatchItemFailures = append(response.BatchItemFailures, r.ID)
				}
			}
			return response, nil
		}), config))
		for _, step := range []struct {
			heal, last string
			lag        int
		}{{"", "6", 33}, {"21", "6", 33}, {"7", "21", 18}, {"22", "39", 0}} {
			bad.Delete(step.heal)
			time.Sleep(time.Hour)
			synctest.Wait()
			acks := source.acks()
			equal(t, "healed "+step.heal+": last ack", acks[len(acks)-1], "ack "+step.last)
			equal(t, "healed "+step.heal+": lag", s.Lag("app"), step.lag)
		}
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// item answers each batch with these itemIdentifiers, once, and then with success.
func item(items ...string) func([]sources.Record) string {
	for i := range items {
		items[i] = `{"itemIdentifier":` + items[i] + `}`
	}
	return func([]sources.Record) string { return `{"batchItemFailures":[` + strings.Join(items, ",") + `]}` }
}

// Item identifiers (KAF-66, KAF-68).
func TestItemIdentifiers(t *testing.T) {
	text := func(s string) func([]sources.Record) string { return func([]sources.Record) string { return s } }
	for name, c := range map[string]struct {
		answer  func([]sources.Record) string
		invokes int
		retried int // records of the second invocation
	}{
		"an object":             {item(`{"offset":2}`), 2, 1},
		"two":                   {item(`{"offset":3}`, `{"offset":1}`), 2, 2},
		"an unknown one":        {item(`{"offset":2}`, `{"offset":9}`), 2, 3},
		"a string":              {item(`"2"`), 2, 3},
		"null":                  {item(`null`), 2, 3},
		"another form":          {item(`{"offset":2}`, `{"place":1}`), 2, 3},
		"no itemIdentifier":     {text(`{"batchItemFailures":[{}]}`), 2, 3},
		"malformed":             {text(`{"batchItemFailures":[{"itemIdentifier":{"offset":2}`), 2, 3},
		"no list":               {text(`{"batchItemFailures":{"offset":2}}`), 2, 3},
		"an empty response":     {text(``), 1, 0},
		"an empty object":       {text(`{}`), 1, 0},
		"a null response":       {text(`null`), 1, 0},
		"an empty list":         {text(`{"batchItemFailures":[]}`), 1, 0},
		"a null list":           {text(`{"batchItemFailures":null}`), 1, 0},
		"something else at all": {text(`{"failures":[{"offset":2}]}`), 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b c")
				source.ahead = ahead
				var batches []string
				handler := esm.Bytes(bytesFunc(func(_ context.Context, payload []byte) ([]byte, error) {
					batches = append(batches, string(payload))
					if len(batches) > 1 {
						return nil, nil
					}
					return []byte(c.answer(nil)), nil
				}))
				stop := background(t, mustNew(t, source, handler, newJournal().config(wholeBatches(esm.Config{BatchSize: 3}))))
				time.Sleep(time.Minute)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				equal(t, "invokes", len(batches), c.invokes)
				if c.invokes > 1 {
					equal(t, "records of the retry", strings.Count(batches[1], `"sequenceNumber"`), c.retried)
				}
				equal(t, "lag", s.Lag("app"), 0)
			})
		})
	}
}

type bytesFunc func(context.Context, []byte) ([]byte, error)

func (f bytesFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// Retries with destination (KAF-61, KAF-186).
func TestRetriesWithDestination(t *testing.T) {
	for name, c := range map[string]struct {
		attempts    *int
		destination bool
		invokes     int
	}{
		"no limit set":          {nil, true, 11},
		"no limit":              {new(-1), true, 11},
		"none":                  {new(0), true, 1},
		"fewer":                 {new(3), true, 4},
		"more":                  {new(100), true, 101},
		"without a destination": {nil, false, 500},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("poison b")
				source.ahead = ahead
				j, f := newJournal(), &failures{}
				config := j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: c.attempts})
				if c.destination {
					config.OnFailure = f
				}
				stop := background(t, mustNew(t, source, j.handler(failIf("poison")), config))
				time.Sleep(10 * time.Hour)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				if !c.destination {
					if n := len(j.seen()); n < c.invokes {
						t.Errorf("%d invokes in ten hours", n)
					}
					return
				}
				equal(t, "invokes", len(j.seen()), c.invokes+1)
				equal(t, "failure records", f.summary(), []string{fmt.Sprintf("RetryAttemptsExhausted poison x%d", c.invokes)})
			})
		})
	}
	t.Run("the caller's configuration stays", func(t *testing.T) {
		t.Parallel()
		source, _ := newTopic("")
		attempts := -1
		mustNew(t, source, newJournal().handler(nil), esm.Config{MaximumRetryAttempts: &attempts, OnFailure: &failures{}})
		equal(t, "attempts", attempts, -1)
	})
}

// Each record that succeeds gives those that are left all their retries (KAF-73), and
// what is given up are those only.
func TestProgressResetsTheCount_KAF73(t *testing.T) {
	for name, c := range map[string]struct {
		steps   []string
		invokes string
		given   []string
	}{
		"no progress":    {[]string{"a b c", "a b c", "a b c"}, "abc/abc/abc/d", []string{"RetryAttemptsExhausted a,b,c x3"}},
		"progress":       {[]string{"a b", "a b", "a", "a", "a", "a"}, "abc/ab/ab/a/a/a/d", []string{"RetryAttemptsExhausted a x3"}},
		"a gap":          {[]string{"a c", "!", "!", "!"}, "abc/ac/ac/ac/d", []string{"RetryAttemptsExhausted a,c x3"}},
		"just in time":   {[]string{"a c", "a c", "a c", "a", "a", "a"}, "abc/ac/ac/ac/a/a/a/d", nil},
		"the last retry": {[]string{"a c", "a c", "!", ""}, "abc/ac/ac/ac/d", nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b c d")
				source.ahead = ahead
				j, f := newJournal(), &failures{}
				stop := background(t, mustNew(t, source, j.script(c.steps...), j.config(wholeBatches(esm.Config{
					BatchSize: 3, MaximumRetryAttempts: new(2), OnFailure: f,
				}))))
				time.Sleep(time.Hour)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				equal(t, "invokes", j.invokes(), c.invokes)
				equal(t, "failure records", f.summary(), c.given)
				equal(t, "lag", s.Lag("app"), 0)
			})
		})
	}
}

// A batch of which all records are named is split like one that failed as a whole, and
// its halves keep their order (KAF-64, KAF-67).
func TestBisectOfNamedRecords(t *testing.T) {
	for name, c := range map[string]struct {
		steps   []string
		invokes string
		acks    []string
	}{
		"all named":          {[]string{"a b c d e f"}, "abcdef/abc/def", []string{"ack c", "ack f"}},
		"as a whole":         {[]string{"!", "b"}, "abcdef/abc/b/def", []string{"ack a", "ack c", "ack f"}},
		"the rest of some":   {[]string{"a c e f", "!"}, "abcdef/acef/ac/ef", []string{"ack d", "ack f"}},
		"and of that":        {[]string{"b d f", "b d f", "", "d"}, "abcdef/bdf/b/df/d", []string{"ack a", "ack c", "ack f"}},
		"one that is behind": {[]string{"!", "a b", "a", ""}, "abcdef/abc/ab/a/def", []string{"ack c", "ack f"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b c d e f")
				source.ahead = ahead
				j := newJournal()
				stop := background(t, mustNew(t, source, j.script(c.steps...), j.config(wholeBatches(esm.Config{
					BatchSize: 6, BisectBatchOnFunctionError: true,
				}))))
				time.Sleep(time.Hour)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				equal(t, "invokes", j.invokes(), c.invokes)
				equal(t, "acks", source.acks(), c.acks)
				equal(t, "lag", s.Lag("app"), 0)
			})
		})
	}
}

// A producer may set any time. None is of no age, one that is to come is not old, and
// one that is long past is given up before the first try.
func TestRecordAge_KAF63(t *testing.T) {
	for name, c := range map[string]struct {
		at      map[string]time.Duration // since now; 0 for no time at all
		steps   []string
		invokes string
		given   []string
	}{
		"old ones in front": {map[string]time.Duration{"a": -24 * time.Hour, "b": -time.Hour}, nil,
			"cd", []string{"RecordAgeExceeded a,b x1"}},
		"an old one behind": {map[string]time.Duration{"c": -time.Hour}, nil, "abcd", nil},
		"an old one behind, whose predecessors succeed": {map[string]time.Duration{"c": -time.Hour}, []string{"c d"},
			"abcd/d", []string{"RecordAgeExceeded c x1"}},
		"no time": {map[string]time.Duration{"a": 0, "b": 0}, []string{"a b", "a", "a", "a", "a", "a", "a", "a", "a"},
			"abcd/ab/a/a/a/a/a/a/a/a", nil},
		"a time to come": {map[string]time.Duration{"a": 100 * time.Hour}, []string{"a", "a", "a", "a", "a", "a", "a", "a", "a"},
			"abcd/a/a/a/a/a/a/a/a/a", nil},
		"too old meanwhile": {nil, []string{"b d", "b d", "b d", "b d", "b d", "b d", "b d", "b d", "b d"},
			"abcd/bd/bd/bd/bd/bd", []string{"RecordAgeExceeded b,d x5"}},
		"one of them too old meanwhile": {map[string]time.Duration{"d": 0}, []string{"b d", "b d", "b d", "b d", "b d", "b d", "d"},
			"abcd/bd/bd/bd/bd/bd/d/d", []string{"RecordAgeExceeded b x5"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b c d")
				source.ahead = ahead
				source.at = make(map[string]time.Time)
				for body, since := range c.at {
					source.at[body] = time.Now().Add(since)
					if since == 0 {
						source.at[body] = time.Time{}
					}
				}
				j, f := newJournal(), &failures{}
				stop := background(t, mustNew(t, source, j.script(c.steps...), j.config(wholeBatches(esm.Config{
					BatchSize: 4, MaximumRecordAge: time.Minute, MaximumRetryAttempts: new(1000), OnFailure: f,
				}))))
				time.Sleep(10 * time.Hour)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
				equal(t, "invokes", j.invokes(), c.invokes)
				equal(t, "failure records", f.summary(), c.given)
				equal(t, "lag", s.Lag("app"), 0)
			})
		})
	}
}

// The age of a batch that is to come is none.
func TestIteratorAge_KAF63(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, _ := newTopic("a")
		source.ahead = ahead
		source.at = map[string]time.Time{"a": time.Now().Add(time.Hour)}
		j := newJournal()
		config := j.config(esm.Config{BatchSize: 1})
		var ages []time.Duration
		config.Observer = func(o esm.Observation) {
			if o.Metric == esm.IteratorAge {
				ages = append(ages, o.Duration)
			}
		}
		stop := background(t, mustNew(t, source, j.handler(nil), config))
		time.Sleep(time.Minute)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
		equal(t, "ages", ages, []time.Duration{0})
	})
}
