package main

import (
	"strings"
	"testing"
)

func TestPoisonBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"20 orders go to an embedded RabbitMQ", "openesm-orders::/: handled order", "dead letters: order 13",
		"20 orders go to an embedded ActiveMQ", "openesm-orders: handled order",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
}
