package kinesis_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// denial denies one call of the stream or of the lease table.
type denial struct {
	action string
	table  bool
	fanOut bool
}

// denials are of all calls that a mapping cannot do without.
func denials() map[string]denial {
	all := make(map[string]denial)
	for _, action := range []string{"DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"} {
		all[action] = denial{action: action}
	}
	all["SubscribeToShard"] = denial{action: "SubscribeToShard", fanOut: true}
	for _, action := range []string{"Scan", "PutItem", "UpdateItem"} {
		all[action] = denial{action: action, table: true}
	}
	return all
}

// set denies the call, or allows it again.
func (d denial) set(w *world, table *dynamodbtest.Server, denied bool) {
	w.setFault(nil)
	table.SetFault(nil)
	switch {
	case !denied:
	case d.table:
		table.SetFault(func(c dynamodbtest.Call) dynamodbtest.Fault {
			if c.Action != d.action {
				return dynamodbtest.Fault{}
			}
			return dynamodbtest.Fault{Err: dynamodbtest.AccessDenied()}
		})
	default:
		w.setFault(on(d.action, func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Err: kinesistest.AccessDenied()}
		}))
	}
}

func (d denial) options() kinesis.Options {
	if d.fanOut {
		return kinesis.Options{ConsumerName: "reader"}
	}
	return kinesis.Options{}
}

// permission is what the error is to name.
func (d denial) permission() string {
	if d.table {
		return "the caller lacks the permission dynamodb:" + d.action
	}
	return "the caller lacks the permission kinesis:" + d.action
}

// TestWhatWasNeverAllowedEndsTheStart denies each call from the start.
func TestWhatWasNeverAllowedEndsTheStart_P14(t *testing.T) {
	t.Parallel()
	for name, d := range denials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTable(t, 2, func(t *testing.T, w *world, table *dynamodbtest.Server) {
				d.set(w, table, true)
				m := w.runListened(d.options(), esm.Config{})
				select {
				case err := <-m.ended:
					if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), d.permission()) {
						t.Errorf("Run: %v, want it to say that %s", err, d.permission())
					}
				case <-time.After(time.Minute):
					t.Error("the mapping runs on")
					m.end()
				}
			})
		})
	}
}

// TestWhatWasAllowedOnceIsWaitedFor denies each call for a while, later (P9, P14).
func TestWhatWasAllowedOnceIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, d := range denials() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTable(t, 2, func(t *testing.T, w *world, table *dynamodbtest.Server) {
				m := w.runListened(d.options(), esm.Config{})
				w.send("", numbered(0, 10)...)
				w.until(10, time.Minute)
				d.set(w, table, true)
				if _, err := w.Split(telemetry, firstShard); err != nil { // which needs most of the calls
					t.Fatal(err)
				}
				time.Sleep(7 * time.Minute) // a subscription ends after five
				w.send("", numbered(10, 10)...)
				time.Sleep(5 * time.Minute)
				if w.reported(d.permission()) == nil {
					t.Errorf("P14: not told of: %v", w.errs)
				}
				d.set(w, table, false)
				w.until(20, 5*time.Minute)
				m.end()
				w.once()
			})
		})
	}
}

// TestLeaseTableThatIsMissing ends the start, and is waited for if it was there.
func TestLeaseTableThatIsMissing_P14(t *testing.T) {
	t.Parallel()
	inTable(t, 1, func(t *testing.T, w *world, table *dynamodbtest.Server) {
		missing := dynamodbtest.Fault{Err: &dynamodbtest.Error{
			Status: 400, Type: "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", Message: "no such table",
		}}
		m := w.runListened(kinesis.Options{}, esm.Config{})
		w.send("k", "a")
		w.until(1, time.Minute)
		table.SetFault(func(dynamodbtest.Call) dynamodbtest.Fault { return missing })
		time.Sleep(time.Minute)
		if w.reported("dynamodb: Scan on table positions", "ResourceNotFoundException") == nil {
			t.Errorf("not told of: %v", w.errs)
		}
		table.SetFault(nil)
		w.send("k", "b")
		w.until(2, time.Minute)
		m.end()
	})
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.store = unmadeTable(t)
		m := w.runListened(kinesis.Options{}, esm.Config{})
		select {
		case err := <-m.ended:
			if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "create the table") {
				t.Errorf("Run: %v, want that the table is to be created", err)
			}
		case <-time.After(time.Minute):
			t.Error("the mapping runs on")
			m.end()
		}
	})
}
