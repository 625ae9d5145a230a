package file

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/checkpointtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	checkpointtest.Run(t, func(tb testing.TB) checkpointtest.Harness {
		tb.Helper()
		path := newPath(tb)
		s := mustOpen(tb, path)
		return checkpointtest.Harness{Store: s, Reopen: func() (checkpoint.Store, error) {
			if err := s.Close(); err != nil {
				return nil, err
			}
			s = mustOpen(tb, path)
			return s, nil
		}}
	})
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t))
	mustPut(t, s, "a", 0)
	mustClose(t, s)
	mustClose(t, s)
	_, err := s.Leases(t.Context())
	for what, err := range map[string]error{
		"Leases": err,
		"Create": put(t, s, "b", 0),
		"Update": put(t, s, "a", 1),
		"Delete": s.Delete(t.Context(), lease("a", 0)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, path := range map[string]string{
		"no folder": filepath.Join(folder, "none", "positions"),
		"a folder":  folder,
	} {
		if s, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open gives %v, want an error that names %s", name, err, path)
			if err == nil {
				mustClose(t, s)
			}
		}
	}
	for _, wait := range []time.Duration{-1, 2 * time.Hour} {
		if _, err := Open(newPath(t), Options{Wait: wait}); err == nil || !strings.Contains(err.Error(), "option Wait") {
			t.Errorf("Wait %v: Open gives %v, want an error that names the option", wait, err)
		}
	}
}

// What is no file of leases is left alone: a text, one of the release before, a
// database of something else, and one that is damaged anywhere that it looks at.
func TestForeignFile(t *testing.T) {
	t.Parallel()
	whole := newPath(t)
	s := mustOpen(t, whole)
	for i := range 100 {
		mustPut(t, s, "shard-"+strconv.Itoa(i), 0)
	}
	mustClose(t, s)
	content := string(mustRead(t, whole))
	page := os.Getpagesize()
	zero := func(from, to int) string { return content[:from] + strings.Repeat("\x00", to-from) + content[to:] }
	for name, c := range map[string]struct{ content, want string }{
		"text":        {"positions: none\n", "invalid database"},
		"long text":   {strings.Repeat("positions: none\n", 4000), ""},
		"former":      {formerStart + "1 deadbeef 0badcafe\n" + strings.Repeat("x", 20000), "former release"},
		"former, cut": {formerStart[:9], "former release"},
		"both metas":  {zero(0, 2*page), ""},
		"other":       {foreignDatabase(t), `bucket "users"`},
		"cut short":   {content[:2*page], ""},
		"no rows":     {zero(2*page, len(content)), ""},
		"no JSON":     {strings.ReplaceAll(content, `{"owner"`, `{owner":`), "lease"},
		"unknown version": {func() string {
			b := []byte(content)
			for _, at := range []int{0, page} {
				binary.LittleEndian.PutUint32(b[at+20:], 99)
			}
			return string(b)
		}(), "version mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := newPath(t)
			mustWrite(t, path, []byte(c.content))
			_, err := Open(path, Options{})
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open gives %v, want ErrDamaged that names the file and says %q", err, c.want)
			}
			if string(mustRead(t, path)) != c.content {
				t.Error("the file was changed")
			}
		})
	}
}

func foreignDatabase(t *testing.T) string {
	t.Helper()
	path := newPath(t)
	db, err := bbolt.Open(path, mode, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("users"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return string(mustRead(t, path))
}

// A file that is damaged while it is open fails calls, and takes down nothing.
func TestDamagedWhileOpen(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path)
	for i := range 100 {
		mustPut(t, s, "shard-"+strconv.Itoa(i), 0)
	}
	if err := os.Truncate(path, int64(2*os.Getpagesize())); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := put(t, s, "shard-0", 1); !errors.Is(err, ErrDamaged) {
			t.Errorf("Update gives %v, want ErrDamaged", err)
		}
		if _, err := s.Leases(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("Leases gives %v, want ErrDamaged", err)
		}
	}
}

