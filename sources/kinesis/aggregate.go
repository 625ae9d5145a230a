package kinesis

import (
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// unpack appends the records that are aggregated in one, or that itself.
func unpack(dst []Record, from *types.Record) []Record {
	return append(dst, Record{Record: *from, Last: true})
}
