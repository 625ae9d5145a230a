package kinesis_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
)

// FuzzAppendEvent holds event documents to what AWS's types and encoding/json read of
// them, to their Size, and to the metadata that filters see (KIN-190, KIN-191, KIN-192,
// KIN-193, KIN-194, KIN-195, KIN-196, KIN-197).
func FuzzAppendEvent(f *testing.F) {
	f.Add("device-17", "49667", []byte(`{"temp": 21.5}`), int64(1767225601123), uint8(2))
	f.Add("", "0", []byte{}, int64(0), uint8(1))
	f.Add("\"\\\x00é\u2028<>", "1", []byte{0xff, 0}, int64(1), uint8(3))
	f.Fuzz(func(t *testing.T, key, number string, data []byte, ms int64, count uint8) {
		const latest = 253402300799999 // in the year 9999
		if ms < 0 || ms > latest || !utf8.ValidString(key) || !utf8.ValidString(number) {
			t.Skip()
		}
		source, err := kinesis.New(new(awskinesis.Client), telemetry, checkpoint.NewMemory(), kinesis.Options{RoleARN: "role"})
		if err != nil {
			t.Fatal(err)
		}
		record := &kinesis.Record{Record: types.Record{
			PartitionKey: &key, SequenceNumber: &number, Data: data, ApproximateArrivalTimestamp: new(time.UnixMilli(ms)),
		}}
		records := make([]sources.Record, count%4)
		for i := range records {
			records[i] = sources.Record{ID: number, Key: key, Data: data, Native: record}
		}
		document := source.AppendEvent([]byte("before"), firstShard, records)
		if !bytes.HasPrefix(document, []byte("before")) {
			t.Fatal("what stood before is gone")
		}
		var event events.KinesisEvent
		err = json.Unmarshal(document[len("before"):], &event)
		if err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		if len(event.Records) != len(records) {
			t.Fatalf("%d records, want %d", len(event.Records), len(records))
		}
		for _, r := range event.Records {
			if r.Kinesis.PartitionKey != key || r.Kinesis.SequenceNumber != number || !bytes.Equal(r.Kinesis.Data, data) ||
				r.Kinesis.ApproximateArrivalTimestamp.UnixMilli()-ms > 1 || ms-r.Kinesis.ApproximateArrivalTimestamp.UnixMilli() > 1 ||
				r.EventID != firstShard+":"+number || r.EventName != "aws:kinesis:record" || r.EventSource != "aws:kinesis" ||
				r.EventVersion != "1.0" || r.InvokeIdentityArn != "role" || r.AwsRegion != "eu-west-1" || r.EventSourceArn != telemetry {
				t.Errorf("%+v of %s", r, document)
			}
		}
	})
}
