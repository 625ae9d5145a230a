package main

import (
	"strings"
	"testing"
)

// The projection holds over a restart. Positions are in a file, so that time is real
// here; nothing depends on how fast it passes.
func TestTheProjectionIsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, t.TempDir()); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"process 1 starts\n", "process 2 starts\n", "a shard splits\n", "a shard rolls over\n",
		"customer-0 ", "customer-4 ", "The projection is what the table says\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
