// Package filter decides which records reach the handler, by the patterns of
// AWS Lambda's FilterCriteria.
//
//	criteria, err := filter.Compile([]string{
//		`{"body": {"kind": ["invoice"], "total": [{"numeric": [">=", 100]}]}}`,
//	}, filter.Body{Key: "body", Text: true}, filter.Options{})
//
//	if criteria.Match(body, metadata) {
//		// the record goes into the batch
//	}
//
// # Patterns
//
// A pattern is the text of a JSON object, as it stands in the AWS console or in
// a template (FILT-01). It names members of the record; for each it has an
// array with what the value may be, or an object with members in turn. Members
// are and, the values of an array are or, and so are the filters of a mapping
// (FILT-04). "$or" is or between members (FILT-34).
//
//	"x", 1, true, null                  the value itself
//	{"equals-ignore-case": "x"}
//	{"prefix": "x"}, {"suffix": "x"}
//	{"anything-but": "x"}, ["x", "y"]   also numbers; the member must be there
//	{"numeric": [">", 0, "<=", 5]}      numbers only, not texts of digits
//	{"exists": true}, false             of values; an object is none (FILT-44)
//
// Compile refuses anything else, and what Options.Extensions stands for unless
// it is set.
//
// # How values compare
//
// Texts compare by their characters, after JSON's escapes (FILT-20). Numbers
// compare by value, as doubles: 300, 300.0 and 3.0e2 are equal. AWS's guide says
// they are not; the matcher that AWS published, and EventBridge, say they are
// (FILT-40). A number that no double holds equals nothing.
//
// An array passes if one of its values does, however deep arrays nest
// (FILT-43); one without values is absent. Where an array has objects, all
// members that a pattern asks for must come from the same object (FILT-45).
// There exists:false speaks of the object that the others come from, or of all
// of them if a pattern asks for nothing else in there.
//
// A dot in a name is an ordinary character (FILT-47). In a pattern the last of
// several members with one name counts, in a document the first, so that a
// document needs to be read no further than to the decision.
//
// # Text and JSON
//
// An object under the key of the body asks for JSON, an array for plain text
// (FILT-70). JSON is what RFC 8259 says, in UTF-8, an object or an array
// (FILT-71), nested at most 10,000 deep; every other body is text, or nothing
// at all if it is not UTF-8. What becomes of a body of the other form differs
// between sources, see Body.KeepMismatch.
//
// A body is read once, from its beginning, and what no pattern asks for is
// skipped. Where a mismatch drops the record, reading ends as soon as no
// pattern can match; where it keeps the record, as soon as one has matched. In
// the other case the rest is read to learn whether the body is JSON.
//
// # What a source supplies
//
// A kind of source is one value of [Body]:
//
//	SQS               {Key: "body", Text: true}
//	Kinesis           {Key: "data"}
//	DynamoDB Streams  {Key: "dynamodb"}
//	Kafka             {Key: "value", Text: true, KeepMismatch: true}
//	MQ                {Key: "data", Text: true, KeepMismatch: true}
//
// For each record it supplies the body as it is meant: the message of SQS, the
// payload of Kinesis, Kafka and MQ without base64, the JSON of the member
// "dynamodb" of DynamoDB Streams, with numbers in type wrappers as texts
// (FILT-58) and ApproximateCreationDateTime as a number (FILT-59).
//
// The other members are the metadata, one JSON object, built only when a
// pattern names one of them, and of those members only:
//
//	SQS               messageId, receiptHandle, attributes, messageAttributes,
//	                  md5OfBody, eventSource, eventSourceARN, awsRegion
//	Kinesis           partitionKey, sequenceNumber, approximateArrivalTimestamp,
//	                  kinesisSchemaVersion, encryptionType, and what stands beside
//	                  "kinesis" in the event document
//	DynamoDB Streams  eventName and what else stands beside "dynamodb"
//	Kafka             topic, partition, offset, timestamp, timestampType, key, headers
//	MQ                all but data
//
// They stand at the top level, not within "kinesis" (FILT-57). AWS's guide says
// that the body's key alone can be filtered, yet others were seen to work, what
// its pollers add among them; a member of the record is matched (FILT-55,
// FILT-56). Where Body.Members says what there is, a pattern that could never match
// for asking for something else is refused: for another member, for members of a
// text or a number, for an object as if it were a value, for a number where there
// is a text. With "$or" another member is refused in every alternative, and a value
// of another kind only if no alternative is left.
//
// The key of a Kafka record and the values of its headers are as its value is:
// an object or array if they are JSON, otherwise a text, and bytes that are not
// UTF-8 stand in it as U+FFFD. The headers are one object by their names, and one
// of several with a name matches if any does:
//
//	{"headers": {"kind": ["invoice"], "tenant": [{"prefix": "eu-"}]}}
//
// What becomes of records that do not match is the engine's affair.
package filter
