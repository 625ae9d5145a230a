package eventjson

import (
	"strconv"
	"sync"
)

// AppendKafka appends the event document of records. They may be of several
// partitions in any order: the document has these in the order of their first
// records, and in each its records in the order given (KAF-83, KAF-180).
//
// view tells what a record says, by setting every field of to, which has those
// of another record before; it must not keep to. It is called up to three times
// for a record and must always say the same.
//
// AppendKafka allocates nothing besides what the growth of dst takes, and what
// later calls use again.
func AppendKafka[R any](k *Kafka, dst []byte, records []R, view func(record *R, to *KafkaRecord)) []byte {
	dst = append(dst, k.open...)
	if len(records) > 0 {
		s, ok := scratches.Get().(*kafkaScratch)
		if !ok {
			s = &kafkaScratch{places: map[kafkaPartition]int{}}
		}
		dst = appendRecords(s, dst, records, view)
		s.forget()
		scratches.Put(s)
	}
	return append(dst, closeKafka...)
}

// appendRecords appends the members of a document, of which there is mostly
// one.
func appendRecords[R any](s *kafkaScratch, dst []byte, records []R, view func(record *R, to *KafkaRecord)) []byte {
	r := &s.record
	view(&records[0], r)
	first := r.partition()
	dst, head := appendFirst(dst, r)
	for i := 1; i < len(records); i++ {
		view(&records[i], r)
		if r.partition() != first {
			s.begin(first, len(records))
			for ; i < len(records); i++ {
				view(&records[i], r)
				s.add(i, r.partition())
			}
			return appendChains(s, dst, head, records, view)
		}
		dst = head.append(dst, r)
	}
	return append(dst, closeRecords...)
}

// appendChains appends what the chains of s have, behind the first records of
// the first partition, which are written already: head is theirs.
func appendChains[R any](
	s *kafkaScratch, dst []byte, head sharedHead, records []R, view func(record *R, to *KafkaRecord),
) []byte {
	r := &s.record
	for place, c := range s.chains {
		if place > 0 {
			view(&records[c.first], r)
			dst, head = appendFirst(append(dst, `],`...), r)
		}
		for i := s.next[c.first]; i > 0; i = s.next[i] {
			view(&records[i], r)
			dst = head.append(dst, r)
		}
	}
	return append(dst, closeRecords...)
}

// sharedHead tells where in a document the first record of a partition has what
// its others begin with too.
type sharedHead struct{ from, to int }

// appendFirst appends the opening of the member of r's partition, and r.
func appendFirst(dst []byte, r *KafkaRecord) ([]byte, sharedHead) {
	dst = appendKafkaName(append(dst, openName...), r.Topic, r.Partition)
	dst = append(dst, openRecords...)
	from := len(dst)
	dst = r.appendShared(dst)
	to := len(dst)
	return r.appendOwn(dst), sharedHead{from, to}
}

// append appends r, another record of the partition.
func (h sharedHead) append(dst []byte, r *KafkaRecord) []byte {
	dst = append(dst, ',')
	return r.appendOwn(append(dst, dst[h.from:h.to]...))
}

// appendKafkaName appends the name of a partition, without quotes.
func appendKafkaName(dst []byte, topic string, partition int32) []byte {
	const decimal = 10
	return strconv.AppendInt(append(appendContent(dst, topic), '-'), int64(partition), decimal)
}

// scratches has those that no document needs now.
//
//nolint:gochecknoglobals // a pool is of use to all documents only
var scratches sync.Pool

// kafkaScratch is what a document needs while it is written. If it has several
// partitions, each has a chain of its records.
type kafkaScratch struct {
	// record is the one being looked at.
	record KafkaRecord

	// chains are those of the partitions, places tells which has which.
	chains []chain
	places map[kafkaPartition]int

	// next has for each record the one behind it in its chain, 0 for none.
	next []int

	// latest is the partition of the record added last, and place that of its
	// chain, for records of one partition often come one after another.
	latest kafkaPartition
	place  int
}

// kafkaPartition names a partition.
type kafkaPartition struct {
	topic  string
	number int32
}

// chain has the ends of the chain of a partition.
type chain struct{ first, last int }

func (r *KafkaRecord) partition() kafkaPartition { return kafkaPartition{r.Topic, r.Partition} }

// begin makes room for so many records, and begins a chain with the first.
func (s *kafkaScratch) begin(p kafkaPartition, records int) {
	if cap(s.next) < records {
		s.next = make([]int, records)
	}
	s.next = s.next[:records]
	s.next[0] = 0
	s.chains = append(s.chains[:0], chain{})
	s.places[p] = 0
	s.latest, s.place = p, 0
}

// add puts the record i at the end of the chain of p.
func (s *kafkaScratch) add(i int, p kafkaPartition) {
	s.next[i] = 0
	if p != s.latest {
		place, ok := s.places[p]
		if !ok {
			place = len(s.chains)
			s.places[p] = place
			s.chains = append(s.chains, chain{first: i, last: i})
		}
		s.latest, s.place = p, place
		if !ok {
			return
		}
	}
	c := &s.chains[s.place]
	s.next[c.last] = i
	c.last = i
}

// forget lets go of what belongs to the caller.
func (s *kafkaScratch) forget() {
	s.record = KafkaRecord{}
	s.latest = kafkaPartition{}
	clear(s.places)
}
