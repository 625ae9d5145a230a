package sqstest

import (
	"encoding/json"
	"time"
)

// maxBatch is the most entries of a batch.
const maxBatch = 10

// failure is the answer to a batch entry that failed.
type failure struct {
	ID          string `json:"Id"`
	Code        string `json:"Code"`
	Message     string `json:"Message"`
	SenderFault bool   `json:"SenderFault"`
}

// batchAnswer is the answer to a batch.
type batchAnswer[R any] struct {
	Successful []R       `json:"Successful"`
	Failed     []failure `json:"Failed,omitempty"`
}

// identified is an entry of a batch; all of them are pointers.
type identified[E any] interface {
	*E
	entryID() string
}

func (e *entry) entryID() string { return e.ID }

// checkBatch holds a batch to the rules that fail it as a whole.
func checkBatch[E any, P identified[E]](entries []E) error {
	if len(entries) == 0 {
		return batchError("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return batchError("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")
	}
	seen := make(map[string]bool, len(entries))
	for i := range entries {
		id := P(&entries[i]).entryID()
		if !legalEntryID(id) {
			return batchError("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "+
				"hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return batchError("BatchEntryIdsNotDistinct", "Id "+id+" repeated.")
		}
		seen[id] = true
	}
	return nil
}

func legalEntryID(id string) bool {
	for _, c := range []byte(id) {
		if !isNameByte(c) {
			return false
		}
	}
	return id != "" && len(id) <= 80
}

// runBatch does each entry of a batch, but for those that the fault fails.
func runBatch[E, R any, P identified[E]](
	x exchange, queueURL string, entries []E, do func(*queue, P, time.Time) (R, error),
) ([]byte, error) {
	if err := checkBatch[E, P](entries); err != nil {
		return nil, err
	}
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(queueURL, now)
	if err != nil {
		return nil, err
	}
	answer := batchAnswer[R]{Successful: make([]R, 0, len(entries))}
	for i := range entries {
		e := P(&entries[i])
		result, err := doEntry(x, q, e, now, do)
		if err != nil {
			answer.Failed = append(answer.Failed, newFailure(e.entryID(), asError(err)))
			continue
		}
		answer.Successful = append(answer.Successful, result)
		s.notify(q, now)
	}
	return json.Marshal(answer)
}

func doEntry[E, R any, P identified[E]](
	x exchange, q *queue, e P, now time.Time, do func(*queue, P, time.Time) (R, error),
) (R, error) {
	if injected := x.fault.Entries[e.entryID()]; injected != nil {
		var none R
		return none, injected
	}
	return do(q, e, now)
}

func newFailure(id string, e *Error) failure {
	return failure{ID: id, Code: e.Code, Message: e.Message, SenderFault: !e.Receiver}
}
