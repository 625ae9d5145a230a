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

	"github.com/openesm/openesm/sources/checkpoint"
)

// child is what the test binary does as another process. Its exit code says
// what came of it.
func child(play string) int {
	name, path, _ := strings.Cut(play, " ")
	switch name {
	case "open": // tells what Open gives
		s, err := Open(path, Options{})
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
	s.slack = 4000 // a new file every few dozen writes
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

func TestLocked(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := mustOpen(t, path, Options{})
	if _, err := Open(path, Options{}); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) {
		t.Errorf("a second Open gives %v, want ErrLocked that names the file", err)
	}
	cmd := process(t, "open "+path)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 10 {
		t.Errorf("Open in another process ends with %v, want ErrLocked", err)
	}
	s.slack = 0 // the file changes, the lock does not
	for n := range 50 {
		mustPut(t, s, "a", n)
	}
	cmd = process(t, "open "+path)
	if err := cmd.Run(); cmd.ProcessState.ExitCode() != 10 {
		t.Errorf("Open in another process ends with %v after compaction, want ErrLocked", err)
	}
	mustClose(t, s)
	if err := process(t, "open "+path).Run(); err != nil {
		t.Errorf("Open in another process after Close: %v", err)
	}
	mustOpen(t, path, Options{})
}

// What a process was acknowledged is there after kill -9, and nothing that it
// did not write.
func TestKill9_P12(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	acked := make(map[string]int64)
	lines := make(map[string]bool) // first ones: each file has its own
	for round := range 8 {
		cmd := process(t, "write "+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewReader(out)
		for i := 0; ; i++ {
			line, err := said.ReadString('\n')
			if err != nil { // all that it said before it was killed is read
				if !errors.Is(err, io.EOF) || i < 3000 {
					t.Fatalf("round %d: after %d writes: %v", round, i, err)
				}
				break
			}
			shard, counter, _ := strings.Cut(strings.TrimSpace(line), " ")
			if acked[shard], err = strconv.ParseInt(counter, 10, 64); err != nil {
				t.Fatal(err)
			}
			if i == 3000+977*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed

		line, _, _ := strings.Cut(string(mustRead(t, path)), "\n")
		lines[line] = true
		s := mustOpen(t, path, Options{})
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
	if len(lines) < 3 {
		t.Errorf("%d new files were seen in 8 rounds: the processes were hardly killed while they made some", len(lines))
	}
}
