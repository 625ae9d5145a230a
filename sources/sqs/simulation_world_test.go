package sqs_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

const queueARNs = "arn:aws:sqs:eu-west-1:123456789012:"

// service is SQS as the world of a simulation: the fake server, which does one
// thing at a time, when the simulation lets it. It draws what the scenario
// leaves open from the seed.
type service struct {
	sim     *simulation.Sim
	random  *rand.Rand // of the simulation's goroutine
	server  *sqstest.Server
	queue   string // its name
	fifo    bool
	form    int // how the queue is named: 0 by ARN, 1 by name, 2 by URL
	options sqs.Options
	current *process
	hiding  hiding

	mu      sync.Mutex          // of what the server's goroutines read
	numbers map[string]int      // of the messages, by ID
	lives   map[string]*process // by host
}

func standardWorld(s *simulation.Sim) simulation.World { return newService(s, "orders") }

func groupedWorld(s *simulation.Sim) simulation.World { return newService(s, "orders.fifo") }

func newService(s *simulation.Sim, queue string) *service {
	w := &service{
		sim: s, random: rand.New(rand.NewPCG(s.Scenario.Seed, 3)), server: sqstest.New(),
		queue: queue, fifo: strings.HasSuffix(queue, ".fifo"),
		numbers: make(map[string]int), lives: make(map[string]*process),
	}
	w.form = w.random.IntN(3)
	w.hiding = hiding{due: make(map[int]time.Time), failed: make(map[int]int), duplicates: s.Scenario.Faults[simulation.FaultDuplicate] > 0}
	w.create(w.configure())
	w.server.SetGate(w)
	w.server.SetWatch(w.watch)
	return w
}

// configure makes the scenario one that SQS knows, and returns the visibility
// timeout of the queue.
func (w *service) configure() time.Duration {
	s := &w.sim.Scenario
	c := &s.Config
	if c.MaximumBatchingWindow <= 0 || w.fifo {
		c.BatchSize = min(c.BatchSize, 10) // SQS-07, SQS-33
	}

	// Drawn in any case, so that a simpler scenario has the same ones.
	envelopes, wait, slow, beats := w.random.IntN(5), w.random.IntN(4), w.random.IntN(4) == 0, w.random.IntN(5) == 0
	visible, short := w.random.IntN(4) == 0, w.random.IntN(3) == 0
	changed, beating := w.random.IntN(3) == 0, w.random.IntN(10) == 0
	late := w.random.IntN(2) == 0 && s.Long && !w.fifo
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes += envelopes * w.size("", "key-0", 0)
	}
	if late {
		w.ripen()
	}
	w.options.WaitTime = []time.Duration{0, 0, 0, 5 * time.Second}[wait]
	w.options.Heartbeat = beats || s.Throttles && changed
	if slow {
		w.options.FailureBackoff = retry.Backoff{Initial: time.Second, Max: 20 * time.Second}
	}
	beating = beating && !s.Calm && !s.Backlog
	if beating {
		w.beat()
	}
	if !s.Calm {
		s.Visibility = min(s.Visibility, 2*time.Minute) // each hour is hundreds of empty polls
	}
	window := max(c.MaximumBatchingWindow, 0)
	queue := upToSeconds(s.Visibility)
	if short && window > 0 {
		queue = upToSeconds(c.Timeout)
	} else {
		queue = max(queue, upToSeconds(window+c.Timeout))
	}

	// What the adapter asks for.
	const calls = 25 * time.Second // how long a receive may take beyond its poll, and a delete
	s.Visibility = max(queue, upToSeconds(window+c.Timeout+cmp.Or(w.options.WaitTime, 20*time.Second)+calls))
	if s.Visibility > queue {
		w.sim.Cover("longer timeout")
	}
	if s.Long && beats == short { // so the adapter asks for more, window or not
		queue = upToSeconds(c.Timeout)
		s.Visibility = max(queue, upToSeconds(window+c.Timeout+20*time.Second+calls))
	}
	if beating {
		queue = time.Second // so that all depends on the heartbeat
	}
	if visible {
		w.options.VisibilityTimeout, queue = queue, time.Second
	}
	if changed && !visible {
		w.sim.After(s.Spread/2, "reset", func() { w.reset(c.Timeout) })
	}
	return queue
}

