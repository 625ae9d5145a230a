package filter_test

import (
	"fmt"

	"github.com/openesm/openesm/esm/filter"
)

// A pattern is pasted as it stands in the AWS console, here one for SQS: the
// messages of records 1000 and above that are not a test.
func ExampleCompile() {
	pattern := `
{
    "body": {
        "RecordNumber": [ { "numeric": [ ">=", 1000 ] } ],
        "RequestCode": [ { "anything-but": [ "TEST" ] } ]
    }
}`
	criteria, err := filter.Compile([]string{pattern}, filter.Body{Key: "body", Text: true}, filter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, body := range []string{
		`{"RecordNumber": 1001, "TimeStamp": "2026-01-01T10:00:00", "RequestCode": "AAAA"}`,
		`{"RecordNumber": 1001, "TimeStamp": "2026-01-01T10:00:00", "RequestCode": "TEST"}`,
		`{"RecordNumber": "1001", "RequestCode": "AAAA"}`,
		`record 1001`,
	} {
		fmt.Println(criteria.Match([]byte(body), nil), body)
	}
	// Output:
	// true {"RecordNumber": 1001, "TimeStamp": "2026-01-01T10:00:00", "RequestCode": "AAAA"}
	// false {"RecordNumber": 1001, "TimeStamp": "2026-01-01T10:00:00", "RequestCode": "TEST"}
	// false {"RecordNumber": "1001", "RequestCode": "AAAA"}
	// false record 1001
}

// The errors say which filter is wrong, and where.
func ExampleCompile_errors() {
	_, err := filter.Compile([]string{
		`{"body": {"city": "Espoo"}}`,
		`{"body": {"city": [{"startsWith": "E"}]}}`,
		`{"body": {"temperature": [{"numeric": ["<", 10, ">", 0]}]}}`,
	}, filter.Body{Key: "body", Text: true}, filter.Options{})
	fmt.Println(err)
	// Output:
	// the pattern of filter 1: body.city: must be an array or an object
	// the pattern of filter 2: body.city: startsWith: is no operator
	// the pattern of filter 3: body.temperature: numeric: two terms are a lower bound and an upper one, not "<" and ">"
}

// A pattern for DynamoDB Streams names the type letters of the attributes. The
// event name is metadata: an adapter appends it if a pattern asks for it.
func ExampleCriteria_Match_dynamodb() {
	pattern := `{ "eventName": [ "INSERT", "MODIFY" ],
  "dynamodb": { "NewImage": { "city": { "S": [ { "prefix": "Esp" } ] }, "deleted": { "BOOL": [ { "exists": false } ] } } } }`
	criteria, err := filter.Compile([]string{pattern}, filter.Body{Key: "dynamodb"}, filter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	record := func(eventName, image string) bool {
		return criteria.Match([]byte(`{"NewImage":`+image+`}`), func(dst []byte) []byte {
			return append(append(append(dst, `{"eventName":"`...), eventName...), `"}`...)
		})
	}
	fmt.Println(record("INSERT", `{"id":{"N":"7"},"city":{"S":"Espoo"}}`))
	fmt.Println(record("REMOVE", `{"id":{"N":"7"},"city":{"S":"Espoo"}}`))
	fmt.Println(record("MODIFY", `{"id":{"N":"7"},"city":{"S":"Espoo"},"deleted":{"BOOL":true}}`))
	// Output:
	// true
	// false
	// false
}

// On Kafka and MQ a pattern may be about plain text, and a value of the other
// form passes.
func ExampleCriteria_Match_kafka() {
	pattern := `{ "value": [ { "prefix": "ERROR" }, { "suffix": "failed" } ] }`
	criteria, err := filter.Compile([]string{pattern}, filter.Body{Key: "value", Text: true, KeepMismatch: true}, filter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, value := range []string{"ERROR: no space left", "backup failed", "INFO: started", `{"level":"INFO"}`} {
		fmt.Println(criteria.Match([]byte(value), nil), value)
	}
	// Output:
	// true ERROR: no space left
	// true backup failed
	// false INFO: started
	// true {"level":"INFO"}
}

// With $or a pattern chooses between members.
func ExampleCriteria_Match_or() {
	pattern := `{
  "data": {
    "City": [ "Espoo" ],
    "$or": [
      { "Temperature": [ { "numeric": [ "<", -20 ] } ] },
      { "Wind": { "Speed": [ { "numeric": [ ">=", 21 ] } ] } }
    ]
  }
}`
	criteria, err := filter.Compile([]string{pattern}, filter.Body{Key: "data"}, filter.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(criteria.Match([]byte(`{"City": "Espoo", "Temperature": -25.5}`), nil))
	fmt.Println(criteria.Match([]byte(`{"City": "Espoo", "Temperature": 3, "Wind": {"Speed": 24}}`), nil))
	fmt.Println(criteria.Match([]byte(`{"City": "Oulu", "Temperature": -30}`), nil))
	// Output:
	// true
	// true
	// false
}
