package kinesistest_test

import (
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// model is a stream as simple as can be: every record there ever was in one
// list, and each question answered by going through all of it.
type model struct {
	records []modelRecord
	shards  []*modelShard
}

type modelRecord struct {
	shard   string
	number  *big.Int
	data    string
	arrival time.Time
}

type modelShard struct {
	id       string
	from, to *big.Int
	closed   bool
	gone     bool
	kept     *big.Int // the least number that was not trimmed
	children []string
}

// modelIterator is a place: records after a number come.
type modelIterator struct {
	text  string
	shard *modelShard
	after *big.Int
	made  time.Time
}

func newModel(shards []kinesistest.Shard) *model {
	m := &model{}
	for _, sh := range shards {
		from, _ := new(big.Int).SetString(sh.From, 10)
		to, _ := new(big.Int).SetString(sh.To, 10)
		m.add(from, to)
	}
	return m
}

func (m *model) add(from, to *big.Int) *modelShard {
	sh := &modelShard{id: fmt.Sprintf("shardId-%012d", len(m.shards)), from: from, to: to, kept: new(big.Int)}
	m.shards = append(m.shards, sh)
	return sh
}

// route is the shard that a key goes to.
func (m *model) route(key string) string {
	sum := md5.Sum([]byte(key))
	hash := new(big.Int).SetBytes(sum[:])
	for _, sh := range m.shards {
		if !sh.closed && hash.Cmp(sh.from) >= 0 && hash.Cmp(sh.to) <= 0 {
			return sh.id
		}
	}
	return "nowhere"
}

// split says whether the shard can be split, and does it.
func (m *model) split(sh *modelShard) bool {
	if sh.closed || sh.from.Cmp(sh.to) == 0 {
		return false
	}
	one := big.NewInt(1)
	middle := new(big.Int).Add(sh.from, sh.to)
	middle.Add(middle, one).Rsh(middle, 1)
	sh.closed = true
	low, high := m.add(sh.from, new(big.Int).Sub(middle, one)), m.add(middle, sh.to)
	sh.children = []string{low.id, high.id}
	return true
}

// merge says whether the shards can be merged, and does it.
func (m *model) merge(a, b *modelShard) bool {
	if a.closed || b.closed {
		return false
	}
	low, high := a, b
	if low.from.Cmp(high.from) > 0 {
		low, high = high, low
	}
	if new(big.Int).Add(low.to, big.NewInt(1)).Cmp(high.from) != 0 {
		return false
	}
	child := m.add(low.from, high.to)
	a.closed, b.closed = true, true
	a.children, b.children = []string{child.id}, []string{child.id}
	return true
}

// newest is the greatest number of all.
func (m *model) newest() *big.Int {
	if len(m.records) == 0 {
		return new(big.Int)
	}
	return m.records[len(m.records)-1].number
}

// of are the records of a shard after a number.
func (m *model) of(sh *modelShard, after *big.Int) []modelRecord {
	var list []modelRecord
	for _, r := range m.records {
		if r.shard == sh.id && r.number.Cmp(after) > 0 && r.number.Cmp(sh.kept) >= 0 {
			list = append(list, r)
		}
	}
	return list
}

// since is the place of the first record that arrived at t or later.
func (m *model) since(sh *modelShard, t time.Time) *big.Int {
	for _, r := range m.of(sh, new(big.Int)) {
		if !r.arrival.Before(t) {
			return new(big.Int).Sub(r.number, big.NewInt(1))
		}
	}
	return m.newest()
}

// player plays a script on the fake and on the model.
type player struct {
	w         *world
	m         *model
	iterators []modelIterator
}

func (p *player) shard(n byte) *modelShard { return p.m.shards[int(n)%len(p.m.shards)] }

// agree holds an error to whether one must be.
func (p *player) agree(what string, err error, fine bool) {
	p.w.t.Helper()
	if (err == nil) != fine {
		p.w.t.Fatalf("%s: %v, want it fine: %v", what, err, fine)
	}
}

func (p *player) play(op, n byte) {
	sh := p.shard(n)
	switch op % 11 {
	case 0, 1, 2:
		p.put(fmt.Sprint("key", n))
	case 3:
		_, err := p.w.server.Split(p.w.stream, sh.id)
		p.agree("split "+sh.id, err, p.m.split(sh))
	case 4:
		other := p.shard(n / 3)
		_, err := p.w.server.Merge(p.w.stream, sh.id, other.id)
		p.agree("merge "+sh.id+" "+other.id, err, p.m.merge(sh, other))
	case 5:
		p.trim(sh, n)
	case 6:
		err := p.w.server.Expire(p.w.stream, sh.id)
		p.agree("expire "+sh.id, err, sh.closed && !sh.gone)
		sh.gone = sh.closed
	case 7:
		p.ask(sh, n)
	case 8, 9:
		p.get(int(n))
	case 10:
		time.Sleep(time.Duration(n) * 777 * time.Millisecond)
	}
}

func (p *player) put(key string) {
	now := time.UnixMilli(time.Now().UnixMilli())
	want := p.m.route(key)
	shard, number, err := p.w.server.Put(p.w.stream, key, []byte(key))
	if err != nil || shard != want {
		p.w.t.Fatalf("put %s: went to %s, want %s, %v", key, shard, want, err)
	}
	value, ok := new(big.Int).SetString(number, 10)
	if !ok || value.Cmp(p.m.newest()) <= 0 {
		p.w.t.Fatalf("number %s does not follow %v", number, p.m.newest())
	}
	p.m.records = append(p.m.records, modelRecord{shard: shard, number: value, data: key, arrival: now})
}

// trim drops some of the records, up to all of them.
func (p *player) trim(sh *modelShard, n byte) {
	if sh.gone {
		return
	}
	list := p.m.of(sh, new(big.Int))
	i := int(n) % (len(list) + 1)
	before := ""
	sh.kept = new(big.Int).Add(p.m.newest(), big.NewInt(1))
	if i < len(list) {
		before, sh.kept = list[i].number.String(), list[i].number
	}
	p.agree("trim "+sh.id, p.w.server.Trim(p.w.stream, sh.id, before), true)
}

// ask gets an iterator, by any record that the shard ever had.
func (p *player) ask(sh *modelShard, n byte) {
	in := &kinesis.GetShardIteratorInput{StreamName: &p.w.stream, ShardId: &sh.id}
	it := modelIterator{shard: sh, after: new(big.Int), made: time.Now()}
	var ever []modelRecord
	for _, r := range p.m.records {
		if r.shard == sh.id {
			ever = append(ever, r)
		}
	}
	switch {
	case n%5 == 0:
		in.ShardIteratorType = types.ShardIteratorTypeLatest
		it.after = p.m.newest()
	case n%5 == 1:
		at := time.UnixMilli(time.Now().UnixMilli() - 1_000*int64(n))
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, &at
		it.after = p.m.since(sh, at)
	case n%5 == 2 || len(ever) == 0:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	default:
		r := ever[int(n)%len(ever)]
		in.ShardIteratorType = types.ShardIteratorTypeAfterSequenceNumber
		it.after = r.number
		if n%5 == 3 {
			in.ShardIteratorType = types.ShardIteratorTypeAtSequenceNumber
			it.after = new(big.Int).Sub(r.number, big.NewInt(1))
		}
		in.StartingSequenceNumber = new(r.number.String())
	}
	text, err := p.w.ask(in)
	p.agree("ask "+sh.id, err, !sh.gone)
	if err == nil {
		it.text = text
		p.iterators = append(p.iterators, it)
	}
}

// get reads from one of the iterators; the next one takes its place.
func (p *player) get(n int) {
	if len(p.iterators) == 0 {
		return
	}
	i := n % len(p.iterators)
	it, limit := p.iterators[i], 1+n%4
	out, err := p.w.client.GetRecords(p.w.t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it.text, Limit: new(int32(limit))})
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	want := ""
	switch {
	case it.shard.gone:
		want = "ResourceNotFoundException"
	case time.Since(it.made) > 5*time.Minute:
		want = "ExpiredIteratorException"
	}
	if code != want {
		p.w.t.Fatalf("get from %s: %v, want %q", it.shard.id, err, want)
	}
	if want != "" {
		return
	}
	rest := p.m.of(it.shard, it.after)
	end := it.shard.closed && len(rest) <= limit
	p.compare(out.Records, rest[:min(limit, len(rest))])
	if (out.NextShardIterator == nil) != end || (len(out.ChildShards) > 0) != end || (*out.MillisBehindLatest > 0) != (len(rest) > limit) {
		p.w.t.Fatalf("get from %s: next %v, children %v, %d ms behind; %d records left, end %v",
			it.shard.id, out.NextShardIterator, out.ChildShards, *out.MillisBehindLatest, len(rest), end)
	}
	for j, c := range out.ChildShards {
		if *c.ShardId != it.shard.children[j] {
			p.w.t.Fatalf("child %d of %s is %s, want %s", j, it.shard.id, *c.ShardId, it.shard.children[j])
		}
	}
	if end {
		p.iterators = slices.Delete(p.iterators, i, i+1)
		return
	}
	p.iterators[i].text, p.iterators[i].made = *out.NextShardIterator, time.Now()
	if len(out.Records) > 0 {
		p.iterators[i].after = rest[len(out.Records)-1].number
	}
}

