package sources_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
)

func TestRecordLasts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	const limit = 30 * time.Second
	for _, c := range []struct {
		name         string
		expires      time.Time
		ours, starts bool
	}{
		{"never expires", time.Time{}, true, true},
		{"an hour", now.Add(time.Hour), true, true},
		{"the time limit exactly", now.Add(limit), true, true},
		{"a nanosecond less", now.Add(limit - 1), true, false},
		{"the last nanosecond", now.Add(1), true, false},
		{"this moment", now, false, false},
		{"a nanosecond ago", now.Add(-1), false, false},
		{"longer ago than a Duration can say", now.AddDate(-400, 0, 0), false, false},
		{"later than a Duration can say", now.AddDate(400, 0, 0), true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := sources.Record{Expires: c.expires}
			if got := r.Lasts(now, 0); got != c.ours {
				t.Errorf("the mapping's: %v, want %v", got, c.ours)
			}
			if got := r.Lasts(now, limit); got != c.starts {
				t.Errorf("worth starting: %v, want %v", got, c.starts)
			}
		})
	}
}

func TestRecordLastsAllocatesNothing(t *testing.T) { //nolint:paralleltest // others would allocate
	r, now := sources.Record{Expires: time.Now().Add(time.Minute)}, time.Now()
	if n := testing.AllocsPerRun(100, func() { r.Lasts(now, time.Second) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
