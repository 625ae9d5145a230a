package kinesis_test

import (
	"context"
	"math/big"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// account is what a handler was given: numbers, by key.
type account struct {
	mu    sync.Mutex
	by    map[string][]int
	count int
	news  chan struct{}
}

func newAccount() *account { return &account{by: make(map[string][]int), news: make(chan struct{}, 1)} }

func (a *account) handle(_ context.Context, records []sources.Record) (esm.Response, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range records {
		n, err := strconv.Atoi(string(records[i].Data))
		if err != nil {
			return esm.Response{}, err
		}
		a.by[records[i].Key] = append(a.by[records[i].Key], n)
		a.count++
	}
	select {
	case a.news <- struct{}{}:
	default:
	}
	return esm.Response{}, nil
}

// wait waits until so many records were handled.
func (a *account) wait(t *testing.T, count int) {
	t.Helper()
	limit := time.NewTimer(time.Minute) // real time: the limit of a test of a real server
	defer limit.Stop()
	for {
		a.mu.Lock()
		got := a.count
		a.mu.Unlock()
		if got >= count {
			return
		}
		select {
		case <-a.news:
		case <-limit.C:
			t.Fatalf("%d records were handled, want %d", got, count)
		}
	}
}

// check holds what was handled to each key's numbers from 0 on, in order and once.
func (a *account) check(t *testing.T, keys, each int) {
	t.Helper()
	want := make([]int, each)
	for i := range want {
		want[i] = i
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.by) != keys {
		t.Errorf("%d keys, want %d", len(a.by), keys)
	}
	for key, got := range a.by {
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want 0 to %d", key, got, each-1)
		}
	}
}

// number reads a decimal number of any length.
func number(text string) *big.Int {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		panic("not a number: " + text)
	}
	return n
}
