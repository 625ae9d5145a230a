// Kinesis has two workers share a stream of Amazon Kinesis Data Streams, which is a
// fake in memory here: no network, no account, done in seconds.
//
//	go run ./examples/kinesis
//
// 400 readings of ten sensors come in over three seconds, some of them poison. The
// stream has two shards; one is split while readings flow. Each worker is a mapping
// as a process of its own would have it, and both keep the stream's leases and
// positions in one store. Then one of them is killed: it reaches neither the stream
// nor the store any more, and says no goodbye. Its leases run out, and the other
// worker goes on where they say. Readings of a sensor are handled in order all the
// time; poison goes to a destination after two retries.
//
// For a real stream make the client of the AWS configuration, and take a store that
// processes share: package sources/checkpoint/dynamodb.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

const (
	stream  = "arn:aws:kinesis:" + kinesistest.Region + ":" + kinesistest.Account + ":stream/telemetry"
	sensors = 10
	rounds  = 40
	poison  = 57 // every 57th reading cannot be handled
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	server := kinesistest.New() //nolint:contextcheck // it answers until it is closed
	defer server.Close()
	if err := server.AddStream(stream, 2); err != nil {
		return err
	}
	store := checkpoint.NewMemory()
	plant := newPlant(out)
	fmt.Fprintf(out, "%d readings of %d sensors, every %dth is poison; two shards, two workers\n\n", sensors*rounds, sensors, poison)
	life, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	var workers []*worker
	for _, name := range []string{"worker-1", "worker-2"} {
		w := &worker{name: name, wire: server.HTTPClient().Transport, store: store, plant: plant}
		mapping, err := w.mapping(server)
		if err != nil {
			return err
		}
		running.Go(func() {
			if err := mapping.Run(life); err != nil {
				plant.sayf("%s ends: %v", name, err)
			}
		})
		workers = append(workers, w)
	}
	err := produce(ctx, server, plant, workers[0])
	if err == nil {
		err = plant.wait(ctx)
	}
	for err == nil && !settled(ctx, server, store) {
		time.Sleep(50 * time.Millisecond)
		err = ctx.Err()
	}
	stop() // the mappings drain
	running.Wait()
	if err != nil {
		return err
	}
	return plant.account(ctx, server, store)
}

// produce sends the readings. On the way a shard is split and a worker killed.
func produce(ctx context.Context, server *kinesistest.Server, plant *plant, victim *worker) error {
	for n := range rounds {
		for sensor := range sensors {
			key := fmt.Sprintf("sensor-%d", sensor)
			text := fmt.Sprintf("reading %d", n)
			if (n*sensors+sensor+1)%poison == 0 {
				text = fmt.Sprintf("poison %d", n)
			}
			if _, _, err := server.Put(stream, key, []byte(text)); err != nil {
				return err
			}
		}
		switch n {
		case rounds / 4:
			parent := server.Shards(stream)[0].ID
			children, err := server.Split(stream, parent)
			if err != nil {
				return err
			}
			plant.sayf("%s is split into %s and %s", parent, children[0], children[1])
		case rounds / 2:
			victim.kill()
			plant.sayf("%s is killed", victim.name)
		}
		time.Sleep(75 * time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// mapping is what each worker runs.
func (w *worker) mapping(server *kinesistest.Server) (*esm.Mapping, error) {
	source, err := kinesis.New(w.client(server), stream, w, kinesis.Options{
		Worker:        w.name,
		LeaseDuration: time.Second, // so short for the show; the default is 10 s
		ListInterval:  time.Second,
		IdleInterval:  100 * time.Millisecond,
		CallInterval:  50 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	return esm.New(source, esm.TypedResponse(w.handle), esm.Config{
		BatchSize:                  20,
		ReportBatchItemFailures:    true,
		BisectBatchOnFunctionError: true, // so that the poison alone is given up
		MaximumRetryAttempts:       new(2),
		RetryBackoff:               retry.Backoff{Initial: 50 * time.Millisecond, Max: 100 * time.Millisecond},
		OnFailure:                  esm.DestinationFunc(w.failed),
		Logger:                     slog.New(slog.DiscardHandler),
	})
}

// settled reports whether the stored positions are behind all that was sent: closed
// shards are at SHARD_END, open ones behind their newest record.
func settled(ctx context.Context, server *kinesistest.Server, store checkpoint.Store) bool {
	leases, err := store.Leases(ctx)
	if err != nil {
		return false
	}
	positions := make(map[string]checkpoint.Position)
	for _, lease := range leases {
		positions[lease.Shard] = lease.Position
	}
	for _, shard := range server.Shards(stream) {
		position := positions[shard.ID]
		records := server.Records(stream, shard.ID)
		newest := len(records) > 0 && position.Sequence == records[len(records)-1].Number
		if shard.Closed && !position.Ended() || !shard.Closed && len(records) > 0 && !newest {
			return false
		}
	}
	return true
}
