package sqstest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// purgeInterval is how long a queue must be left alone between purges.
const purgeInterval = time.Minute

// maxQueues is the most queues of a page.
const maxQueues = 1000

// queueURL is the answer that names a queue.
type queueURL struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueue struct {
	Name       string            `json:"QueueName"`
	Attributes map[string]string `json:"Attributes"`
}

func (r *createQueue) target() string   { return r.Name }
func (r *createQueue) entries() []Entry { return nil }

func (r *createQueue) run(_ context.Context, x exchange) ([]byte, error) {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	n := name{region: Region, account: Account, name: r.Name}
	q, err := x.server.create(n, r.Attributes, time.Now())
	if err != nil {
		return nil, err
	}
	return json.Marshal(queueURL{QueueURL: x.base + q.path})
}

type deleteQueue struct{ onQueue }

func (r *deleteQueue) run(_ context.Context, x exchange) ([]byte, error) {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	q, err := x.server.lookup(r.QueueURL)
	if err != nil {
		return nil, err
	}
	delete(x.server.queues, q.path)
	q.stop()
	return []byte("{}"), nil
}

type getQueueURL struct {
	Name  string `json:"QueueName"`
	Owner string `json:"QueueOwnerAWSAccountId"`
}

// target is the queue's path, which is the end of its URL.
func (r *getQueueURL) target() string {
	n := name{account: Account, name: r.Name}
	if r.Owner != "" {
		n.account = r.Owner
	}
	return n.path()
}

func (r *getQueueURL) entries() []Entry { return nil }

func (r *getQueueURL) run(_ context.Context, x exchange) ([]byte, error) {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	q, err := x.server.lookup(r.target())
	if err != nil {
		return nil, err
	}
	return json.Marshal(queueURL{QueueURL: x.base + q.path})
}

type purgeQueue struct{ onQueue }

func (r *purgeQueue) run(_ context.Context, x exchange) ([]byte, error) {
	now := time.Now()
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	q, err := x.server.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	if !q.purged.IsZero() && now.Before(q.purged.Add(purgeInterval)) {
		return nil, batchError("PurgeQueueInProgress",
			"Only one PurgeQueue operation on "+q.name+" is allowed every 60 seconds.")
	}
	q.purged = now
	q.purge()
	return []byte("{}"), nil
}

type listQueues struct {
	Prefix string `json:"QueueNamePrefix"`
	Max    *int   `json:"MaxResults"`
	Next   string `json:"NextToken"`
}

func (r *listQueues) target() string   { return "" }
func (r *listQueues) entries() []Entry { return nil }

// run lists the queues by name. The token of a page is the last path on it.
func (r *listQueues) run(_ context.Context, x exchange) ([]byte, error) {
	if r.Max != nil && (*r.Max < 1 || *r.Max > maxQueues) {
		return nil, invalidParameter("Value for parameter MaxResults is invalid. Reason: Must be between 1 and 1000, if provided.")
	}
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	var answer struct {
		QueueURLs []string `json:"QueueUrls"`
		NextToken string   `json:"NextToken,omitempty"`
	}
	own := name{account: Account, name: r.Prefix}.path()
	paths := slices.Sorted(maps.Keys(x.server.queues))
	paths = slices.DeleteFunc(paths, func(path string) bool {
		return !strings.HasPrefix(path, own) || path <= r.Next
	})
	if r.Max != nil && *r.Max < len(paths) {
		paths = paths[:*r.Max]
		answer.NextToken = paths[*r.Max-1]
	}
	for _, path := range paths {
		answer.QueueURLs = append(answer.QueueURLs, x.base+path)
	}
	return json.Marshal(answer)
}