func (p *player) compare(got []types.Record, want []modelRecord) {
	p.w.t.Helper()
	if len(got) != len(want) {
		p.w.t.Fatalf("got %d records, want %d", len(got), len(want))
	}
	for i, r := range got {
		if *r.SequenceNumber != want[i].number.String() || string(r.Data) != want[i].data || !r.ApproximateArrivalTimestamp.Equal(want[i].arrival) {
			p.w.t.Fatalf("record %d is %s %q, want %v %q", i, *r.SequenceNumber, r.Data, want[i].number, want[i].data)
		}
	}
}

// finish compares the list of shards, and what a subscription gets of each.
func (p *player) finish() {
	var want []string
	for _, sh := range p.m.shards {
		if !sh.gone {
			want = append(want, sh.id)
		}
	}
	if got := p.w.list(nil); !slices.Equal(got, want) {
		p.w.t.Fatalf("listed %q, want %q", got, want)
	}
	consumer := p.w.consumer("c")
	for _, sh := range p.m.shards {
		if sh.gone {
			continue
		}
		stream, err := p.w.subscribe(&kinesis.SubscribeToShardInput{
			ConsumerARN: &consumer, ShardId: &sh.id, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
		})
		p.agree("subscribe to "+sh.id, err, true)
		e := event(stream)
		if e == nil {
			p.w.t.Fatalf("subscription to %s ended: %v", sh.id, stream.Err())
		}
		p.compare(e.Records, p.m.of(sh, new(big.Int)))
		if (e.ContinuationSequenceNumber == nil) != sh.closed || (len(e.ChildShards) > 0) != sh.closed {
			p.w.t.Fatalf("subscription to %s, closed %v: got %+v", sh.id, sh.closed, e)
		}
		_ = stream.Close()
	}
}

