package esm

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources"
)

// trackerModel keeps every record that was ever added.
type trackerModel struct {
	each  int
	sizes []int
	done  []bool
	taken int // records that take told of
}

// passed is how many records lie behind the position: all before the first
// unfinished one.
func (m *trackerModel) passed() int {
	if i := slices.Index(m.done, false); i >= 0 {
		return i
	}
	return len(m.done)
}

// bytes is what the records behind the position take: the finished ones no more than
// their places, but for the last of each run, which the position may need.
func (m *trackerModel) bytes() int {
	sum := 0
	for i := m.passed(); i < len(m.done); i++ {
		size := m.sizes[i] + m.each
		if m.done[i] && i+1 < len(m.done) && m.done[i+1] {
			size = min(size, slotBytes)
		}
		sum += size
	}
	return sum
}

// runs is how many runs of finished records lie behind the position.
func (m *trackerModel) runs() int {
	n := 0
	for i := m.passed(); i < len(m.done); i++ {
		if m.done[i] && (i+1 == len(m.done) || !m.done[i+1]) {
			n++
		}
	}
	return n
}

func (m *trackerModel) unfinished() int {
	n := 0
	for _, done := range m.done {
		if !done {
			n++
		}
	}
	return n
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzTrackerModel adds, finishes and takes in any order, any records at a
// time, and compares with the model (P3). The memory is bounded by what is open
// (P7). Two bytes are one step.
func FuzzTrackerModel(f *testing.F) {
	f.Add([]byte{0, 9, 1, 4, 1, 0, 2, 0, 1, 1, 3, 0, 2, 0})
	f.Add([]byte{0, 40, 4, 3, 4, 2, 1, 0, 0, 40, 4, 5, 2, 0, 3, 0})
	for seed := range byte(16) {
		f.Add(noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		m, most := &trackerModel{each: 40 * (len(steps) % 7)}, 0
		tracker := newTracker(m.each)
		var open []sources.Record
		finish := func(records []sources.Record) {
			before := m.passed()
			moved := tracker.finish(records)
			for _, r := range records {
				m.done[r.Offset] = true
			}
			if moved != (m.passed() > before) {
				t.Fatalf("moved %v, position went from %d to %d", moved, before, m.passed())
			}
		}
		for i := 0; i+1 < min(len(steps), 200); i += 2 {
			kind, value := steps[i]%5, int(steps[i+1])
			switch kind {
			case 0: // a fetch
				chunk := make([]sources.Record, value%50)
				for k := range chunk {
					chunk[k] = sources.Record{ID: strconv.Itoa(len(m.done)), Size: 1 + value*k%97}
					m.sizes, m.done = append(m.sizes, chunk[k].Size), append(m.done, false)
				}
				tracker.add(chunk)
				open = append(open, chunk...)
			case 1: // one record, somewhere
				if len(open) > 0 {
					at := value % len(open)
					finish([]sources.Record{open[at]})
					open = slices.Delete(open, at, at+1)
				}
			case 4: // each so many-th, last ones first
				var some []sources.Record
				for at := len(open) - 1; at >= 0; at -= 1 + value%7 {
					some = append(some, open[at])
					open = slices.Delete(open, at, at+1)
				}
				finish(some)
			case 3: // a whole batch from the front
				n := min(len(open), value)
				finish(slices.Clone(open[:n]))
				open = slices.Delete(open, 0, n)
			case 2: // the position is stored
				record, count := tracker.take()
				want := m.passed() - m.taken
				if count != want || want > 0 && record.ID != strconv.Itoa(m.passed()-1) {
					t.Fatalf("step %d: take gives %q and %d, want %d up to %d", i, record.ID, count, want, m.passed()-1)
				}
				m.taken = m.passed()
			}
			records, bytes := tracker.open()
			if records != m.unfinished() || bytes != m.bytes() {
				t.Fatalf("step %d: %d records, %d bytes open; want %d, %d", i, records, bytes, m.unfinished(), m.bytes())
			}
			most = max(most, len(m.done)-m.passed())
			if len(tracker.sizes) > max(2*most, 8) {
				t.Fatalf("step %d: a ring for %d, at most %d were open", i, len(tracker.sizes), most)
			}
			kept := 0
			for _, r := range tracker.late {
				if r.ID != "" {
					kept++
				}
			}
			if kept != m.runs() {
				t.Fatalf("step %d: holds on to %d finished records, want %d", i, kept, m.runs())
			}
		}
	})
}
