package file

import (
	"errors"
	"maps"
	"os"
	"syscall"
	"testing"
)

// weakDisk is a disk with faults, which counts what is done to it.
type weakDisk struct {
	disk

	room     int64 // bytes that the file may have, -1 for any
	noCut    bool  // Truncate fails
	noSync   bool  // Sync fails
	writes   int
	syncs    int
	truncate int
}

func (d *weakDisk) WriteAt(p []byte, offset int64) (int, error) {
	d.writes++
	if d.room < 0 || offset+int64(len(p)) <= d.room {
		return d.disk.WriteAt(p, offset)
	}
	n, err := d.disk.WriteAt(p[:max(0, min(int64(len(p)), d.room-offset))], offset)
	return n, errors.Join(syscall.ENOSPC, err)
}

func (d *weakDisk) Truncate(size int64) error {
	d.truncate++
	if d.noCut {
		return syscall.EIO
	}
	return d.disk.Truncate(size)
}

func (d *weakDisk) Sync() error {
	d.syncs++
	if d.noSync {
		return syscall.EIO
	}
	return d.disk.Sync()
}

// weaken puts a disk with faults under the store.
func weaken(s *Store) *weakDisk {
	s.making.Wait()
	d := &weakDisk{disk: s.log.disk, room: -1}
	s.log.disk = d
	return d
}

// A full disk fails the write at any of its bytes; the leases stay as they were,
// and writes go on when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	short := lease("a", 1)
	for _, noCut := range []bool{false, true} {
		for room := range int64(len(appendPut(openEntry(nil), &short))) {
			path := newPath(t)
			s := mustOpen(t, path, Options{})
			mustPut(t, s, "a", 0)
			mustPut(t, s, "b", 0)
			d := weaken(s)
			d.room, d.noCut = s.log.end+room, noCut
			want := map[string]int64{"a": 0, "b": 0}
			for what, err := range map[string]error{
				"Update": put(t, s, "a", 1),
				"Create": put(t, s, "c", 0),
			} {
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("%s with room for %d bytes gives %v, want ENOSPC", what, room, err)
				}
			}
			if got := versions(t, s); !maps.Equal(got, want) {
				t.Fatalf("after a write that failed the store holds %v, want %v", got, want)
			}
			if room%16 == 0 { // the process ends here
				crashed := newPath(t)
				mustWrite(t, crashed, mustRead(t, path))
				if got := versions(t, mustOpen(t, crashed, Options{})); !maps.Equal(got, want) {
					t.Fatalf("after a write that failed the file holds %v, want %v", got, want)
				}
			}
			d.room, d.noCut = -1, false
			if err := s.Delete(t.Context(), lease("b", 0)); err != nil { // shorter than what failed
				t.Fatal(err)
			}
			mustPut(t, s, "a", 1)
			mustClose(t, s)
			want = map[string]int64{"a": 1}
			if got := versions(t, mustOpen(t, path, Options{})); !maps.Equal(got, want) {
				t.Fatalf("later the file holds %v, want %v", got, want)
			}
		}
	}
}

// A delete that fails leaves its lease.
func TestDiskFullDelete(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t), Options{})
	mustPut(t, s, "a", 0)
	weaken(s).room = 0
	if err := s.Delete(t.Context(), lease("a", 0)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Delete gives %v, want ENOSPC", err)
	}
	if got := versions(t, s); len(got) != 1 {
		t.Errorf("the store holds %v, want the lease", got)
	}
}

// With Sync a write that does not reach the disk is an error, and not there.
func TestSyncFails(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, Options{Sync: true})
	mustPut(t, s, "a", 0)
	d := weaken(s)
	d.noSync = true
	if err := put(t, s, "a", 1); !errors.Is(err, syscall.EIO) {
		t.Errorf("Update gives %v, want EIO", err)
	}
	d.noSync = false
	mustPut(t, s, "a", 1)
	mustPut(t, s, "a", 2)
	if d.syncs != 3 {
		t.Errorf("%d calls of fsync, want one a write", d.syncs)
	}
	mustClose(t, s)
	if got := versions(t, mustOpen(t, path, Options{})); got["a"] != 2 {
		t.Errorf("the file holds %v, want version 2", got)
	}
}

