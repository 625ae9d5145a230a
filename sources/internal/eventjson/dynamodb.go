package eventjson

import (
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
)

// DynamoDBRecord is what the event document tells of one change of an item
// (DDB-80..91). V is as in [DynamoDBValue].
type DynamoDBRecord[V any] struct {
	// EventID, EventName, EventVersion and Region as the stream has them.
	EventID, EventName, EventVersion, Region string

	// ApproximateCreationDateTime is when the item was changed, written in whole
	// seconds, rounded down (DDB-83). The zero time is left out.
	ApproximateCreationDateTime time.Time

	// Keys, NewImage and OldImage are attributes by name. Those that are empty are
	// left out (DDB-87).
	Keys, NewImage, OldImage map[string]V

	// SequenceNumber within the shard.
	SequenceNumber string

	// SizeBytes as the stream has it (DDB-86).
	SizeBytes int64

	// StreamViewType of the stream (DDB-85).
	StreamViewType string

	// IdentityType and PrincipalID tell who made the change, if somebody of AWS did,
	// such as the time to live (DDB-91). Left out if both are empty.
	IdentityType, PrincipalID string
}

// DynamoDB appends the records of an event document of DynamoDB Streams (DDB-80..91).
// It is immutable.
type DynamoDB[V any] struct {
	view func(V) DynamoDBValue[V]
	tail string // the member eventSourceARN and the end
}

// The constant stretches of a record, in AWS's order (DDB-81).
const (
	openEventID        = `{"eventID":`
	openEventName      = `,"eventName":`
	openEventVersion   = `,"eventVersion":`
	openRegion         = `,"eventSource":"aws:dynamodb","awsRegion":`
	openDynamoDB       = `,"dynamodb":`
	openCreation       = `"ApproximateCreationDateTime":`
	openKeys           = `"Keys":`
	openNewImage       = `"NewImage":`
	openOldImage       = `"OldImage":`
	openSequenceNumber = `"SequenceNumber":`
	openSize           = `,"SizeBytes":`
	openViewType       = `,"StreamViewType":`
	openIdentity       = `,"userIdentity":{"type":`
	openPrincipal      = `,"principalId":`
)

// NewDynamoDB returns the encoder of the stream with an ARN. view tells what a value
// is; it must not keep it.
func NewDynamoDB[V any](arn string, view func(V) DynamoDBValue[V]) *DynamoDB[V] {
	return &DynamoDB[V]{view: view, tail: string(append(AppendString([]byte(`,"eventSourceARN":`), arn), '}'))}
}

// Append appends r as one JSON object. If dst has room for Size(r) bytes nothing is
// allocated.
func (d *DynamoDB[V]) Append(dst []byte, r *DynamoDBRecord[V]) []byte {
	dst = d.AppendBody(append(appendHead(dst, r), openDynamoDB...), r)
	return append(appendIdentity(dst, r), d.tail...)
}

// AppendAround appends r whose body was written before by AppendBody.
func (d *DynamoDB[V]) AppendAround(dst, body []byte, r *DynamoDBRecord[V]) []byte {
	dst = append(append(appendHead(dst, r), openDynamoDB...), body...)
	return append(appendIdentity(dst, r), d.tail...)
}

// AppendMetadata appends what filter patterns see of r besides its body, as one JSON
// object (FILT-51).
func (d *DynamoDB[V]) AppendMetadata(dst []byte, r *DynamoDBRecord[V]) []byte {
	return append(appendIdentity(appendHead(dst, r), r), d.tail...)
}

func appendHead[V any](dst []byte, r *DynamoDBRecord[V]) []byte {
	dst = AppendString(append(dst, openEventID...), r.EventID)
	dst = AppendString(append(dst, openEventName...), r.EventName)
	dst = AppendString(append(dst, openEventVersion...), r.EventVersion)
	return AppendString(append(dst, openRegion...), r.Region)
}

func appendIdentity[V any](dst []byte, r *DynamoDBRecord[V]) []byte {
	if r.IdentityType == "" && r.PrincipalID == "" {
		return dst
	}
	dst = AppendString(append(dst, openIdentity...), r.IdentityType)
	return append(AppendString(append(dst, openPrincipal...), r.PrincipalID), '}')
}

// AppendBody appends the value of the member dynamodb of r, which is what filter
// patterns see as the body (DDB-97).
func (d *DynamoDB[V]) AppendBody(dst []byte, r *DynamoDBRecord[V]) []byte {
	const decimal = 10
	dst = append(dst, '{')
	if !r.ApproximateCreationDateTime.IsZero() {
		dst = strconv.AppendInt(append(dst, openCreation...), r.ApproximateCreationDateTime.Unix(), decimal)
		dst = append(dst, ',')
	}
	dst = appendImage(dst, openKeys, r.Keys, d.view)
	dst = appendImage(dst, openNewImage, r.NewImage, d.view)
	dst = appendImage(dst, openOldImage, r.OldImage, d.view)
	dst = AppendString(append(dst, openSequenceNumber...), r.SequenceNumber)
	dst = strconv.AppendInt(append(dst, openSize...), r.SizeBytes, decimal)
	return append(AppendString(append(dst, openViewType...), r.StreamViewType), '}')
}

// appendImage appends a member, and a comma behind it, unless it is empty.
func appendImage[V any](dst []byte, open string, image map[string]V, view func(V) DynamoDBValue[V]) []byte {
	if len(image) == 0 {
		return dst
	}
	return append(appendMap(append(dst, open...), image, view), ',')
}

// Size returns how many bytes Append appends for r, and how many values of it are of a
// type that is not known.
func (d *DynamoDB[V]) Size(r *DynamoDBRecord[V]) (size, unknown int) {
	size = len(openEventID) + StringSize(r.EventID) + len(openEventName) + StringSize(r.EventName) +
		len(openEventVersion) + StringSize(r.EventVersion) + len(openRegion) + StringSize(r.Region) +
		len(openDynamoDB) + len("{") + len(openSequenceNumber) + StringSize(r.SequenceNumber) +
		len(openSize) + intSize(r.SizeBytes) + len(openViewType) + StringSize(r.StreamViewType) + len("}") + len(d.tail)
	if !r.ApproximateCreationDateTime.IsZero() {
		size += len(openCreation) + intSize(r.ApproximateCreationDateTime.Unix()) + len(",")
	}
	if r.IdentityType != "" || r.PrincipalID != "" {
		size += len(openIdentity) + StringSize(r.IdentityType) + len(openPrincipal) + StringSize(r.PrincipalID) + len("}")
	}
	for _, image := range [...]struct {
		open string
		of   map[string]V
	}{{openKeys, r.Keys}, {openNewImage, r.NewImage}, {openOldImage, r.OldImage}} {
		if len(image.of) > 0 {
			size += len(image.open) + mapSize(image.of, d.view, &unknown) + len(",")
		}
	}
	return size, unknown
}

// DynamoDBMembers are the members of a record besides its body.
func DynamoDBMembers() []sources.Member {
	return append(texts("eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "eventSourceARN"),
		sources.Member{Name: "userIdentity", Kind: sources.Object, Members: texts("type", "principalId")})
}
