package eventjson

const (
	// Open begins an event document (SQS-105, KIN-190).
	Open = `{"Records":[`

	// Close ends the document that Open began.
	Close = `]}`

	// Overhead is how many bytes Open and Close take together. Besides them
	// and the records, a document has one comma between any two records.
	Overhead = len(Open) + len(Close)

	// Bound is Overhead for sizes of records that count the comma behind each: the
	// last one has none.
	Bound = Overhead - 1
)

// AppendEvent appends Open, the records, separated by commas, and Close.
// appendRecord appends one record; it is called in order and must not keep
// record. AppendEvent allocates nothing besides what the growth of dst takes.
func AppendEvent[R any](dst []byte, records []R, appendRecord func(dst []byte, record *R) []byte) []byte {
	dst = append(dst, Open...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRecord(dst, &records[i])
	}
	return append(dst, Close...)
}
