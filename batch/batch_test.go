package batch_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/batch"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func opened(limits batch.Limits) *batch.Batch {
	b := batch.New(limits)
	b.Open(start)
	return b
}

func TestClosesByCount_ESM30(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 3, Bytes: 1000, Window: time.Minute})
	for i := range 3 {
		if b.Closed(start) {
			t.Fatalf("closed after %d of 3 records", i)
		}
		if got, want := b.Room(), 3-i; got != want {
			t.Fatalf("room is %d, want %d", got, want)
		}
		if got := b.Add(1, start); got != batch.Taken {
			t.Fatalf("record %d: got %v", i, got)
		}
	}
	if !b.Closed(start) || b.Wait(start) != 0 || b.Room() != 0 {
		t.Fatalf("closed %v, wait %v, room %d after BatchSize records", b.Closed(start), b.Wait(start), b.Room())
	}
	if got := b.Add(1, start); got != batch.Full {
		t.Fatalf("a fourth record: got %v, want Full", got)
	}
}

// Closes by bytes of the document (ESM-38, ESM-39).
func TestClosesByBytesOfTheDocument(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		sizes []int
		taken int
	}{
		{"one byte too many is carried over", []int{40, 40, 7}, 2},
		{"to the byte", []int{40, 40, 6}, 3},
		{"a small one does not jump the queue", []int{40, 40, 7, 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := opened(batch.Limits{Records: 100, Bytes: 100, Overhead: 14, Window: time.Minute})
			taken := 0
			for _, size := range c.sizes {
				if b.Add(size, start) == batch.Taken {
					taken++
				}
			}
			if taken != c.taken || b.Len() != c.taken {
				t.Errorf("took %d (Len %d), want %d", taken, b.Len(), c.taken)
			}
			if !b.Closed(start) {
				t.Error("not closed by bytes")
			}
			if b.Bytes() > 100 {
				t.Errorf("document of %d bytes, limit 100", b.Bytes())
			}
		})
	}
}

func TestRecordThatFitsNoBatchIsReported_ESM41(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 10, Bytes: 100, Overhead: 14})
	if got := b.Add(87, start); got != batch.TooLarge {
		t.Fatalf("got %v, want TooLarge", got)
	}
	if b.Len() != 0 || b.Closed(start) {
		t.Fatal("a record that does not fit changed the batch")
	}
	if got := b.Add(86, start); got != batch.Taken {
		t.Fatalf("the largest record that fits: got %v, want Taken", got)
	}
}

func TestNoWindowSendsWhatThereIs_ESM32(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 10, Bytes: 100})
	if b.Closed(start) {
		t.Fatal("an empty batch is closed")
	}
	b.Add(1, start)
	if !b.Closed(start) {
		t.Fatal("not closed with one record and no window")
	}
}

func TestEmptyBatchIsNeverSent_ESM43(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 10, Bytes: 100, Window: time.Second})
	late := start.Add(time.Hour)
	if b.Closed(late) || b.Wait(late) != batch.Idle {
		t.Fatalf("closed %v, wait %v", b.Closed(late), b.Wait(late))
	}
}

func TestWindowStartsWithPreviousInvocation_ESM35(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		first, wait time.Duration
	}{
		{"at once", 0, 5 * time.Second},
		{"late in the window", 4 * time.Second, time.Second},
		{"with the window's end: the next one", 5 * time.Second, 5 * time.Second},
		{"in a later window", 13 * time.Second, 2 * time.Second},
		{"after the clock stepped back", -time.Hour, 5 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := opened(batch.Limits{Records: 10, Bytes: 100, Window: 5 * time.Second})
			first := start.Add(c.first)
			b.Add(1, first)
			if got := b.Wait(first); got != c.wait {
				t.Fatalf("waits %v, want %v", got, c.wait)
			}
			b.Add(1, first.Add(c.wait/2)) // a later record does not prolong the window
			if b.Closed(first.Add(c.wait - 1)) {
				t.Error("closed before the window's end")
			}
			if !b.Closed(first.Add(c.wait)) {
				t.Error("not closed at the window's end")
			}
		})
	}
}

func TestWindowStartsWithFirstRecord_ESM36(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 10, Bytes: 100, Window: 5 * time.Second, FromRecord: true})
	first := start.Add(4 * time.Second)
	b.Add(1, first)
	if got := b.Wait(first); got != 5*time.Second {
		t.Fatalf("waits %v, want the whole window", got)
	}
}

func TestOpenStartsAnew(t *testing.T) {
	t.Parallel()
	b := opened(batch.Limits{Records: 1, Bytes: 100, Overhead: 14})
	b.Add(1, start)
	b.Open(start.Add(time.Second))
	if b.Len() != 0 || b.Bytes() != 14 || b.Closed(start.Add(time.Hour)) {
		t.Fatalf("len %d, bytes %d after Open", b.Len(), b.Bytes())
	}
}

// FuzzBatch offers records as a lane does, carrying over what did not fit, and
// checks P8, and that every record is taken once, in order, or reported.
func FuzzBatch(f *testing.F) {
	f.Add(uint8(3), uint16(100), uint8(14), uint8(2), false, []byte{10, 200, 30, 1, 1, 1, 90})
	f.Add(uint8(1), uint16(20), uint8(19), uint8(0), true, []byte{0, 1, 2})
	f.Fuzz(func(t *testing.T, records uint8, bytes uint16, overhead, window uint8, fromRecord bool, sizes []byte) {
		limits := batch.Limits{
			Records: 1 + int(records), Bytes: 1 + int(overhead) + int(bytes), Overhead: int(overhead),
			Window: time.Duration(window) * time.Second, FromRecord: fromRecord,
		}
		b := batch.New(limits)
		now := start
		b.Open(now)
		var firstIn time.Time
		for i := 0; i < len(sizes); {
			size := int(sizes[i])
			empty := b.Len() == 0
			switch b.Add(size, now) {
			case batch.Taken:
				if empty {
					firstIn = now
				}
				i++
			case batch.TooLarge:
				if size <= limits.Bytes-limits.Overhead {
					t.Fatalf("size %d fits into %+v", size, limits)
				}
				i++
			case batch.Full:
				if !b.Closed(now) || b.Len() == 0 {
					t.Fatal("full, but not closed")
				}
			}
			if b.Len() > limits.Records || b.Bytes() > limits.Bytes {
				t.Fatalf("%d records, %d bytes: above %+v", b.Len(), b.Bytes(), limits)
			}
			if b.Len() > 0 && now.Add(b.Wait(now)).Sub(firstIn) > limits.Window {
				t.Fatalf("waits %v, first record at %v, now %v", b.Wait(now), firstIn, now)
			}
			if b.Closed(now) {
				b.Open(now)
			}
			now = now.Add(time.Duration(size) * 10 * time.Millisecond)
			if b.Closed(now) {
				b.Open(now)
			}
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	batched := batch.New(batch.Limits{Records: 100, Bytes: batch.MaxEventBytes, Overhead: 14, Window: time.Second})
	batched.Open(start)
	b.ReportAllocs()
	for b.Loop() {
		batched.Add(300, start)
		if batched.Closed(start) {
			batched.Open(start)
		}
	}
}
