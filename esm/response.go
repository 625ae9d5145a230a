package esm

import (
	"bytes"
	"encoding/json"

	"github.com/openesm/openesm/sources"
)

// parseFailures reads the identifiers out of a response by the rules of
// SQS-70..78 and KIN-153, KIN-154, KIN-160. Keys are matched exactly (SQS-85).
// recordID reads one. errResponse means that the whole batch failed.
func parseFailures(response []byte, recordID func(item []byte) (string, bool)) ([]string, error) {
	response = bytes.Trim(response, " \t\r\n") // what JSON takes for white space
	switch string(response) {
	case "", "null", `""`, "[]", "{}":
		return nil, nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(response, &object); err != nil {
		var list []json.RawMessage
		if json.Unmarshal(response, &list) == nil && len(list) == 0 {
			return nil, nil // an empty list with white space in it
		}
		return nil, errResponse
	}
	var entries []map[string]json.RawMessage
	list, ok := object["batchItemFailures"]
	if !ok {
		return nil, nil
	}
	if err := json.Unmarshal(list, &entries); err != nil {
		return nil, errResponse
	}
	ids := make([]string, len(entries))
	for i, entry := range entries {
		id, ok := recordID(entry["itemIdentifier"])
		if !ok || id == "" {
			return nil, errItemForm
		}
		ids[i] = id
	}
	return ids, nil
}

// stringID is how records are named by most sources: by their ID.
func stringID(item []byte) (string, bool) {
	var id string // null leaves it empty, which names nothing
	err := json.Unmarshal(item, &id)
	return id, err == nil
}

// markFailed sets failed[i] for each record named in ids and returns how many
// records that are. An identifier that names no record is errResponse (SQS-77).
func markFailed(failed []bool, records []sources.Record, ids []string) (int, error) {
	clear(failed)
	if len(ids) == 0 {
		return 0, nil
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		seen[id] = false
	}
	count := 0
	for i := range records {
		if _, named := seen[records[i].ID]; named {
			seen[records[i].ID] = true
			failed[i] = true
			count++
		}
	}
	for _, found := range seen {
		if !found {
			return 0, errNoRecord
		}
	}
	return count, nil
}
