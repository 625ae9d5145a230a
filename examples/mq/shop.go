package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

const (
	orders = 20
	poison = 13 // the order that cannot be handled
	busy   = 6  // every 6th cannot be handled at first
)

// place is a broker with a queue of orders, and one of dead letters.
type place struct {
	name    string
	send    func(body string) error
	source  func() (sources.Source, error)
	handler func(s *shop) esm.Handler // for events of its kind
	dead    func() (bodies []string, err error)
	close   func()
}

var errBusy = errors.New("the warehouse is busy")

// shop handles orders. There is one batch at a time, so it needs no lock.
type shop struct {
	out   io.Writer
	tried map[int]bool
}

// handleRabbitMQ handles a batch of RabbitMQ.
func (s *shop) handleRabbitMQ(_ context.Context, event events.RabbitMQEvent) error {
	for queue, messages := range event.MessagesByQueue {
		bodies := make([]string, 0, len(messages))
		for _, m := range messages {
			bodies = append(bodies, m.Data)
		}
		if err := s.handle(queue, bodies); err != nil {
			return err
		}
	}
	return nil
}

// handleActiveMQ handles a batch of ActiveMQ.
func (s *shop) handleActiveMQ(_ context.Context, event events.ActiveMQEvent) error {
	bodies := make([]string, 0, len(event.Messages))
	for _, m := range event.Messages {
		bodies = append(bodies, m.Data)
	}
	return s.handle(event.Messages[0].Destination.PhysicalName, bodies)
}

// handle handles orders, in base64. An error is that of the whole batch: MQ knows no
// partial failures.
func (s *shop) handle(queue string, orders []string) error {
	var names []string
	fails := false
	for _, order := range orders {
		body, err := base64.StdEncoding.DecodeString(order)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(body))
		if err != nil {
			return err
		}
		names = append(names, string(body))
		fails = fails || n == poison || n%busy == 0 && !s.tried[n]
		s.tried[n] = true
	}
	if fails {
		fmt.Fprintf(s.out, "%s: order %s cannot be handled now\n", queue, strings.Join(names, ", "))
		return errBusy
	}
	fmt.Fprintf(s.out, "%s: handled order %s\n", queue, strings.Join(names, ", "))
	return nil
}

// sell sends orders, and reads them until all are handled or dead letters.
func sell(ctx context.Context, out io.Writer, at *place) error {
	fmt.Fprintf(out, "%d orders go to %s\n", orders, at.name)
	for n := range orders {
		if err := at.send(strconv.Itoa(n + 1)); err != nil {
			return err
		}
	}
	source, err := at.source()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	open := orders
	mapping, err := esm.New(source, at.handler(&shop{out: out, tried: map[int]bool{}}), esm.Config{
		BatchSize:             4,
		MaximumConcurrency:    1, // ActiveMQ has five batches at once otherwise
		MaximumBatchingWindow: 100 * time.Millisecond,
		MaximumRetryAttempts:  new(2), // AWS retries for ever
		RetryBackoff:          retry.Backoff{Initial: 50 * time.Millisecond, Max: time.Second},
		Logger:                slog.New(slog.DiscardHandler),
		Observer: func(o esm.Observation) { // of one lane, one after the other
			if o.Metric == esm.DeletedEventCount || o.Metric == esm.RejectedEventCount {
				if open -= o.Count; open == 0 {
					cancel()
				}
			}
		},
	})
	if err != nil {
		return err
	}
	if err = mapping.Run(ctx); err != nil {
		return err
	}
	dead, err := at.dead()
	fmt.Fprintf(out, "dead letters: order %s\n", strings.Join(dead, ", "))
	return err
}