// FuzzModel plays a script, two bytes a step, on a fake and on a model, which
// agree on every answer.
func FuzzModel(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x02\x02\x03\x07\x02\x08\x00\x08\x05\x03\x00\x00\x04\x04\x05\x07\x00\x00\x09\x09\x01"))
	f.Add([]byte{0, 1, 0, 2, 0, 3, 0, 4, 7, 2, 8, 0, 3, 0, 3, 1, 0, 5, 0, 6, 7, 4, 9, 1, 6, 0, 9, 1, 4, 9, 5, 3, 7, 3, 8, 3})
	f.Add([]byte{3, 0, 4, 6, 0, 1, 0, 2, 10, 200, 7, 11, 7, 5, 10, 255, 10, 255, 8, 0, 5, 4, 7, 4, 8, 1, 6, 2, 8, 1})
	f.Fuzz(func(t *testing.T, script []byte) {
		run(t, 2, func(_ *testing.T, w *world) {
			p := &player{w: w, m: newModel(w.server.Shards(w.stream))}
			for i := 0; i+1 < min(len(script), 400); i += 2 {
				p.play(script[i], script[i+1])
			}
			p.finish()
		})
	})
}

// TestLongScripts plays long scripts.
func TestLongScripts(t *testing.T) {
	t.Parallel()
	for seed := range uint64(25) {
		random := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(random.Uint32())
		}
		run(t, 1+int(seed%4), func(_ *testing.T, w *world) {
			p := &player{w: w, m: newModel(w.server.Shards(w.stream))}
			for i := 0; i+1 < len(script); i += 2 {
				p.play(script[i], script[i+1])
			}
			p.finish()
		})
	}
}
