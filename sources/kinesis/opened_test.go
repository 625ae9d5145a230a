package kinesis_test

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
)

// openPart is a source that is read without an engine.
type openPart struct {
	sources.Partition

	w      *world
	source *kinesis.Source
	errs   int // of Fetch
}

// open starts a source and accepts a shard.
func (w *world) open(options kinesis.Options) *openPart {
	w.t.Helper()
	s := w.source(options)
	err := s.Start(w.t.Context(), sources.Settings{})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := s.Accept(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return &openPart{Partition: p, w: w, source: s}
}

// close closes the shard and its source.
func (o *openPart) close() {
	o.w.t.Helper()
	for _, err := range []error{o.Close(o.w.t.Context()), o.source.Close(o.w.t.Context())} {
		if err != nil {
			o.w.t.Errorf("Close: %v", err)
		}
	}
}

// read fetches as the engine does until there are n records, or the end or the limit
// is reached.
func (o *openPart) read(n int, limit time.Duration) ([]sources.Record, error) {
	var all []sources.Record
	buf := make([]sources.Record, 100)
	for start := time.Now(); len(all) < n && time.Since(start) < limit; {
		got, err := o.Fetch(o.w.t.Context(), buf, time.Second)
		all = append(all, buf[:got]...)
		switch {
		case errors.Is(err, sources.ErrEnd), errors.Is(err, sources.ErrLost):
			return all, err
		case err != nil:
			o.errs++
			time.Sleep(100 * time.Millisecond)
		}
	}
	return all, nil
}

// want reads and holds the data of what comes to what it must be.
func (o *openPart) want(bodies ...string) []sources.Record {
	o.w.t.Helper()
	all, err := o.read(len(bodies), 5*time.Minute)
	if got := bodiesOf(all); !slices.Equal(got, bodies) {
		o.w.t.Fatalf("got %q (%v), want %q", got, err, bodies)
	}
	return all
}

// nothing looks that nothing comes for so long.
func (o *openPart) nothing(d time.Duration) {
	o.w.t.Helper()
	all, err := o.read(1, d)
	if len(all) != 0 || err != nil {
		o.w.t.Errorf("got %q (%v), want nothing", bodiesOf(all), err)
	}
}

func bodiesOf(records []sources.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		all[i] = string(records[i].Data)
	}
	return all
}

// texts are the numbers from a to before b.
func texts(a, b int) []string {
	var all []string
	for i := a; i < b; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}
