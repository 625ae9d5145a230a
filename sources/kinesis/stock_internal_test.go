package kinesis

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

// A reader that begins again a little before where it was brings nothing twice.
func TestStockTakesNothingTwice(t *testing.T) {
	t.Parallel()
	for _, deaggregate := range []bool{false, true} {
		s := &Source{options: Options{Deaggregate: deaggregate}}
		p := &partition{source: s, read: checkpoint.Position{Sequence: "9"}}
		answer := func(from, to int) []types.Record {
			list := make([]types.Record, 0, to-from)
			for i := from; i < to; i++ {
				list = append(list, types.Record{SequenceNumber: new(strconv.Itoa(i))})
			}
			return list
		}
		first := 10
		if deaggregate {
			first = 9 // of which the first inside was settled
		}
		for _, test := range []struct{ from, to, first int }{{7, 12, first}, {8, 12, 12}, {11, 101, 12}, {3, 4, 101}, {99, 103, 101}} {
			p.put(answer(test.from, test.to))
			if got, want := len(p.stock.records), max(test.to-test.first, 0); got != want {
				t.Errorf("deaggregate %v: of %d to %d %d were stocked, want %d", deaggregate, test.from, test.to, got, want)
			}
		}
	}
}
