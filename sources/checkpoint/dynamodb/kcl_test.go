package dynamodb_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

const number56 = "49590338271490256608559692538361571095921575989136588898"

// kclRow is a row as a worker of KCL 3 leaves it in the middle of a handoff.
func kclRow() row {
	return row{
		"leaseKey":                           s("shardId-000000000002"),
		"leaseOwner":                         s("worker-b"),
		"leaseCounter":                       n("4711"),
		"checkpoint":                         s(number56),
		"checkpointSubSequenceNumber":        n("3"),
		"ownerSwitchesSinceCheckpoint":       n("2"),
		"parentShardId":                      ss("shardId-000000000000", "shardId-000000000001"),
		"childShardIds":                      ss("shardId-000000000005"),
		"startingHashKey":                    s("0"),
		"endingHashKey":                      s("340282366920938463463374607431768211455"),
		"pendingCheckpoint":                  s(number56),
		"pendingCheckpointSubSequenceNumber": n("4"),
		"checkpointOwner":                    s("worker-a"),
		"throughputKBps":                     n("12"),
		"entityType":                         s("LEASE"),
	}
}

// known are the attributes that a store writes or removes.
func known() []string {
	return []string{
		"leaseOwner", "checkpointOwner", "leaseCounter", "checkpoint", "checkpointSubSequenceNumber", "ownerSwitchesSinceCheckpoint",
		"parentShardId", "childShardIds", "startingHashKey", "endingHashKey", "openesmTimestamp", "openesmWindow", "openesmWindowEncoding",
		"pendingCheckpoint", "pendingCheckpointSubSequenceNumber",
	}
}

// A fleet moves over from KCL without losing its place.
func TestTakeOverFromKCL(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	putRow(t, w.client, tableName, kclRow())
	got := only(t, w.store)
	want := checkpoint.Lease{
		Shard: "shardId-000000000002", Owner: "worker-b", CheckpointOwner: "worker-a", Counter: 4711,
		Position: checkpoint.Position{Sequence: number56, SubSequence: 3},
		Parents:  []string{"shardId-000000000000", "shardId-000000000001"}, Children: []string{"shardId-000000000005"},
		StartingHashKey: "0", EndingHashKey: "340282366920938463463374607431768211455",
	}
	if !got.Equal(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	taken := next(got)
	taken.Owner, taken.CheckpointOwner = "openesm-1", ""
	taken.Window = []byte("state")
	if err := w.store.Update(t.Context(), got, taken); err != nil {
		t.Fatal(err)
	}
	if now := only(t, w.store); !now.Equal(taken) {
		t.Errorf("got %+v, want %+v", now, taken)
	}
	wantRow := kclRow()
	wantRow["leaseOwner"], wantRow["leaseCounter"] = s("openesm-1"), n("4712")
	delete(wantRow, "checkpointOwner")
	wantRow["ownerSwitchesSinceCheckpoint"] = n("3")
	wantRow["openesmWindow"] = &types.AttributeValueMemberB{Value: []byte("state")}
	if r := rows(t, w.client, tableName)[taken.Shard]; !reflect.DeepEqual(r, wantRow) {
		t.Errorf("got the row %v, want %v", r, wantRow)
	}
}

// What was prepared before a checkpoint goes with it, as in KCL.
func TestPendingCheckpoint(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	prepared := kclRow()
	prepared["pendingCheckpointState"] = &types.AttributeValueMemberB{Value: []byte("state")}
	putRow(t, w.client, tableName, prepared)
	last := only(t, w.store)
	taken := next(last)
	taken.Owner = "openesm-1"
	if err := w.store.Update(t.Context(), last, taken); err != nil {
		t.Fatal(err)
	}
	pending := []string{"pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"}
	for _, name := range pending {
		if r := rows(t, w.client, tableName)[last.Shard]; !reflect.DeepEqual(r[name], prepared[name]) {
			t.Errorf("%s became %v before the position moved", name, r[name])
		}
	}
	moved := next(taken)
	moved.Position.SubSequence++
	if err := w.store.Update(t.Context(), taken, moved); err != nil {
		t.Fatal(err)
	}
	for _, name := range pending {
		if r := rows(t, w.client, tableName)[last.Shard]; r[name] != nil {
			t.Errorf("%s is still %v after the position moved", name, r[name])
		}
	}
}

// What the store does not know is as it was after any of its updates.
func TestForeignAttributesSurvive(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	before := kclRow()
	before["yours"] = &types.AttributeValueMemberM{Value: row{"a": &types.AttributeValueMemberBOOL{Value: true}}}
	putRow(t, w.client, tableName, before)
	last := only(t, w.store)
	for _, change := range []func(l *checkpoint.Lease){
		func(l *checkpoint.Lease) { l.Position = checkpoint.Position{Sequence: checkpoint.ShardEnd} },
		func(l *checkpoint.Lease) { *l = checkpoint.Lease{Shard: l.Shard, Counter: l.Counter} },
		func(l *checkpoint.Lease) { l.Position.Timestamp = time.Unix(1, 0) },
	} {
		l := next(last)
		change(&l)
		if err := w.store.Update(t.Context(), last, l); err != nil {
			t.Fatal(err)
		}
		last = l
	}
	after := rows(t, w.client, tableName)[last.Shard]
	for name := range maps.Clone(before) {
		if !slices.Contains(known(), name) && !reflect.DeepEqual(after[name], before[name]) {
			t.Errorf("%s became %v, was %v", name, after[name], before[name])
		}
	}
}

// A row has what a KCL worker cannot do without, and nothing that it, or an index
// on the owner, could not read: no empty text, no empty set.
func TestRowForKCL(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	l := shardLease()
	l.Parents = nil
	if err := w.store.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	want := row{
		"leaseKey": s(l.Shard), "leaseCounter": n("0"), "checkpoint": s("TRIM_HORIZON"),
		"checkpointSubSequenceNumber": n("0"), "ownerSwitchesSinceCheckpoint": n("0"),
	}
	if r := rows(t, w.client, tableName)[l.Shard]; !reflect.DeepEqual(r, want) {
		t.Errorf("Create writes %v, want %v", r, want)
	}
	owned := next(l)
	owned.Owner, owned.Position.Timestamp = "w", time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("X", 3600))
	if err := w.store.Update(t.Context(), l, owned); err != nil {
		t.Fatal(err)
	}
	want["leaseOwner"], want["leaseCounter"], want["openesmTimestamp"] = s("w"), n("1"), s("2026-01-02T02:04:05.0000006Z")
	if r := rows(t, w.client, tableName)[l.Shard]; !reflect.DeepEqual(r, want) {
		t.Errorf("Update writes %v, want %v", r, want)
	}
}

