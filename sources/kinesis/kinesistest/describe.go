package kinesistest

import (
	"strconv"
	"time"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

type createStream struct {
	Name      string `json:"StreamName"`
	Shards    *int   `json:"ShardCount"`
	MaxRecord *int   `json:"MaxRecordSizeInKiB"`
}

func (r *createStream) describe(*Server, *Call) {}

// run makes a stream that is active at once. One with capacity on demand gets
// the four shards that it has in Kinesis too.
func (r *createStream) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	size := given(r.MaxRecord, minRecordKiB)
	if size < minRecordKiB || size > maxRecordKiB {
		return nil, invalidArgument("MaxRecordSizeInKiB must be 1024 to 10240.")
	}
	n := name{region: Region, account: Account, stream: r.Name}
	st, err := s.create(n, given(r.Shards, 4), time.Now())
	if err != nil {
		return nil, err
	}
	st.maxRecord = size << 10
	return []byte("{}"), nil
}

type deleteStream struct{ onStream }

func (r *deleteStream) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	delete(s.streams, st.arn)
	delete(s.byID, st.id)
	for _, c := range st.consumers {
		c.stop()
	}
	return []byte("{}"), nil
}

type describeStream struct {
	onStream

	After string `json:"ExclusiveStartShardId"`
	Max   *int   `json:"Limit"`
}

func (r *describeStream) run(x exchange) ([]byte, error) {
	s := x.server
	if n := given(r.Max, 1); n < 1 || n > maxAsked {
		return nil, invalidArgument("Limit must be 1 to 10000.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	shards, more := st.page(r.After, min(given(r.Max, 100), maxListed), nil)
	body := st.append(append(room(shardBytes*len(shards)+2*shardBytes), `{"StreamDescription":{`...))
	body = append(appendShards(append(body, ','), shards), `,"HasMoreShards":`...)
	return append(strconv.AppendBool(body, more), `}}`...), nil
}

type describeSummary struct{ onStream }

func (r *describeSummary) run(x exchange) ([]byte, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := r.stream(s)
	if err != nil {
		return nil, err
	}
	body := st.append(append(room(shardBytes), `{"StreamDescriptionSummary":{`...))
	body = strconv.AppendInt(append(body, `,"OpenShardCount":`...), int64(len(st.open)), 10)
	body = strconv.AppendInt(append(body, `,"ConsumerCount":`...), int64(len(st.consumers)), 10)
	body = strconv.AppendInt(append(body, `,"MaxRecordSizeInKiB":`...), int64(st.maxRecord>>10), 10)
	return append(body, `}}`...), nil
}

// append appends the members that tell of the stream as a whole.
func (st *stream) append(dst []byte) []byte {
	dst = eventjson.AppendString(append(dst, `"StreamName":`...), st.name.stream)
	dst = eventjson.AppendString(append(dst, `,"StreamARN":`...), st.arn)
	dst = append(dst, `,"StreamStatus":"`+statusActive+`","StreamModeDetails":{"StreamMode":"PROVISIONED"}`...)
	dst = appendEpoch(append(dst, `,"StreamCreationTimestamp":`...), st.created.UnixMilli())
	dst = strconv.AppendInt(append(dst, `,"RetentionPeriodHours":`...), int64(st.retention), 10)
	return append(dst, `,"EnhancedMonitoring":[{"ShardLevelMetrics":[]}],"EncryptionType":"NONE"`...)
}
