package dynamodbstreams

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// change is what the event document tells of a record.
type change = eventjson.DynamoDBRecord[types.AttributeValue]

// native is the record that Fetch returned as r.
func native(r *sources.Record) *types.Record {
	if n, ok := r.Native.(*types.Record); ok && n != nil {
		return n
	}
	return new(types.Record)
}

// eventOf is what the event document tells of a record of the SDK (DDB-80..91).
func eventOf(r *types.Record) change {
	e := change{
		EventID: aws.ToString(r.EventID), EventName: string(r.EventName),
		EventVersion: aws.ToString(r.EventVersion), Region: aws.ToString(r.AwsRegion),
	}
	if d := r.Dynamodb; d != nil {
		e.ApproximateCreationDateTime = aws.ToTime(d.ApproximateCreationDateTime)
		e.Keys, e.NewImage, e.OldImage = d.Keys, d.NewImage, d.OldImage
		e.SequenceNumber, e.SizeBytes, e.StreamViewType = aws.ToString(d.SequenceNumber), aws.ToInt64(d.SizeBytes), string(d.StreamViewType)
	}
	if who := r.UserIdentity; who != nil {
		e.IdentityType, e.PrincipalID = aws.ToString(who.Type), aws.ToString(who.PrincipalId)
	}
	return e
}

// sequenceOf is the sequence number of a record; "" if it has none.
func sequenceOf(r *types.Record) string {
	if r.Dynamodb == nil {
		return ""
	}
	return aws.ToString(r.Dynamodb.SequenceNumber)
}

// createdAt is when a record came to be; zero if it does not say.
func createdAt(r *types.Record) time.Time {
	if r.Dynamodb == nil {
		return time.Time{}
	}
	return aws.ToTime(r.Dynamodb.ApproximateCreationDateTime)
}

// AppendEvent appends the event document of records (DDB-80..91). See
// [sources.EventAppender].
func (s *Source) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	encoder := s.encoder()
	return eventjson.AppendEvent(dst, records, func(dst []byte, r *sources.Record) []byte {
		event := eventOf(native(r))
		return encoder.Append(dst, &event)
	})
}

// Filtering tells how filter patterns see records: the change as the member dynamodb,
// and beside it what else the event document says. Text is refused in patterns, and
// records are JSON always (DDB-97, FILT-68).
func (s *Source) Filtering() sources.Filtering {
	return sources.Filtering{
		Key: "dynamodb", AppendBody: s.appendBody, Members: eventjson.DynamoDBMembers(), AppendMetadata: s.appendMetadata,
	}
}

func (s *Source) appendBody(dst []byte, r *sources.Record) []byte {
	event := eventOf(native(r))
	return s.encoder().AppendBody(dst, &event)
}

func (s *Source) appendMetadata(dst []byte, _ string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := eventOf(native(r))
	return s.encoder().AppendMetadata(dst, &event)
}

// AppendBatchInfo appends the DDBStreamBatchInfo of DDB-100..102.
func (p *partition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	info := batchinfo.Stream{ShardID: p.ID(), StreamARN: p.source.arn(), Size: len(records)}
	if len(records) > 0 {
		info.First = end(&records[0])
		info.Last = end(&records[len(records)-1])
	}
	return batchinfo.AppendDynamoDB(dst, &info)
}

func end(r *sources.Record) batchinfo.StreamRecord {
	return batchinfo.StreamRecord{SequenceNumber: r.ID, Arrival: r.Time}
}
