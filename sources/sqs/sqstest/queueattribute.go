package sqstest

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

type getQueueAttributes struct {
	onQueue

	Names []string `json:"AttributeNames"`
}

func (r *getQueueAttributes) run(_ context.Context, x exchange) ([]byte, error) {
	now := time.Now()
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	q, err := x.server.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	all := q.attributes()
	answer := struct {
		Attributes map[string]string `json:"Attributes,omitempty"`
	}{Attributes: make(map[string]string)}
	for _, name := range r.Names {
		value, ok := all[name]
		switch {
		case name == "All":
			maps.Copy(answer.Attributes, all)
		case ok:
			answer.Attributes[name] = value
		case !isSettable(name):
			return nil, unknownAttribute(name)
		}
	}
	return json.Marshal(answer)
}

// isSettable says whether a queue may have the attribute.
func isSettable(name string) bool {
	_, numeric := bounds()[name]
	others := []string{"RedrivePolicy", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope"}
	return numeric || isOther(name) || slices.Contains(others, name)
}

// attributes are all that the queue has.
func (q *queue) attributes() map[string]string {
	all := maps.Clone(q.settings.raw)
	all["QueueArn"] = q.arn
	all["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	all["ApproximateNumberOfMessages"] = strconv.Itoa(q.counts[visible])
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(q.counts[inFlight])
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(q.counts[delayed])
	if q.settings.fifo {
		all["ContentBasedDeduplication"] = strconv.FormatBool(q.settings.byContent)
	}
	return all
}

type setQueueAttributes struct {
	onQueue

	Attributes map[string]string `json:"Attributes"`
}

func (r *setQueueAttributes) run(_ context.Context, x exchange) ([]byte, error) {
	now := time.Now()
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	q, err := x.server.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	if _, ok := r.Attributes["FifoQueue"]; ok {
		return nil, unknownAttribute("FifoQueue")
	}
	set, err := q.settings.with(r.Attributes)
	if err != nil {
		return nil, err
	}
	if err := x.server.checkRedrive(set); err != nil {
		return nil, err
	}
	q.settings, q.modified = set, now
	q.settle(now)
	x.server.notify(q, now)
	return []byte("{}"), nil
}
