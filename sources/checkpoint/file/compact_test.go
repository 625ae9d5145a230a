package file

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
)

// gate holds up the making of a new file, before it is on the disk, until pass is
// closed.
type gate struct {
	disk

	reached chan struct{}
	pass    chan struct{}
}

func (d *gate) Sync() error {
	select {
	case <-d.pass:
	default:
		d.reached <- struct{}{}
		<-d.pass
	}
	return d.disk.Sync()
}

// hold has the store's next new file wait before it is on the disk.
func hold(s *Store) *gate {
	g := &gate{reached: make(chan struct{}), pass: make(chan struct{})}
	s.create = func(path string, flag int) (disk, error) {
		d, err := openDisk(path, flag)
		if flag == 0 || err != nil {
			return d, err
		}
		s.create = openDisk
		return &gate{disk: d, reached: g.reached, pass: g.pass}, nil
	}
	return g
}

// begun is a store whose new file waits, with some writes since it was begun: an
// update, a delete, and a lease that is new.
func begun(t *testing.T, options Options) (*Store, *gate, map[string]int64) {
	t.Helper()
	s := mustOpen(t, newPath(t), options)
	for _, shard := range []string{"a", "b", "c"} {
		mustPut(t, s, shard, 0)
	}
	g := hold(s)
	s.slack = 0
	n := 0
	for s.changed == nil {
		n++
		mustPut(t, s, "a", n)
	}
	<-g.reached
	for range 20 { // none of them waits
		n++
		mustPut(t, s, "a", n)
	}
	if err := s.Delete(t.Context(), lease("b", 0)); err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, "d", 0)
	mustPut(t, s, "e", 0)
	if err := s.Delete(t.Context(), lease("e", 0)); err != nil {
		t.Fatal(err)
	}
	s.slack = 1 << 30
	return s, g, map[string]int64{"a": int64(n), "c": 0, "d": 0}
}

func check(t *testing.T, when, path string, want map[string]int64) {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatalf("%s: %v", when, err)
	}
	if got := versions(t, s); !maps.Equal(got, want) {
		t.Fatalf("%s: the file holds %v, want %v", when, got, want)
	}
	mustClose(t, s)
}

// variants are the ways in which a new file takes the old one's place.
func variants(t *testing.T, test func(t *testing.T, sync, renamesOpen bool)) {
	t.Helper()
	for _, sync := range []bool{false, true} {
		for _, open := range []bool{true, false} {
			t.Run(fmt.Sprint("sync ", sync, ", renamed open ", open), func(t *testing.T) {
				t.Parallel()
				test(t, sync, open)
			})
		}
	}
}

// Writes do not wait for a new file that is being made, and what they wrote is in it.
func TestWritesDuringCompaction(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, sync, renamesOpen bool) {
		t.Helper()
		s, g, want := begun(t, Options{Sync: sync})
		s.renamesOpen = renamesOpen
		long := s.log.end
		close(g.pass)
		s.making.Wait()
		if s.log.end >= long || s.changed != nil || s.tryAt != 0 {
			t.Errorf("the log has %d bytes, before it had %d; changed %v, tryAt %d", s.log.end, long, s.changed, s.tryAt)
		}
		if info, err := os.Stat(s.path); err != nil || info.Size() != s.log.end {
			t.Errorf("the file is %v, %v; the log has %d bytes", info, err, s.log.end)
		}
		mustPut(t, s, "c", 1)
		want["c"] = 1
		if got := versions(t, s); !maps.Equal(got, want) {
			t.Errorf("the store holds %v, want %v", got, want)
		}
		mustClose(t, s)
		check(t, "later", s.path, want)
	})
}

// A process that ends anywhere in the making of a new file loses nothing: neither
// with any piece of it there, nor when it has just taken its place.
func TestTornDuringCompaction(t *testing.T) {
	t.Parallel()
	s, g, want := begun(t, Options{})
	old, fresh := mustRead(t, s.path), mustRead(t, newName(s.path))
	close(g.pass)
	s.making.Wait()
	whole := mustRead(t, s.path)
	if string(whole[:len(fresh)]) != string(fresh) || len(whole) == len(fresh) {
		t.Fatal("the new file is not what was there before, with what was written since")
	}
	path := newPath(t)
	for size := range len(whole) + 1 {
		mustWrite(t, path, old)
		mustWrite(t, newName(path), whole[:size])
		check(t, fmt.Sprintf("%d bytes of the new file", size), path, want)
		if _, err := os.Stat(newName(path)); err == nil {
			t.Fatal("the new file is left behind")
		}
	}
	mustWrite(t, path, whole)
	check(t, "in its place", path, want)
}

