package dynamodbtest

import (
	"maps"
	"slices"
)

// maxPage is the most bytes that a page of a scan may have.
const maxPage = 1 << 20

type scan struct {
	onTable

	ConsistentRead    bool `json:"ConsistentRead"`
	Limit             int  `json:"Limit"`
	ExclusiveStartKey item `json:"ExclusiveStartKey"`
}

type scanAnswer struct {
	Items            []item `json:"Items"`
	Count            int    `json:"Count"`
	ScannedCount     int    `json:"ScannedCount"`
	LastEvaluatedKey item   `json:"LastEvaluatedKey,omitempty"`
}

// run gives items in the order of their keys, which is an order that the service
// does not promise.
func (r *scan) run(s *Server) (any, error) {
	t, err := s.open(r.TableName)
	if err != nil {
		return nil, err
	}
	keys := slices.Sorted(maps.Keys(t.items))
	if r.ExclusiveStartKey != nil {
		last, err := t.keyOf(r.ExclusiveStartKey)
		if err != nil {
			return nil, err
		}
		i, found := slices.BinarySearch(keys, last)
		if found {
			i++
		}
		keys = keys[i:]
	}
	answer := scanAnswer{Items: []item{}}
	size := 0
	for i, key := range keys {
		answer.Items = append(answer.Items, t.items[key])
		size += t.items[key].size()
		full := size >= maxPage || i+1 == r.Limit || i+1 == s.page
		// as in the service, the last page may be one that is full
		if full {
			answer.LastEvaluatedKey = item{t.key: t.items[key][t.key]}
			break
		}
	}
	answer.Count, answer.ScannedCount = len(answer.Items), len(answer.Items)
	return answer, nil
}
