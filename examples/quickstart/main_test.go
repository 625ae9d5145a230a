package main

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestTheAccountAddsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"sent            300",
			"received        310", // five poison messages, three times each
			"handled       295",
			"retried        10",
			"dead-lettered   5",
			"deleted         295  of 295",
			"closed by BatchSize",
			"closed by the window",
			"poison 60 (receive 3 of 3)",
			"It adds up",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the output has no %q", want)
			}
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
}
