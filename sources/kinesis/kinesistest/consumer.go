package kinesistest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxConsumers  = 20          // of a stream (KIN-89)
	maxNew        = 5           // being made at once (KIN-89)
	consumerDelay = time.Second // until a registered consumer is active
)

// consumer is a registered consumer of a stream. The server's mutex guards it.
type consumer struct {
	stream  *stream
	name    string
	arn     string
	created time.Time
	active  time.Time // since when
	rights  map[*shard]*right
}

// right is a consumer's right to one shard.
type right struct {
	sub   *subscription // the last one
	begun time.Time     // when that was made
	asked time.Time     // when a subscription was asked for last
}

func (c *consumer) status(now time.Time) string {
	if now.Before(c.active) {
		return statusNew
	}
	return statusActive
}

// register makes a consumer. No two ever have the same ARN, since it ends with
// the time of creation in seconds (KIN-90). The mutex is held.
func (st *stream) register(consumerName string, delay time.Duration, now time.Time) (*consumer, error) {
	fresh := 0
	for _, c := range st.consumers {
		if c.name == consumerName {
			return nil, inUse("Consumer " + consumerName + " under stream " + st.name.stream + " already exists.")
		}
		if c.status(now) == statusNew {
			fresh++
		}
	}
	switch {
	case !legalName(consumerName):
		return nil, invalidArgument("A consumer's name has 1 to 128 letters, digits, hyphens, underscores and dots.")
	case len(st.consumers) == maxConsumers:
		return nil, modeled("LimitExceededException", "A stream has at most 20 consumers.")
	case delay > 0 && fresh == maxNew:
		return nil, modeled("LimitExceededException", "At most 5 consumers are being created at once.")
	}
	st.epoch = max(st.epoch+1, now.Unix())
	n := st.name
	n.consumer = consumerName + ":" + strconv.FormatInt(st.epoch, 10)
	c := &consumer{
		stream: st, name: consumerName, arn: n.arn(), created: now, active: now.Add(delay),
		rights: make(map[*shard]*right),
	}
	st.consumers = append(st.consumers, c)
	return c, nil
}

// stop ends the subscriptions of a consumer that is gone.
func (c *consumer) stop() {
	for _, sh := range c.stream.shards { // in one order, unlike the map
		if r, ok := c.rights[sh]; ok {
			r.sub.fail(notFound("Consumer " + c.arn + " does not exist."))
		}
	}
}

// AddConsumer registers a consumer of the stream, named by name or ARN, that
// is active at once, and returns its ARN.
func (s *Server) AddConsumer(stream, consumer string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.lookup(stream)
	if err != nil {
		return "", err
	}
	c, err := st.register(consumer, 0, time.Now())
	if err != nil {
		return "", err
	}
	return c.arn, nil
}

// consumer returns the consumer that an ARN means. The mutex is held.
func (s *Server) consumer(arn string) (*consumer, error) {
	n, ok := parseARN(arn)
	if !ok || n.consumer == "" {
		return nil, invalidArgument("The ARN is not that of a consumer.")
	}
	if st, ok := s.streams[n.streamARN()]; ok {
		for _, c := range st.consumers {
			if c.arn == arn {
				return c, nil
			}
		}
	}
	return nil, notFound("Consumer " + arn + " not found.")
}

// consumerView is a consumer as calls tell of it.
type consumerView struct {
	Name    string      `json:"ConsumerName"`
	ARN     string      `json:"ConsumerARN"`
	Status  string      `json:"ConsumerStatus"`
	Created json.Number `json:"ConsumerCreationTimestamp"`
	Stream  string      `json:"StreamARN,omitempty"`
}

func (c *consumer) view(now time.Time) consumerView {
	created := string(appendEpoch(nil, c.created.UnixMilli()))
	return consumerView{Name: c.name, ARN: c.arn, Status: c.status(now), Created: json.Number(created)}
}

type registerConsumer struct {
	onStream

	Consumer string `json:"ConsumerName"`
}

func (r *registerConsumer) describe(s *Server, c *Call) {
	r.onStream.describe(s, c)
	c.Consumer = r.Consumer
}

func (r *registerConsumer) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	c, err := st.register(r.Consumer, consumerDelay, now)
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]consumerView{"Consumer": c.view(now)})
}

// describeConsumer names a consumer by its ARN, or by its stream and its name.
type describeConsumer struct {
	onStream

	Consumer string `json:"ConsumerName"`
	Full     string `json:"ConsumerARN"`
}

func (r *describeConsumer) describe(s *Server, c *Call) {
	if found, err := r.find(s); err == nil {
		c.Stream, c.Consumer = found.stream.name.stream, found.name
	}
}

func (r *describeConsumer) find(s *Server) (*consumer, error) {
	if r.Full != "" {
		return s.consumer(r.Full)
	}
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(st.consumers, func(c *consumer) bool { return c.name == r.Consumer })
	if i < 0 {
		return nil, notFound("Consumer " + r.Consumer + " under stream " + st.name.stream + " not found.")
	}
	return st.consumers[i], nil
}

func (r *describeConsumer) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := r.find(s)
	if err != nil {
		return nil, err
	}
	view := c.view(time.Now())
	view.Stream = c.stream.arn
	return json.Marshal(map[string]consumerView{"ConsumerDescription": view})
}

type deregisterConsumer struct{ describeConsumer }

func (r *deregisterConsumer) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := r.find(s)
	if err != nil {
		return nil, err
	}
	c.stream.consumers = slices.DeleteFunc(c.stream.consumers, func(other *consumer) bool { return other == c })
	c.stop()
	return []byte("{}"), nil
}

type listConsumers struct {
	onStream

	Max  *int   `json:"MaxResults"`
	Next string `json:"NextToken"`
}

// run lists the consumers by name. The token of a page is the last name on it.
func (r *listConsumers) run(x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	limit := given(r.Max, 100)
	if limit < 1 || limit > maxAsked {
		return nil, invalidArgument("MaxResults must be 1 to 10000.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Consumers []consumerView `json:"Consumers"`
		Next      string         `json:"NextToken,omitempty"`
	}
	answer.Consumers = []consumerView{}
	for _, c := range st.consumers {
		if c.name > r.Next {
			answer.Consumers = append(answer.Consumers, c.view(now))
		}
	}
	slices.SortFunc(answer.Consumers, func(a, b consumerView) int { return strings.Compare(a.Name, b.Name) })
	if len(answer.Consumers) > limit {
		answer.Consumers = answer.Consumers[:limit]
		answer.Next = answer.Consumers[limit-1].Name
	}
	return json.Marshal(answer)
}
