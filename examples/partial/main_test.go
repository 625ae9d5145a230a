package main

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"

	"github.com/openesm/openesm/sources/memory"
)

func TestPoisonEndsInTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deadLetters := memory.NewQueue(memory.QueueOptions{})
		queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 3, DeadLetter: deadLetters})
		queue.Send("good")
		queue.Send("poison")
		queue.End()
		mapping, err := newMapping(queue.Source())
		if err != nil {
			t.Fatal(err)
		}
		if err := mapping.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := deadLetters.Bodies(); len(got) != 1 || got[0] != "poison" {
			t.Errorf("dead letters: %v", got)
		}
	})
}

// TestReadmeShowsThisCode holds the README to what is compiled and run here.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, bounds := range map[string][2]string{
		"main.go":      {"func handle(", "}\n\nfunc newMapping"},
		"main_test.go": {"func TestPoison", "// TestReadme"},
	} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(code, []byte("\n"+bounds[0]))
		shown, _, found := bytes.Cut(rest, []byte("\n"+bounds[1]))
		if !found || !bytes.Contains(readme, append([]byte("```go\n"+bounds[0]), bytes.TrimSpace(shown)...)) {
			t.Errorf("README.md does not show %s… of %s as it is", bounds[0], file)
		}
	}
}
