package kinesistest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// users are clients of a server who count what was accepted.
type users struct {
	t        *testing.T
	server   *kinesistest.Server
	consumer string
	closed   atomic.Bool // the server is being closed
	put      atomic.Int64
	got      atomic.Int64
}

// check reports a call that may not have failed: it may for its own context,
// for Close, and for what other users do to the shard meanwhile.
func (u *users) check(what string, err error) {
	if err == nil || u.closed.Load() || wiretest.GivenUp(err) {
		return
	}
	if _, ok := errors.AsType[*kinesistest.Error](err); ok {
		return // of a Go method
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "InvalidArgumentException", "ResourceNotFoundException", "ResourceInUseException":
			return
		}
	}
	u.t.Errorf("%s: %v", what, err)
}

// any is any shard that is listed.
func (u *users) any() string {
	shards := u.server.Shards("s")
	return shards[rand.N(len(shards))].ID
}

// use puts, reads, subscribes and reshards until ctx is done.
func (u *users) use(ctx context.Context) {
	client := u.server.Client()
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, 1+rand.N(10*time.Second))
		shard := u.any()
		switch rand.N(12) {
		case 0:
			if len(u.server.Shards("s")) < 30 {
				_, err := u.server.Split("s", shard)
				u.check("Split", err)
			}
		case 1:
			_, err := u.server.Merge("s", shard, u.any())
			u.check("Merge", err)
		case 2:
			u.check("Expire", u.server.Expire("s", shard))
		case 3, 4:
			u.subscribe(once, client, shard)
		case 5, 6, 7:
			u.read(once, client, shard)
		default:
			// A put that is given up may have been accepted nevertheless.
			key := strconv.Itoa(rand.Int())
			_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: new("s"), PartitionKey: &key, Data: []byte(key)})
			u.check("PutRecord", err)
			if err == nil {
				u.put.Add(1)
			}
		}
		cancel()
		time.Sleep(rand.N(100 * time.Millisecond)) // or the clock would stand still
	}
}

func (u *users) read(ctx context.Context, client *kinesis.Client, shard string) {
	it, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: new("s"), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	u.check("GetShardIterator", err)
	if err != nil {
		return
	}
	for next := it.ShardIterator; next != nil && ctx.Err() == nil; {
		out, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		u.check("GetRecords", err)
		if err != nil {
			return
		}
		u.got.Add(int64(len(out.Records)))
		next = out.NextShardIterator
		time.Sleep(time.Second)
	}
}

func (u *users) subscribe(ctx context.Context, client *kinesis.Client, shard string) {
	out, err := client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{
		ConsumerARN: &u.consumer, ShardId: &shard,
		StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	}, ownProtocol)
	u.check("SubscribeToShard", err)
	if err != nil {
		return
	}
	stream := out.GetStream()
	for range rand.N(5) {
		e := event(stream)
		if e == nil {
			break
		}
		u.got.Add(int64(len(e.Records)))
	}
	_ = stream.Close()
}

// TestStressCloseAtAnyMoment closes servers under subscriptions and all other
// calls. Each call comes back, no record that was accepted is lost, and no
// goroutine is left.
func TestStressCloseAtAnyMoment(t *testing.T) {
	t.Parallel()
	for range 6 {
		synctest.Test(t, func(t *testing.T) {
			server, consumer := start(t, 3)
			u := &users{t: t, server: server, consumer: consumer}
			var kept atomic.Int64
			server.SetWatch(func(e kinesistest.Event) {
				if e.What == kinesistest.Put {
					kept.Add(int64(len(e.Numbers)))
				}
			})
			server.SetFault(func(kinesistest.Call) kinesistest.Fault {
				return kinesistest.Fault{Delay: rand.N(20 * time.Millisecond), LateEnd: rand.N(2) == 0, Empty: rand.N(4) == 0}
			})
			wiretest.CloseUnder(t, server, func() {
				time.Sleep(rand.N(20 * time.Second))
				u.closed.Store(true)
			}, slices.Repeat([]func(context.Context){u.use}, 8)...)
			if kept.Load() < u.put.Load() {
				t.Errorf("%d records, %d were accepted", kept.Load(), u.put.Load())
			}
			for _, sh := range server.Shards("s") {
				if sh.Subscribers != 0 {
					t.Errorf("%d subscribers of %s", sh.Subscribers, sh.ID)
				}
			}
		})
	}
}

// TestStressInRealTime closes servers under calls, without a bubble.
func TestStressInRealTime(t *testing.T) {
	t.Parallel()
	for range 6 {
		closeBusy(t)
	}
}

// closeBusy closes a server once it has had some calls.
func closeBusy(t *testing.T) {
	t.Helper()
	server, consumer := start(t, 2)
	client := server.Client()
	u := &users{t: t, server: server, consumer: consumer}
	u.closed.Store(true) // any error is fine
	subscribe := func(ctx context.Context) {
		for ctx.Err() == nil {
			u.subscribe(ctx, client, first)
		}
	}
	put := func(ctx context.Context) {
		for ctx.Err() == nil {
			_, _ = client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: new("s"), PartitionKey: new("k"), Data: []byte("x")})
		}
	}
	busy := make(chan struct{})
	server.SetFault(func(c kinesistest.Call) kinesistest.Fault {
		if c.Action == "PutRecord" && c.Number == 50 {
			close(busy)
		}
		return kinesistest.Fault{}
	})
	wiretest.CloseUnder(t, server, func() { <-busy }, subscribe, put, put, put)
}

// TestStressTakeover has a consumer take a shard over and over; no record is
// missed by going on from the last continuation.
func TestStressTakeover(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		consumer := w.consumer("c")
		var written, read []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 300 {
				key := strconv.Itoa(i)
				if _, _, err := w.server.Put(w.stream, key, []byte(key)); err != nil {
					t.Error(err)
				}
				written = append(written, key)
				time.Sleep(rand.N(400 * time.Millisecond))
			}
		}()
		position := types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
		for len(read) < 300 {
			stream := w.start(consumer, position)
			until := time.Now().Add(5 * time.Second)
			for time.Now().Before(until) {
				e := event(stream)
				if e == nil || len(read) == 300 {
					break
				}
				read = append(read, data(e.Records)...)
				position = types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: e.ContinuationSequenceNumber}
			}
		}
		<-done
		if len(read) != len(written) {
			t.Fatalf("read %d, wrote %d", len(read), len(written))
		}
		for i := range read {
			if read[i] != written[i] {
				t.Fatalf("record %d is %s, want %s", i, read[i], written[i])
			}
		}
	})
}
