package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// child is what the test binary does as another process. Its exit code says
// what came of it.
func child(play string) int {
	name, path, _ := strings.Cut(play, " ")
	switch name {
	case "open": // tells what Open gives
		s, err := Open(path, Options{Wait: time.Millisecond})
		switch {
		case errors.Is(err, ErrLocked):
			return 10
		case err != nil:
			return 11
		}
		if s.Close() != nil {
			return 12
		}
		return 0
	case "write": // until it is killed
		return writeForever(path)
	case "full": // with room for a few pages
		return full(path)
	}
	return 1
}

// writeForever writes leases and tells each write that was acknowledged.
func writeForever(path string) int {
	s, err := Open(path, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 11
	}
	ctx := context.Background()
	list, err := s.Leases(ctx)
	if err != nil {
		return 12
	}
	stored := make(map[string]checkpoint.Lease)
	for _, l := range list {
		stored[l.Shard] = l
	}
	for i := 0; ; i++ {
		shard := "shard-" + strconv.Itoa(i%5)
		last, exists := stored[shard]
		next := lease(shard, int(last.Counter)+1)
		if exists {
			err = s.Update(ctx, last, next)
		} else {
			err = s.Create(ctx, next)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 13
		}
		stored[shard] = next
		if _, err := fmt.Println(shard, next.Counter); err != nil {
			return 14
		}
	}
}

// process runs the test binary in a role.
func process(t *testing.T, play string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), role+"="+play)
	cmd.Stderr = os.Stderr
	return cmd
}

// The lock is waited for, but not for ever, and a process that gives it free meanwhile
// is no fault.
func TestLocked(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path)
	began := time.Now()
	if _, err := Open(path, Options{Wait: 100 * time.Millisecond}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second Open gives %v, want ErrLocked that names the file", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a second Open took %v", took)
	}
	cmd := process(t, "open "+path)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 10 {
		t.Errorf("Open in another process ends with %v, want ErrLocked", err)
	}
	closed := make(chan error, 1)
	time.AfterFunc(50*time.Millisecond, func() { closed <- s.Close() })
	again, err := Open(path, Options{Wait: time.Minute})
	if err != nil {
		t.Fatalf("Open while the other store is being closed: %v", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	mustClose(t, again)
	if err := process(t, "open "+path).Run(); err != nil {
		t.Errorf("Open in another process after Close: %v", err)
	}
}

// What a process was acknowledged is there after kill -9, and nothing that it
// did not write.
func TestKill9_P12(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	acked := make(map[string]int64)
	for round := range 8 {
		cmd := process(t, "write "+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		const least = 100
		said := bufio.NewReader(out)
		for i := 0; ; i++ {
			line, err := said.ReadString('\n')
			if err != nil { // all that it said before it was killed is read
				if !errors.Is(err, io.EOF) || i < least {
					t.Fatalf("round %d: after %d writes: %v", round, i, err)
				}
				break
			}
			shard, counter, _ := strings.Cut(strings.TrimSpace(line), " ")
			if acked[shard], err = strconv.ParseInt(counter, 10, 64); err != nil {
				t.Fatal(err)
			}
			if i == least+37*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		s := mustOpen(t, path)
		got := versions(t, s)
		unsaid := int64(0) // written, but killed before it was said
		for shard, counter := range acked {
			if got[shard] < counter {
				t.Errorf("round %d: %s has version %d, but %d was acknowledged", round, shard, got[shard], counter)
			}
			unsaid += got[shard] - counter
			acked[shard] = got[shard]
		}
		if unsaid > 1 || len(got) != len(acked) {
			t.Errorf("round %d: the file holds %v, acknowledged was %v", round, got, acked)
		}
		mustClose(t, s)
	}
}