func upToSeconds(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// create makes the queue and its dead-letter queue.
func (w *service) create(visibility time.Duration) {
	attributes := map[string]string{}
	if w.fifo {
		attributes["FifoQueue"] = "true"
	}
	w.add("dead-"+w.queue, attributes)
	attributes["VisibilityTimeout"] = strconv.Itoa(int(visibility / time.Second))
	if n := w.sim.Scenario.Redrive; n > 0 {
		attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`,
			queueARNs+"dead-"+w.queue, n)
	}
	w.add(w.queue, attributes)
}

func (w *service) add(queue string, attributes map[string]string) {
	_, err := w.server.AddQueue(queueARNs+queue, attributes)
	if err != nil {
		panic(err)
	}
}

// Open returns the source of a new process.
func (w *service) Open(life *simulation.Life) sources.Source {
	p := &process{
		life: life, host: fmt.Sprintf("life-%d.test", len(w.lives)+1), next: w.server.HTTPClient().Transport,
	}
	w.current = p
	w.mu.Lock()
	w.lives[p.host] = p
	w.mu.Unlock()
	endpoint := "http://" + p.host
	client := w.server.Client(func(o *awssqs.Options) {
		o.BaseEndpoint = &endpoint
		o.HTTPClient = &http.Client{Transport: p}
	})
	queue := []string{queueARNs + w.queue, w.queue, endpoint + "/" + sqstest.Account + "/" + w.queue}[w.form]
	source, err := sqs.New(client, queue, w.options)
	if err != nil {
		panic(err)
	}

	// Of the instant only, so that it does not matter which lane asks first.
	source.SetJitter(func() float64 {
		return rand.New(rand.NewPCG(w.sim.Scenario.Seed, uint64(time.Now().UnixNano()))).Float64()
	})
	p.source = source
	return &orderly{Source: source, process: p, world: w}
}

// Send puts a message into the queue.
func (w *service) Send(r simulation.Record) {
	w.sim.Observer().Entered(r, w.queue, w.size(string(r.Data), r.Key, r.Number))
	var (
		ids []string
		err error
	)
	if w.fifo {
		ids = make([]string, 1)
		ids[0], err = w.server.SendFIFO(w.queue, r.Key, strconv.Itoa(r.Number), string(r.Data))
	} else {
		ids, err = w.server.Send(w.queue, string(r.Data))
	}
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	w.numbers[ids[0]] = r.Number
	w.mu.Unlock()
}

// size is the most that a message takes in an event document.
func (w *service) size(body, group string, number int) int {
	m := eventjson.Message{
		MessageID:                        strings.Repeat("i", 36),
		ReceiptHandle:                    strings.Repeat("h", 52),
		Body:                             body,
		MD5OfBody:                        strings.Repeat("5", 32),
		SenderID:                         strings.Repeat("s", 20),
		ApproximateReceiveCount:          "999",
		SentTimestamp:                    "946684800000",
		ApproximateFirstReceiveTimestamp: "946684800000",
	}
	if w.fifo {
		m.SequenceNumber = strings.Repeat("9", 20)
		m.MessageGroupID, m.MessageDeduplicationID = group, strconv.Itoa(number)
	}
	return eventjson.NewSQS("aws:sqs", queueARNs+w.queue, "eu-west-1").WithNullMD5(true).Size(&m) + 1
}

// Disturb does nothing: a queue has no parts.
func (*service) Disturb() {}

// Killed cuts the process off.
func (w *service) Killed(*simulation.Life) { w.current.dead.Store(true) }

// Close ends the server.
func (w *service) Close() {
	err := w.server.Close()
	if err != nil {
		panic(err)
	}
	for _, p := range w.lives {
		if p.source.Repeats() > 0 {
			w.sim.Cover("deleted again")
		}
	}
}

// Decode reads an event document.
func (*service) Decode(payload []byte) []simulation.Item {
	var event struct {
		Records []struct {
			MessageID string `json:"messageId"`
			Body      string `json:"body"`
		} `json:"Records"`
	}
	err := json.NewDecoder(bytes.NewReader(payload)).Decode(&event)
	if err != nil {
		panic(err)
	}
	items := make([]simulation.Item, len(event.Records))
	for i, r := range event.Records {
		items[i] = simulation.Item{Number: simulation.Number([]byte(r.Body)), ID: r.MessageID}
	}
	return items
}

// watch tells the observer what the server's books say.
func (w *service) watch(e sqstest.Event) {
	if e.Queue != w.queue {
		return
	}
	number, observer, p := simulation.Number([]byte(e.Body)), w.sim.Observer(), w.process(e.Host)
	w.note(e, number)
	switch e.What {
	case sqstest.Received:
		observer.Handed(p.life, number)
		if e.Lost || p.dead.Load() {
			observer.Returned(number) // the mapping never gets it
		}
	case sqstest.Deleted:
		observer.Settled(p.life, number)
	case sqstest.Redriven:
		observer.Redriven(number)
	case sqstest.Returned:
		observer.Returned(number)
	case sqstest.Hidden: // noted above
	}
}
