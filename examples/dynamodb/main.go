// Dynamodb projects the changes of an Amazon DynamoDB table into another store. The
// table and its stream are a fake in memory here: no network, no account, done in
// seconds.
//
//	go run ./examples/dynamodb
//
// Orders of a shop are put, changed, deleted, and expire, while the stream's shards roll
// over and split as they do every few hours in AWS. A mapping keeps a projection of them:
// how much each customer has in open orders. On the way the process is stopped and
// started again, with the positions that it left in a file. In the end the projection is
// what the table says.
//
// The projection remembers which changes it has seen, so that one that comes again after a
// crash is told from a new one.
//
// For a real table make the client of the AWS configuration, and give New the ARN of the
// table's stream. Processes that share it take package sources/checkpoint/dynamodb.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/checkpoint/file"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

const (
	orders    = 40
	customers = 5
	rounds    = 12
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	folder, err := os.MkdirTemp("", "openesm-dynamodb")
	if err != nil {
		log.Fatal(err)
	}
	err = errors.Join(run(ctx, os.Stdout, folder), os.RemoveAll(folder))
	if err != nil {
		log.Fatal(err)
	}
}

// run has the shop change its orders in two halves, with a process of its own for each;
// positions are in the folder.
func run(ctx context.Context, out io.Writer, folder string) error {
	server := dynamodbstreamstest.New() //nolint:contextcheck // it answers until it is closed
	defer server.Close()
	stream, err := server.AddTable("orders", dynamodbstreamstest.Setup{Keys: []string{"orderId"}, Shards: 2})
	if err != nil {
		return err
	}
	shop := newShop(server, stream)
	totals := newProjection()
	for life := 1; life <= 2; life++ {
		fmt.Fprintf(out, "process %d starts\n", life)
		err := process(ctx, server, stream, filepath.Join(folder, "orders.positions"), totals, func() error {
			return shop.trade(ctx, out)
		})
		if err != nil {
			return err
		}
		if life == 1 { // nobody reads now
			if err := shop.trade(ctx, out); err != nil {
				return err
			}
		}
	}
	return shop.account(out, totals)
}

// process runs a mapping as a process would, until trade is over and all of it was
// handled.
func process(
	ctx context.Context, server *dynamodbstreamstest.Server, stream, positions string, totals *projection, trade func() error,
) error {
	store, err := file.Open(positions, file.Options{})
	if err != nil {
		return err
	}
	source, err := dynamodbstreams.New(server.Client(), stream, store, dynamodbstreams.Options{
		IdleInterval: 50 * time.Millisecond, // so short for the show
		CallInterval: 50 * time.Millisecond,
		ListInterval: time.Second,
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	mapping, err := esm.New(source, esm.Typed(totals.apply), esm.Config{
		BatchSize:             50,
		ParallelizationFactor: 2, // changes of an order stay in their order
		Logger:                slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	life, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- mapping.Run(life) }()
	err = trade()
	for err == nil && !totals.has(made(server, stream)) {
		time.Sleep(20 * time.Millisecond)
		err = ctx.Err()
	}
	stop() // the mapping drains
	return errors.Join(err, <-ended, store.Close())
}

// made is how many changes there were so far.
func made(server *dynamodbstreamstest.Server, stream string) int {
	n := 0
	for _, shard := range server.Shards(stream) {
		n += shard.Put
	}
	return n
}
