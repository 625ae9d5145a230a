package sqs

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
)

// TestBacklogOfOddAnswers is not known where the answer does not tell it.
func TestBacklogOfOddAnswers_P15(t *testing.T) {
	t.Parallel()
	var b backlog
	for _, attributes := range []map[string]string{
		nil,
		{"ApproximateNumberOfMessages": "", "ApproximateNumberOfMessagesDelayed": "-1", "ApproximateNumberOfMessagesNotVisible": "many"},
	} {
		b.count(map[string]string{"ApproximateNumberOfMessages": "7"})
		b.count(attributes)
		if told := b.measure(nil); len(told) != 0 {
			t.Errorf("%v: %+v", attributes, told)
		}
	}
}

// TestOldestReceived is the oldest one since it was told last.
func TestOldestReceived(t *testing.T) {
	t.Parallel()
	var b backlog
	for _, age := range []time.Duration{time.Second, time.Minute, -time.Second} {
		b.received(age)
	}
	want := sources.Measure{Name: AgeOfOldestReceivedMessage, Duration: time.Minute}
	if told := b.measure(nil); len(told) != 1 || told[0] != want {
		t.Errorf("told %+v, want %+v", told, want)
	}
	if told := b.measure(nil); len(told) != 0 {
		t.Errorf("told again: %+v", told)
	}
}
