package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// processVariable describes the mapping of TestMemberProcess: brokers, topic, and
// kind of group.
const processVariable = "OPENESM_KAFKA_MEMBER"

// TestMemberProcess is no test: it is the process that another test kills. It is a
// mapping, and tells line by line what it handled.
func TestMemberProcess(t *testing.T) {
	t.Parallel()
	described := strings.Fields(os.Getenv(processVariable))
	if len(described) == 0 {
		t.Skip("it runs in a process of its own, which another test starts")
	}
	config := unwindowed
	config.Observer = func(o esm.Observation) {
		if o.Err != nil {
			fmt.Printf("%s %s: %v\n", o.Metric, o.Partition, o.Err)
		}
	}
	w := &realWorld{world: &world{t: t, servers: described[:1], topic: described[1]}, group: described[1]}
	start(t, w.mortal(described[2] == "consumer"), config, func(_ context.Context, batch []sources.Record) (esm.Response, error) {
		<-time.After(10 * time.Millisecond)
		for i := range batch {
			fmt.Println("handled", partitionOf(&batch[i]), string(batch[i].Data))
		}
		return esm.Response{}, nil
	})

	// Until it is killed, or there is no other process any more.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// mortal are the options of a member whose session ends soon when it is killed.
func (w *realWorld) mortal(serverSide bool) kafka.Options {
	options := w.member()
	options.ServerSideAssignment = serverSide
	options.ClientOptions = append(options.ClientOptions, kgo.SessionTimeout(2*time.Second))
	return options
}

// memberProcess is another process that is a member of the group.
type memberProcess struct {
	command *exec.Cmd
	heard   sync.WaitGroup

	journal *journal

	mu      sync.Mutex
	handled map[string]int // of each partition, 0 to so many
	wrong   []string       // was handled in another order
}

func (w *realWorld) startProcess(kind string) *memberProcess {
	w.t.Helper()
	p := &memberProcess{
		command: exec.Command(os.Args[0], "-test.run=^TestMemberProcess$", "-test.v"),
		journal: w.journal, handled: make(map[string]int),
	}
	p.command.Env = append(os.Environ(), processVariable+"="+strings.Join([]string{w.servers[0], w.topic, kind}, " "))
	out, err := p.command.StdoutPipe()
	if err == nil {
		_, err = p.command.StdinPipe()
	}
	if err == nil {
		err = p.command.Start()
	}
	if err != nil {
		w.t.Fatalf("starting the other process: %v", err)
	}
	w.t.Cleanup(func() { p.kill() })
	p.heard.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.hear(lines.Text())
		}
	})
	return p
}

func (p *memberProcess) hear(line string) {
	words := strings.Fields(line)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(words) != 3 || words[0] != "handled" {
		p.journal.notef("the other process: %s", line)
		return
	}
	n, err := strconv.Atoi(words[2])
	if err != nil || n != p.handled[words[1]] {
		p.wrong = append(p.wrong, fmt.Sprintf("%s, behind %d", line, p.handled[words[1]]))
	}
	p.handled[words[1]] = n + 1
}

func (p *memberProcess) told(partition string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handled[partition]
}

// kill ends the process, which hears nothing of it, and hears it out.
func (p *memberProcess) kill() {
	_ = p.command.Process.Kill()
	p.heard.Wait()
	_ = p.command.Wait()
}

// A process that is killed loses its partitions when its session has run out. Another
// goes on from what it had committed: what it had handled behind that is handled
// again, and nothing is left out (P12, KAF-40).
func TestRealMemberKilled(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions = 2
		w := newRealWorld(t, partitions, nil)
		w.setGroup(map[string]string{"consumer.session.timeout.ms": "2000", "consumer.heartbeat.interval.ms": "200"})
		options := w.member(vary)
		killed := w.startProcess(kindOf(&options))
		load := w.startSender()
		names := []string{w.topic + "-0", w.topic + "-1"}
		w.until("the other process handles both partitions", func() bool { return killed.told(names[0]) > 0 && killed.told(names[1]) > 0 })
		heir := start(t, w.mortal(options.ServerSideAssignment), w.journal.watch("the heir", unwindowed), nil)
		heir.seen.await(t, 1)
		w.awaitMembers(2)

		// One has stayed with the other process.
		its := names[0]
		if heir.seen.counts()[its] > 0 {
			its = names[1]
		}
		partition := int32(1)
		if its == names[0] {
			partition = 0
		}
		before := killed.told(its)
		w.until("the other process goes on", func() bool { return killed.told(its) > before })
		killed.kill()
		w.journal.notef("the other process is killed")
		at, handled := w.lastCommit(partition), killed.told(its)
		if len(heir.seen.of(its)) > 0 {
			t.Fatalf("%s has gone to the heir before the other process was killed", its)
		}
		records := load.stop()
		w.awaitCommitted(int64(records))
		if err := heir.stop(); err != nil {
			t.Error(err)
		}
		got := heir.seen.of(its)
		t.Logf("%s: the process was killed when it had handled %d and committed %d", its, handled, at)
		if len(got) == 0 || got[0] != strconv.FormatInt(at, 10) {
			t.Errorf("%s: the heir began with %v, want %d, which was committed", its, got[:min(len(got), 1)], at)
		}
		for i, value := range got {
			if value != strconv.Itoa(int(at)+i) {
				t.Errorf("%s: the heir handled %s at place %d, want %d", its, value, i, int(at)+i)
				break
			}
		}
		if len(got) != records-int(at) {
			t.Errorf("%s: the heir handled %d records, want those %d from %d on", its, len(got), records-int(at), at)
		}
		if int(at) > handled {
			t.Errorf("%s: %d was committed, and only what is before %d handled", its, at, handled)
		}
		for _, line := range killed.wrong {
			t.Errorf("the other process told: %s", line)
		}
	})
}

// lastCommit is what is committed of a partition when commits under way have arrived.
func (w *realWorld) lastCommit(partition int32) int64 {
	w.t.Helper()
	at, same := w.committed(w.group)[partition], 0
	w.until("no commit arrives any more", func() bool {
		now := w.committed(w.group)[partition]
		if same++; now != at {
			at, same = now, 0
		}
		return same >= 5
	})
	return at
}