// A disk that is full at any byte of the new file leaves the old one in use; it is
// tried again when that has doubled and not before.
func TestDiskFullDuringCompaction(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, sync, renamesOpen bool) {
		t.Helper()
		for room := int64(0); ; room += 7 {
			s := mustOpen(t, newPath(t), Options{})
			s.options.Sync, s.renamesOpen, s.slack = sync, renamesOpen, 2000
			tries, full := 0, true
			s.create = func(path string, flag int) (disk, error) {
				d, err := openDisk(path, flag)
				if flag != 0 {
					tries++
				}
				if flag != 0 && full && err == nil {
					d = &weakDisk{disk: d, room: room}
				}
				return d, err
			}
			n := 0
			for mustPut(t, s, "a", 0); tries == 0; {
				n++
				mustPut(t, s, "a", n)
				s.making.Wait()
			}
			if s.tryAt == 0 { // there was room for all of it
				return
			}
			failedAt := s.log.end
			for s.log.end < 2*failedAt-300 {
				n++
				mustPut(t, s, "a", n)
			}
			s.making.Wait()
			if tries != 1 {
				t.Fatalf("room for %d: %d tries before the log has doubled", room, tries)
			}
			full = false
			for range 3 {
				n++
				mustPut(t, s, "a", n)
				s.making.Wait()
			}
			if tries != 2 || s.log.end > failedAt {
				t.Fatalf("room for %d: %d tries, the log has %d bytes when it has doubled", room, tries, s.log.end)
			}
			mustClose(t, s)
			check(t, "at last", s.path, map[string]int64{"a": int64(n)})
		}
	})
}

// A disk that is full for what was written since leaves the old file in use too.
func TestDiskFullForTheRest(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, sync, renamesOpen bool) {
		t.Helper()
		s, g, want := begun(t, Options{Sync: sync})
		s.renamesOpen = renamesOpen
		s.turn <- struct{}{}
		large := lease("c", 1)
		large.Window = make([]byte, maxPayload) // more than an entry may have
		kept := s.leases["c"].lease
		s.leases["c"].lease = large
		s.changed["c"] = struct{}{}
		s.end()
		close(g.pass)
		s.making.Wait()
		s.leases["c"].lease = kept
		if s.tryAt == 0 {
			t.Error("the new file was made, although it could not be")
		}
		mustPut(t, s, "c", 1)
		want["c"] = 1
		mustClose(t, s)
		check(t, "later", s.path, want)
	})
}

// A rename that fails leaves the old file in use, also where it had to be closed for
// it; should it not open at once, writes fail until it does.
func TestRenameFails(t *testing.T) {
	t.Parallel()
	variants(t, func(t *testing.T, sync, renamesOpen bool) {
		t.Helper()
		s, g, want := begun(t, Options{Sync: sync})
		s.renamesOpen = renamesOpen
		broken := true
		s.turn <- struct{}{}
		s.log.open = func(path string, flag int) (disk, error) {
			if broken {
				return nil, syscall.EMFILE
			}
			return openDisk(path, flag)
		}
		s.end()
		if err := os.Remove(newName(s.path)); err != nil {
			t.Fatal(err)
		}
		close(g.pass)
		s.making.Wait()
		if s.tryAt == 0 {
			t.Error("the new file took its place, although it could not")
		}
		if err := put(t, s, "c", 1); !renamesOpen && !errors.Is(err, syscall.EMFILE) || renamesOpen && err != nil {
			t.Errorf("a write gives %v", err)
		}
		broken = false
		if !renamesOpen {
			mustPut(t, s, "c", 1)
		}
		want["c"] = 1
		mustClose(t, s)
		check(t, "later", s.path, want)
	})
}

// Close waits for a new file that is being made: it would take the place of what the
// next owner writes.
func TestCloseDuringCompaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, g, want := begun(t, Options{})
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		synctest.Wait()
		if err := put(t, s, "never", 0); !errors.Is(err, ErrClosed) {
			t.Errorf("a write gives %v, want ErrClosed", err)
		}
		select {
		case err := <-closed:
			t.Fatalf("Close gives %v while a new file is being made", err)
		default:
		}
		if _, err := Open(s.path, Options{}); !errors.Is(err, ErrLocked) {
			t.Errorf("Open gives %v while a new file is being made, want ErrLocked", err)
		}
		close(g.pass)
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(s.path + "*"); err != nil || len(left) != 2 {
			t.Errorf("left are %v, %v; want the file and its lock", left, err)
		}
		check(t, "later", s.path, want)
	})
}

// The file of a long-lived process stays short.
func TestBounded(t *testing.T) {
	t.Parallel()
	updates := 1_000_000
	if testing.Short() {
		updates = 50_000
	}
	const leases, between = 100, 1000
	s := mustOpen(t, newPath(t), Options{})
	for n := range updates / leases {
		for i := range leases {
			mustPut(t, s, fmt.Sprint("shard-", i), n)
		}
		if n%(between/leases) != 0 {
			continue
		}
		s.making.Wait()
		info, err := os.Stat(s.path)
		if err != nil {
			t.Fatal(err)
		}
		if most := int64(slack + 2*between*400); info.Size() > most {
			t.Fatalf("after %d updates the file has %d bytes, want at most %d", n*leases, info.Size(), most)
		}
	}
}