// A write is one system call, without Sync.
func TestOneSystemCall(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t), Options{})
	mustPut(t, s, "a", 0)
	d := weaken(s)
	for n := 1; n <= 100; n++ {
		mustPut(t, s, "a", n)
	}
	if d.writes != 100 || d.syncs != 0 || d.truncate != 0 {
		t.Errorf("100 updates made %d writes, %d syncs and %d truncates", d.writes, d.syncs, d.truncate)
	}
}

// AllocsPerRun does not allow parallel tests.
//
//nolint:paralleltest // see above
func TestNoAllocation(t *testing.T) {
	s := mustOpen(t, newPath(t), Options{})
	last := lease("a", 0)
	last.Window = []byte("window")
	if err := s.Create(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	next := last
	allocs := testing.AllocsPerRun(100, func() {
		next.Counter = last.Counter + 1
		if err := s.Update(ctx, last, next); err != nil {
			t.Fatal(err)
		}
		last = next
	})
	if allocs != 0 {
		t.Errorf("an update makes %v allocations", allocs)
	}
}

// The log stays short however much is written, and a new file that cannot be
// made is no loss.
func TestCompaction(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, Options{})
	s.slack = 2000
	failing := true
	s.create = func(path string, flag int) (disk, error) {
		d, err := openDisk(path, flag)
		if failing && err == nil {
			d = &weakDisk{disk: d, room: 100}
		}
		return d, err
	}
	mustPut(t, s, "a", 0)
	mustPut(t, s, "b", 0)
	for n := 1; n < 100; n++ {
		mustPut(t, s, "a", n)
		s.making.Wait()
		if _, err := os.Stat(path + ".new"); err == nil {
			t.Fatal("a new file that could not be written is left behind")
		}
	}
	if s.log.end < 10_000 {
		t.Fatalf("the log has %d bytes, although no new file can be made", s.log.end)
	}
	failing = false
	for n := 100; n < 1000; n++ {
		mustPut(t, s, "a", n)
		s.making.Wait()
		if n >= 300 && s.log.end > 3000 {
			t.Fatalf("the log has %d bytes after %d updates", s.log.end, n)
		}
	}
	mustClose(t, s)
	want := map[string]int64{"a": 999, "b": 0}
	if got := versions(t, mustOpen(t, path, Options{})); !maps.Equal(got, want) {
		t.Errorf("the file holds %v, want %v", got, want)
	}
}

// A process that ended while it made a new file is no concern of the next one,
// which also makes the new file that a long log is worth.
func TestLeftOver(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, Options{})
	s.slack = 1 << 30
	for n := range 9000 {
		mustPut(t, s, "a", n)
	}
	mustClose(t, s)
	long := len(mustRead(t, path))
	mustWrite(t, path+".new", []byte("openesm checkpoint 1 half of"))
	s = mustOpen(t, path, Options{})
	if got := versions(t, s); got["a"] != 8999 {
		t.Errorf("the file holds %v", got)
	}
	if short := len(mustRead(t, path)); long < slack || short > 1000 {
		t.Errorf("a log of %d bytes became %d when it was opened", long, short)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("the new file of another process is left behind")
	}
}

// The store knows how long a new file would be, whatever was done to the old one:
// that is what tells whether one is worth it.
func TestLiveBytes(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, Options{})
	check := func(when string) {
		t.Helper()
		live := s.live
		if err := s.compact(); err != nil {
			t.Fatal(err)
		}
		if s.log.end != live || s.live != live {
			t.Errorf("%s: the new file has %d bytes, the store says %d, before it said %d", when, s.log.end, s.live, live)
		}
	}
	check("at the start")
	for n := range 12 { // numbers of one and two digits
		mustPut(t, s, "a", n)
		mustPut(t, s, "bb", n)
	}
	check("after updates")
	for n := range 3 {
		mustPut(t, s, "c", n)
	}
	if err := s.Delete(t.Context(), lease("a", 11)); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	s = mustOpen(t, path, Options{})
	check("after opening")
	if err := s.Delete(t.Context(), lease("c", 2)); err != nil {
		t.Fatal(err)
	}
	check("after Delete")
}
