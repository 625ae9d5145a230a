package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/checkpointtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]struct {
		Options
		slack  int64
		closes bool // files for a rename
	}{
		"Default":       {slack: slack},
		"Sync":          {Options: Options{Sync: true}, slack: slack},
		"Compact":       {slack: 1}, // a new file every few writes
		"CompactClosed": {slack: 1, closes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkpointtest.Run(t, func(tb testing.TB) checkpointtest.Harness {
				tb.Helper()
				path := newPath(tb)
				s := mustOpen(tb, path, options.Options)
				s.slack, s.renamesOpen = options.slack, !options.closes
				h := checkpointtest.Harness{Store: s}
				if options.Sync {
					h.Many = 200
				}
				h.Reopen = func() (checkpoint.Store, error) {
					if err := s.Close(); err != nil {
						return nil, err
					}
					s = mustOpen(tb, path, options.Options)
					s.slack, s.renamesOpen = options.slack, !options.closes
					return s, nil
				}
				return h
			})
		})
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t), Options{})
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
		if s, err := Open(path, Options{}); err == nil {
			t.Errorf("%s: Open gives no error", name)
			mustClose(t, s)
		}
	}
}

// What is no file of leases, or one of another version, is left alone.
func TestForeignFile(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"text":          "positions: none\n",
		"short":         "x",
		"next version":  "openesm checkpoint 2 of another kind\n",
		"tenth version": "openesm checkpoint 10 00000000 00000000\n",
		"no version":    "openesm checkpoint ",
		"bad checksum":  "openesm checkpoint 1 00000000 00000000\n",
		"no seed":       "openesm checkpoint 1 xxxxxxxx 00000000\n",
	} {
		path := newPath(t)
		mustWrite(t, path, []byte(content))
		s, err := Open(path, Options{})
		if name == "no version" { // may be the beginning of one that was never written
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			mustClose(t, s)
			continue
		}
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open gives %v, want ErrDamaged that names the file", name, err)
		}
		if got := string(mustRead(t, path)); got != content {
			t.Errorf("%s: the file was changed to %q", name, got)
		}
	}
}

// A payload that is whole but cannot be read is not skipped.
func TestUnknownEntry(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"kind":     "\x09later",
		"too long": string(appendDelete(nil, "a")) + "x",
		"no shard": string(appendDelete(nil, "")),
	} {
		f := newFormat()
		entry := append(openEntry(nil), payload...)
		if err := f.closeEntry(entry); err != nil {
			t.Fatal(err)
		}
		path := newPath(t)
		mustWrite(t, path, append(f.line(), entry...))
		if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "offset 39:") {
			t.Errorf("%s: Open gives %v, want ErrDamaged at offset 39", name, err)
		}
	}
}

// A symbolic link is followed: the lock is the file's, and the link stays.
func TestSymbolicLink(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	link := filepath.Join(t.TempDir(), "link")
	s := mustOpen(t, path, Options{})
	if err := os.Symlink(path, link); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
	if _, err := Open(link, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open by a link gives %v, want ErrLocked", err)
	}
	mustPut(t, s, "a", 0)
	mustClose(t, s)
	s = mustOpen(t, link, Options{})
	s.slack = 0
	for n := 1; n < 20; n++ {
		mustPut(t, s, "a", n)
	}
	mustClose(t, s)
	if got := versions(t, mustOpen(t, path, Options{})); got["a"] != 19 {
		t.Errorf("the file has %v, want what was written by the link", got)
	}
}

// A lease that Open could not read again is not written.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, newPath(t), Options{})
	mustPut(t, s, "a", 0)
	large := lease("a", 1)
	large.Window = make([]byte, maxPayload)
	if err := s.Update(t.Context(), lease("a", 0), large); err == nil || !strings.Contains(err.Error(), "16777216") {
		t.Errorf("got %v, want an error that names the bound", err)
	}
	mustPut(t, s, "a", 1)
}

// Whoever waits for his turn behind a slow disk goes when his context does.
func TestCancelledWhileWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, newPath(t), Options{})
		mustPut(t, s, "a", 0)
		s.turn <- struct{}{} // somebody writes
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Update(ctx, lease("a", 0), lease("a", 1)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
		s.end()
		if got := versions(t, s); got["a"] != 0 {
			t.Errorf("the store holds %v", got)
		}
	})
}