// A symbolic link is followed: the lock is the file's, and the link stays.
func TestSymbolicLink(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, link) // of a file that is not there yet
	mustPut(t, s, "a", 0)
	if _, err := Open(path, Options{Wait: time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open by the other name gives %v, want ErrLocked", err)
	}
	mustClose(t, s)
	if got := versions(t, mustOpen(t, path)); len(got) != 1 {
		t.Errorf("the file has %v, want what was written by the link", got)
	}
}

// Nothing is left beside the file.
func TestAlone(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path)
	mustPut(t, s, "a", 0)
	mustClose(t, s)
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); err != nil || len(left) != 1 {
		t.Errorf("left are %v, %v; want the file alone", left, err)
	}
}

// hold has the next commit wait until release is called. It returns when the commit
// has begun.
func hold(s *Store) (release func()) {
	var running sync.WaitGroup
	begun, pass := make(chan struct{}), make(chan struct{})
	running.Go(func() {
		_ = s.commit(context.Background(), func(*bbolt.Bucket) error {
			close(begun)
			<-pass
			return errUnchanged
		})
	})
	<-begun
	return func() {
		close(pass)
		running.Wait()
	}
}

// Writes that come while the disk is at work share the next commit: 200 shards are not
// 200 fsyncs.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	const shards = 200
	s := mustOpen(t, newPath(t))
	for i := range shards {
		mustPut(t, s, "shard-"+strconv.Itoa(i), 0)
	}
	release := hold(s)
	before := commits(t, s)
	var running sync.WaitGroup
	for i := range shards {
		running.Go(func() { mustUpdate(t, s, "shard-"+strconv.Itoa(i), 1) })
	}
	release()
	running.Wait()
	if n := commits(t, s) - before; n > shards/4 {
		t.Errorf("%d updates that came at once made %d commits", shards, n)
	}
	for shard, version := range versions(t, s) {
		if version != 1 {
			t.Errorf("%s has version %d, want 1", shard, version)
		}
	}
}

func mustUpdate(t *testing.T, s *Store, shard string, n int) {
	t.Helper()
	if err := put(t, s, shard, n); err != nil {
		t.Errorf("%s: %v", shard, err)
	}
}

// commits is the number of the last commit.
func commits(t *testing.T, s *Store) int {
	t.Helper()
	var n int
	err := s.db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A refusal writes nothing, alone or beside others of its group.
func TestRefusedIsNotWritten(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t))
	mustPut(t, s, "a", 0)
	before := commits(t, s)
	if err := put(t, s, "a", 0); !errors.Is(err, checkpoint.ErrConflict) {
		t.Errorf("Create of what is there gives %v", err)
	}
	if n := commits(t, s); n != before {
		t.Errorf("a conflict was committed, %d after %d", n, before)
	}
	errs := []error{nil, nil}
	group := make([]*request, len(errs))
	for i := range group {
		group[i] = &request{done: make(chan error, 1), change: func(b *bbolt.Bucket) error {
			if i == 0 {
				return b.Put([]byte("b"), []byte(`{"counter":0}`))
			}
			return checkpoint.ErrConflict
		}}
	}
	s.settle(group)
	if first, second := <-group[0].done, <-group[1].done; first != nil || !errors.Is(second, checkpoint.ErrConflict) {
		t.Errorf("the group has the answers %v and %v", first, second)
	}
}

// Whoever waits behind a slow disk goes when his context does.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t))
	mustPut(t, s, "a", 0)
	release := hold(s)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	if err := s.Update(ctx, lease("a", 0), lease("a", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	release()
	if got := versions(t, s); got["a"] != 0 {
		t.Errorf("the store holds %v", got)
	}
}

// Close waits for the commit under way, and what it acknowledged is there.
func TestCloseDuringCommit(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path)
	mustPut(t, s, "a", 0)
	release := hold(s)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.closed
	if err := put(t, s, "never", 0); !errors.Is(err, ErrClosed) {
		t.Errorf("a write gives %v, want ErrClosed", err)
	}
	if _, err := Open(path, Options{Wait: time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open gives %v while a commit is under way, want ErrLocked", err)
	}
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got := versions(t, mustOpen(t, path)); got["a"] != 0 || len(got) != 1 {
		t.Errorf("the file holds %v", got)
	}
}
