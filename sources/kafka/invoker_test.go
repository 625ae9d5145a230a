package kafka_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

const clusterARN = "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/11111111-2222-3333-4444-555555555555-1"

// invoker is a handler of event documents that keeps them.
type invoker struct {
	mu        sync.Mutex
	documents [][]byte
	answer    func(document []byte) ([]byte, error)
}

func (i *invoker) Invoke(_ context.Context, document []byte) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.documents = append(i.documents, slices.Clone(document))
	if i.answer == nil {
		return nil, nil
	}
	return i.answer(document)
}

func (i *invoker) seen() [][]byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.documents)
}

// offsetsIn are the offsets that a document has of each partition.
func offsetsIn(t *testing.T, document []byte) map[string][]int64 {
	t.Helper()
	var event events.KafkaEvent
	if err := json.Unmarshal(document, &event); err != nil {
		t.Error(err)
	}
	all := make(map[string][]int64)
	for name, records := range event.Records {
		for _, r := range records {
			all[name] = append(all[name], r.Offset)
		}
	}
	return all
}
