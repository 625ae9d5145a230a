package lease

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

func TestOptionsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil, Options{Duration: 1, ListInterval: 1, MaxLeases: -1})
	for _, name := range []string{"Duration", "ListInterval", "MaxLeases", "Start"} {
		if err == nil || !strings.Contains(err.Error(), "option "+name+": ") {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
	_, err = New(nil, nil, Options{Start: checkpoint.Position{Sequence: checkpoint.AtTimestamp}})
	if err == nil {
		t.Error("AT_TIMESTAMP without a timestamp is not refused")
	}
}

func manager(t *testing.T, store checkpoint.Store, r *river, options Options) *Manager {
	t.Helper()
	m, err := New(store, r.list, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// next waits for a lease, for at most three minutes.
func next(t *testing.T, m *Manager) *Held {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	h, err := m.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return h
}

func shut(t *testing.T, m *Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}
