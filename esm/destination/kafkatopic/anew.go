package kafkatopic

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
)

// purger is what a client needs to learn a topic anew; *kgo.Client has it.
type purger interface {
	PurgeTopicsFromProducing(topics ...string)
}

// learn has the client learn the topic anew if err says that it goes by the ID of one that
// is deleted: by itself it never takes the ID of the topic that was made in its place. What
// it still sends fails, and is produced again. It waits until that is done, or ctx ends.
func (d *Destination) learn(ctx context.Context, err error) {
	client, ok := d.client.(purger)
	if !ok || !errors.Is(err, kerr.UnknownTopicID) {
		return
	}
	select {
	case <-d.purge(client):
	case <-ctx.Done():
	}
}

// purge has one purge at a time under way, and returns what is closed at its end. It ends
// with the client at the latest.
func (d *Destination) purge(client purger) <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.purged == nil {
		purged := make(chan struct{})
		d.purged = purged
		go func() {
			client.PurgeTopicsFromProducing(d.topic)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.purged = nil
			close(purged)
		}()
	}
	return d.purged
}