// Owners are counted from one checkpoint to the next, as KCL does.
func TestOwnerSwitches(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	last := shardLease()
	if err := w.store.Create(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct{ owner, sequence, want string }{
		{"a", "TRIM_HORIZON", "0"}, // nobody had it
		{"a", "TRIM_HORIZON", "0"},
		{"b", "TRIM_HORIZON", "1"},
		{"a", "TRIM_HORIZON", "2"},
		{"", "TRIM_HORIZON", "2"}, // given up
		{"c", "TRIM_HORIZON", "2"},
		{"d", "TRIM_HORIZON", "3"},
		{"d", "100", "0"},
		{"e", "101", "0"},
		{"f", "101", "1"},
	} {
		l := next(last)
		l.Owner, l.Position.Sequence = step.owner, step.sequence
		if err := w.store.Update(t.Context(), last, l); err != nil {
			t.Fatal(err)
		}
		last = l
		got := rows(t, w.client, tableName)[l.Shard]["ownerSwitchesSinceCheckpoint"]
		if !reflect.DeepEqual(got, n(step.want)) {
			t.Errorf("step %d: got %v switches, want %s", i, got, step.want)
		}
	}
}

// Newer versions of KCL 3 keep other things beside the leases.
func TestOtherRowsOfKCL(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	putRow(t, w.client, tableName, kclRow())
	putRow(t, w.client, tableName, row{"leaseKey": s("worker-b"), "entityType": s("WORKER_METRIC_STATS"), "lut": n("1")})
	putRow(t, w.client, tableName, row{"leaseKey": s("Leader"), "entityType": s("LEADER")})
	if got := only(t, w.store); got.Shard != "shardId-000000000002" {
		t.Errorf("got %q", got.Shard)
	}
}

// A row that cannot be a lease is an error that names it, not a shard that is
// read from its beginning.
func TestBadRows(t *testing.T) {
	t.Parallel()
	bytes := &types.AttributeValueMemberB{Value: []byte("1")}
	for name, change := range map[string]func(r row){
		"leaseCounter":                func(r row) { delete(r, "leaseCounter") },
		"leaseOwner":                  func(r row) { r["leaseOwner"] = n("1") },
		"checkpointSubSequenceNumber": func(r row) { r["checkpointSubSequenceNumber"] = s("x") },
		"checkpoint":                  func(r row) { r["checkpoint"] = bytes },
		"parentShardId":               func(r row) { r["parentShardId"] = s("one") },
		"openesmTimestamp":            func(r row) { r["openesmTimestamp"] = s("yesterday") },
		"openesmWindow":               func(r row) { r["openesmWindow"] = s("text") },
		"openesmWindowEncoding":       func(r row) { r["openesmWindow"], r["openesmWindowEncoding"] = bytes, n("1") },
		"gzip":                        func(r row) { r["openesmWindow"], r["openesmWindowEncoding"] = bytes, s("gzip") },
		"zstd":                        func(r row) { r["openesmWindow"], r["openesmWindowEncoding"] = bytes, s("zstd") },
		"multi-stream":                func(r row) { r["streamName"], r["shardId"] = s("123456789012:orders:1"), s("shardId-000000000002") },
	} {
		w := withTable(t)
		r := kclRow()
		change(r)
		putRow(t, w.client, tableName, r)
		_, err := w.store.Leases(t.Context())
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if name == "gzip" {
			name = "openesmWindowEncoding"
		}
		for _, part := range []string{name, "shardId-000000000002", tableName} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %q", name, err, part)
			}
		}
	}
}

// The service refuses a set that has a member twice; a lease with one is not
// refused for ever.
func TestParentTwice(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	l := shardLease()
	l.Parents = []string{"p", "q", "p"}
	if err := w.store.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := only(t, w.store); !slices.Equal(got.Parents, []string{"p", "q"}) {
		t.Errorf("got the parents %q", got.Parents)
	}
}
