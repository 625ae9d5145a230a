package dynamodb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
)

// Positions are paced unless the user wants none of it.
func TestPositionInterval(t *testing.T) {
	t.Parallel()
	client := newWorld(t).client
	for option, want := range map[time.Duration]time.Duration{
		0: time.Second, -1: 0, time.Millisecond: time.Millisecond, time.Minute: time.Minute,
	} {
		store, err := dynamodb.New(client, tableName, dynamodb.Options{PositionInterval: option})
		if err != nil {
			t.Errorf("PositionInterval %v: %v", option, err)
			continue
		}
		var paced checkpoint.Paced = store
		if got := paced.Interval(); got != want {
			t.Errorf("PositionInterval %v gives an interval of %v, want %v", option, got, want)
		}
	}
	_, err := dynamodb.New(client, tableName, dynamodb.Options{PositionInterval: 2 * time.Minute})
	if err == nil || !strings.Contains(err.Error(), "PositionInterval: 2m0s") {
		t.Errorf("PositionInterval 2m gives %v, want an error that names it", err)
	}
}
