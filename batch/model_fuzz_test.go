package batch_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/openesm/openesm/batch"
)

// model is a batch that keeps every size and works everything out anew.
type model struct {
	limits batch.Limits
	opened time.Time
	first  time.Time
	by     time.Time // the earliest moment given to CloseBy; zero for none
	sizes  []int
	closed bool // a record did not fit
}

func (m *model) bytes() int {
	sum := m.limits.Overhead
	for _, size := range m.sizes {
		sum += size
	}
	return sum
}

func (m *model) full() bool {
	return m.closed || len(m.sizes) == m.limits.Records || len(m.sizes) > 0 && m.bytes() == m.limits.Bytes
}

func (m *model) add(size int, now time.Time) batch.Fit {
	switch {
	case m.limits.Overhead+size > m.limits.Bytes:
		return batch.TooLarge
	case m.full(), m.bytes()+size > m.limits.Bytes:
		m.closed = true
		return batch.Full
	}
	if len(m.sizes) == 0 {
		m.first = now
	}
	m.sizes = append(m.sizes, size)
	return batch.Taken
}

// deadline is the end of the window, or earlier.
func (m *model) deadline() time.Time {
	if end := m.windowEnd(); m.by.IsZero() || end.Before(m.by) {
		return end
	}
	return m.by
}

func (m *model) closeBy(moment time.Time) {
	if len(m.sizes) > 0 && (m.by.IsZero() || moment.Before(m.by)) {
		m.by = moment
	}
}

// windowEnd walks from window to window up to the one that the first record
// fell into (ESM-35), or is one window from the first record (ESM-36).
func (m *model) windowEnd() time.Time {
	if m.limits.Window == 0 || m.limits.FromRecord || m.first.Before(m.opened) {
		return m.first.Add(m.limits.Window)
	}
	end := m.opened.Add(m.limits.Window)
	for !m.first.Before(end) {
		end = end.Add(m.limits.Window)
	}
	return end
}

func (m *model) wait(now time.Time) time.Duration {
	switch {
	case len(m.sizes) == 0:
		return batch.Idle
	case m.full() || now.After(m.deadline()):
		return 0
	default:
		return m.deadline().Sub(now)
	}
}

func (m *model) isClosed(now time.Time) bool { return len(m.sizes) > 0 && m.wait(now) == 0 }

func (m *model) room() int {
	if m.full() {
		return 0
	}
	return m.limits.Records - len(m.sizes)
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzModel opens and fills a batch in any order, with a clock that may step
// back, and holds every answer to the model's. Two bytes are one step.
func FuzzModel(f *testing.F) {
	f.Add(uint8(2), uint16(100), uint8(14), uint8(3), false, []byte{1, 50, 3, 70, 1, 36, 1, 1, 0, 0, 1, 87})
	f.Add(uint8(0), uint16(20), uint8(0), uint8(0), true, []byte{1, 0, 1, 0, 0, 9})
	f.Add(uint8(9), uint16(0), uint8(1), uint8(1), false, []byte{4, 200, 1, 0, 2, 30, 1, 0, 4, 90}) // the clock steps back
	for seed := range byte(16) {
		f.Add(seed, 20*uint16(seed), seed, 3*seed, seed%2 == 0, noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, records uint8, bytes uint16, overhead, window uint8, fromRecord bool, steps []byte) {
		limits := batch.Limits{
			Records: 1 + int(records), Bytes: 1 + int(overhead) + int(bytes), Overhead: int(overhead),
			Window: time.Duration(window) * 100 * time.Millisecond, FromRecord: fromRecord,
		}
		b, m, now := batch.New(limits), &model{limits: limits}, start
		b.Open(now)
		m.opened = now
		for i := 0; i+1 < min(len(steps), 200); i += 2 {
			kind, value := steps[i]%7, int(steps[i+1])
			switch kind {
			case 0:
				b.Open(now)
				m = &model{limits: limits, opened: now}
			case 1, 5:
				if got, want := b.Add(value, now), m.add(value, now); got != want {
					t.Fatalf("step %d: Add(%d) is %v, want %v", i, value, got, want)
				}
			case 6:
				by := now.Add(time.Duration(value-50) * 10 * time.Millisecond)
				b.CloseBy(by)
				m.closeBy(by)
			case 2:
				now = now.Add(-time.Duration(value) * 10 * time.Millisecond)
			default:
				now = now.Add(time.Duration(value) * 7 * time.Millisecond)
			}
			if got, want := b.Closed(now), m.isClosed(now); got != want {
				t.Fatalf("step %d: closed %v, want %v", i, got, want)
			}
			if got, want := b.Wait(now), m.wait(now); got != want {
				t.Fatalf("step %d: waits %v, want %v", i, got, want)
			}
			if b.Room() != m.room() || b.Len() != len(m.sizes) || b.Bytes() != m.bytes() {
				t.Fatalf("step %d: room %d, len %d, bytes %d; want %d, %d, %d",
					i, b.Room(), b.Len(), b.Bytes(), m.room(), len(m.sizes), m.bytes())
			}
		}
	})
}
