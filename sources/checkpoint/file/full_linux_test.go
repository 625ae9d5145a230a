package file

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
)

// limit has the files of this process grow to size bytes and no further, which is
// what a full disk comes to.
func limit(size uint64) error {
	signal.Ignore(syscall.SIGXFSZ)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		return err
	}
	l.Cur = min(size, l.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l)
}

// full is what another process does on a disk with room for a few pages. It returns 0
// if all is as it should be.
func full(path string) int {
	page := uint64(os.Getpagesize())
	for room := range uint64(4) { // less than a new file needs
		if err := limit(room * page); err != nil {
			return complain(err)
		}
		if s, err := Open(path, Options{}); err == nil {
			_ = s.Close()
			return complain("Open succeeds with room for", room, "pages")
		}
	}
	const small = 40
	if err := limit(small * page); err != nil {
		return complain(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		return complain("with room again Open gives", err)
	}
	ctx := context.Background()
	n, err := fill(ctx, s)
	if err == nil {
		return complain("a full disk took everything")
	}
	last, next := lease("shard-0", 0), lease("shard-0", 1)
	if err := s.Update(ctx, last, next); err == nil { // it may find room among the free pages
		last, next = next, lease("shard-0", 2)
	}
	list, err := s.Leases(ctx)
	if err != nil || len(list) != n {
		return complain("a full disk has", len(list), "leases, want", n, err)
	}
	if err := limit(1 << 40); err != nil {
		return complain(err)
	}
	if err := s.Update(ctx, last, next); err != nil {
		return complain("with room again a write gives", err)
	}
	if err := s.Close(); err != nil {
		return complain(err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		return complain(err)
	}
	list, err = s.Leases(ctx)
	if err != nil || len(list) != n {
		return complain("later there are", len(list), "leases, want", n, err)
	}
	return 0
}

// fill creates leases until one fails, and returns how many there are.
func fill(ctx context.Context, s *Store) (int, error) {
	const most = 1000
	for i := range most {
		l := lease("shard-"+strconv.Itoa(i), 0)
		if i > 0 {
			l.Window = make([]byte, os.Getpagesize())
		}
		if err := s.Create(ctx, l); err != nil {
			return i, err
		}
	}
	return most, nil
}

func complain(what ...any) int {
	fmt.Fprintln(os.Stderr, what...)
	return 1
}

// A full disk fails the write and nothing else: the leases are as they were, and writes
// go on when there is room again. A file that could not be made is made then.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if err := process(t, "full "+newPath(t)).Run(); err != nil {
		t.Error(err)
	}
}
