package memory

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/openesm/openesm/sources"
)

var errForeign = errors.New("record is not of this partition")

// streamPartition is a partition while one source owns it.
type streamPartition struct {
	source *streamSource
	shard  *shard

	// arrived holds a token while there may be something new for Fetch.
	arrived chan struct{}

	// Of Stream.mu:
	read              int  // index of the next record to fetch
	lost              bool // another source owns the partition
	onRevoked, onLost func()

	// displace tells who owned the partition before of the loss; of Accept alone.
	displace func()
}

// ID is the partition's ID in the stream.
func (p *streamPartition) ID() string { return p.shard.id }

// OnRevoke has revoked called by Stream.Revoke, and lost when a later Source takes
// the partition over.
func (p *streamPartition) OnRevoke(revoked, lost func()) {
	p.source.stream.mu.Lock()
	gone := p.lost
	p.onRevoked, p.onLost = revoked, lost
	p.source.stream.mu.Unlock()
	if gone {
		lost()
	}
}

// Fetch reads on.
func (p *streamPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var timer *time.Timer
	for {
		n, err := p.next(buf)
		if n > 0 || err != nil || wait <= 0 {
			return n, err
		}
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, nil
		case <-p.arrived:
		}
	}
}

func (p *streamPartition) next(buf []sources.Record) (int, error) {
	p.source.stream.mu.Lock()
	defer p.source.stream.mu.Unlock()
	if p.lost {
		return 0, sources.ErrLost
	}
	n := copy(buf, p.shard.log[p.read:])
	p.read += n
	if n == 0 && p.shard.ended {
		return 0, sources.ErrEnd
	}
	return n, nil
}

// Window returns what was stored with the position.
func (p *streamPartition) Window() []byte {
	p.source.stream.mu.Lock()
	defer p.source.stream.mu.Unlock()
	return p.source.consumer.positions[p.shard.index].window
}

// Ack moves the consumer's position past the last of records, never back.
func (p *streamPartition) Ack(ctx context.Context, records []sources.Record) error {
	return p.AckWindow(ctx, records, nil)
}

// AckWindow is Ack that stores the state of a tumbling window too.
func (p *streamPartition) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.source.stream.mu.Lock()
	defer p.source.stream.mu.Unlock()
	if p.lost {
		return sources.ErrLost
	}
	at := &p.source.consumer.positions[p.shard.index]
	for i := range records {
		r := streamRecordOf(&records[i])
		if r.stream != p.source.stream || r.shard != p.shard.index {
			return errForeign
		}
		if r.index >= at.next {
			at.next, at.settled = r.index+1, r.SequenceNumber
		}
	}
	at.window = bytes.Clone(window)
	return nil
}

// Close lets the partition go. The position stays where the last Ack put it.
func (p *streamPartition) Close(context.Context) error {
	p.source.stream.mu.Lock()
	defer p.source.stream.mu.Unlock()
	at := &p.source.consumer.positions[p.shard.index]
	if at.owner == p {
		at.owner = nil
		p.source.stream.announce()
	}
	return nil
}

func (p *streamPartition) signal() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

func nothing() {}

// streamRecordOf returns the StreamRecord of a record, an empty one if it has
// none.
func streamRecordOf(r *sources.Record) *StreamRecord {
	if native, ok := r.Native.(*StreamRecord); ok && native != nil {
		return native
	}
	return &StreamRecord{}
}
