package dynamodb_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// state is the state of a window as handlers make it, about so many bytes of JSON.
func state(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	text.WriteString(`{"state":{`)
	for text.Len() < size {
		text.WriteString(`"device-`)
		for range 8 {
			text.WriteByte("0123456789abcdef"[random.IntN(16)])
		}
		text.WriteString(`":{"count":12,"sum":3456.5,"max":99.5},`)
	}
	text.WriteString(`"":{}}}`)
	return []byte(text.String())
}

func noise(size int) []byte {
	b := make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(b)
	return b
}

// A state of the largest size that KIN-176 allows is stored, in a small part of what
// it would take, and comes back; without a window its attributes are gone (KIN-186).
func TestLargeWindow(t *testing.T) {
	t.Parallel()
	w, held := holding(t)
	large := next(held)
	large.Window = state(1 << 20)
	if err := w.store.Update(t.Context(), held, large); err != nil {
		t.Fatal(err)
	}
	if got := only(t, w.store); !got.Equal(large) {
		t.Errorf("a window of %d bytes came back with %d", len(large.Window), len(got.Window))
	}
	r := rows(t, w.client, tableName)[held.Shard]
	stored, _ := r["openesmWindow"].(*types.AttributeValueMemberB)
	if stored == nil || len(stored.Value) > 400_000 || r["openesmWindowEncoding"] == nil {
		t.Errorf("stored as %v", r["openesmWindowEncoding"])
	}
	created := large.Clone()
	created.Shard = "created"
	if err := w.store.Create(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Delete(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	for _, window := range [][]byte{[]byte("short"), large.Window, nil} { // a marker does not outlive its window
		changed := next(large)
		changed.Window = window
		if err := w.store.Update(t.Context(), large, changed); err != nil {
			t.Fatal(err)
		}
		if got := only(t, w.store); !got.Equal(changed) {
			t.Errorf("a window of %d bytes came back with %d", len(window), len(got.Window))
		}
		large = changed
	}
	if r := rows(t, w.client, tableName)[held.Shard]; r["openesmWindow"] != nil || r["openesmWindowEncoding"] != nil {
		t.Errorf("without a window there is %v", r)
	}
}

// Windows that compression makes no shorter are stored as they are, also those that
// look compressed, and those that were stored before there was compression are read.
func TestPlainWindow(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(noise(5000)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, window := range map[string][]byte{
		"short": bytes.Repeat([]byte("a"), 1023), "noise": noise(100_000), "compressed": packed.Bytes(),
	} {
		w, held := holding(t)
		l := next(held)
		l.Window = window
		if err := w.store.Update(t.Context(), held, l); err != nil {
			t.Fatal(err)
		}
		if got := only(t, w.store); !got.Equal(l) {
			t.Errorf("%s: came back with %d bytes", name, len(got.Window))
		}
		if r := rows(t, w.client, tableName)[held.Shard]; r["openesmWindowEncoding"] != nil {
			t.Errorf("%s: is compressed, which makes it no shorter", name)
		}
	}
	w := withTable(t)
	old := kclRow()
	old["openesmWindow"] = &types.AttributeValueMemberB{Value: state(5000)}
	putRow(t, w.client, tableName, old)
	if got := only(t, w.store); !bytes.Equal(got.Window, state(5000)) {
		t.Errorf("a window that was stored without compression came back as %.20q", got.Window)
	}
}

// A window that does not fit into an item is an error of its own before any call, and
// changes nothing.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"noise": 500_000, "just": 400 << 10} {
		w, held := holding(t)
		calls := w.server.Calls("UpdateItem") + w.server.Calls("PutItem")
		large := next(held)
		large.Window = noise(size)
		other := large.Clone()
		other.Shard = "other"
		for what, err := range map[string]error{
			"Update": w.store.Update(t.Context(), held, large),
			"Create": w.store.Create(t.Context(), other),
		} {
			if _, ok := errors.AsType[smithy.APIError](err); err == nil || ok {
				t.Errorf("%s: %s gives %v, want an error of the store", name, what, err)
				continue
			}
			for _, part := range []string{"500000", "409600", held.Shard} {
				if name == "noise" && what == "Update" && !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not name %q", err, part)
				}
			}
		}
		if n := w.server.Calls("UpdateItem") + w.server.Calls("PutItem"); n != calls {
			t.Errorf("%s: %d calls were made", name, n-calls)
		}
		if got := only(t, w.store); !got.Equal(held) {
			t.Errorf("%s: the lease became %+v", name, got)
		}
	}
}

// Whatever the store takes for small enough the service takes too.
func TestLargestWindow(t *testing.T) {
	t.Parallel()
	w, last := holding(t)
	fits := false
	for size := 400 << 10; size > 408_000 && !fits; size -= 50 {
		l := next(last)
		l.Window = noise(size)
		l.Position.Sequence, l.Owner = number56, "worker"
		err := w.store.Update(t.Context(), last, l)
		if _, ok := errors.AsType[smithy.APIError](err); ok {
			t.Errorf("%d bytes: %v", size, err)
		}
		fits = err == nil
	}
	if !fits {
		t.Error("a window of 408,000 bytes does not fit")
	}
}

// A window that would be very long is refused, and not read.
func TestVeryLongWindow(t *testing.T) {
	t.Parallel()
	w, held := holding(t)
	long := next(held)
	long.Window = make([]byte, 16<<20+1)
	if err := w.store.Update(t.Context(), held, long); err == nil || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("got %v, want an error that names the bound", err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(long.Window); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r := kclRow()
	r["openesmWindow"], r["openesmWindowEncoding"] = &types.AttributeValueMemberB{Value: packed.Bytes()}, s("gzip")
	putRow(t, w.client, tableName, r)
	if _, err := w.store.Leases(t.Context()); err == nil || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("got %v, want an error that names the bound", err)
	}
}

// Calls at the same time do not share a compressor.
func TestWindowsAtOnce(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			l := shardLease()
			l.Shard += string('a' + rune(i))
			l.Window = state(20_000 + i)
			if err := w.store.Create(t.Context(), l); err != nil {
				t.Error(err)
			}
			for range 5 {
				n := next(l)
				if err := w.store.Update(t.Context(), l, n); err != nil {
					t.Error(err)
				}
				l = n
			}
		})
	}
	wg.Wait()
	list, err := w.store.Leases(t.Context())
	if err != nil || len(list) != 8 {
		t.Fatalf("%d leases, %v", len(list), err)
	}
	for _, l := range list {
		if i := int(l.Shard[len(l.Shard)-1] - 'a'); !bytes.Equal(l.Window, state(20_000+i)) {
			t.Errorf("%s came back with another window", l.Shard)
		}
	}
}
