package kafka

// EventResponse is what a handler of event documents answers to name the records that
// failed (KAF-66), with esm.Config.ReportBatchItemFailures. Package events of
// aws-lambda-go has none for Kafka.
type EventResponse struct {
	BatchItemFailures []BatchItemFailure `json:"batchItemFailures"`
}

// BatchItemFailure is a record that failed.
type BatchItemFailure struct {
	ItemIdentifier ItemIdentifier `json:"itemIdentifier"`
}

// ItemIdentifier names a record in the way of [EventResponse]. Handlers of records name
// it by its Record.ID instead.
type ItemIdentifier struct {
	// Partition is topic, hyphen, number: the key of the record map of the event.
	Partition string `json:"partition"`
	// Offset of the record.
	Offset int64 `json:"offset"`
}

// Add names the record with an offset of a partition as failed.
func (r *EventResponse) Add(partition string, offset int64) {
	r.BatchItemFailures = append(r.BatchItemFailures, BatchItemFailure{ItemIdentifier{Partition: partition, Offset: offset}})
}
