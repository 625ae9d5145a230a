package main

import (
	"bytes"
	"os"
	"testing"
)

// Which messages pass is held to FILT-110..115, and that the others are deleted
// to FILT-90.
func Example() {
	main()
	// Output:
	// passed:  {"kind":"invoice","total":100}
	// passed:  {"kind":"reminder","urgent":true}
	// passed:  {"region":["us-1","eu-3"]}
	// deleted: 6
}

// TestReadmeShowsThisCode holds the README to what is compiled and run here.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "// Pasted", "func main"
	_, rest, _ := bytes.Cut(program, []byte("\n"+begin))
	shown, _, found := bytes.Cut(rest, []byte("\n"+end))
	if !found || !bytes.Contains(readme, append([]byte("```go\n"+begin), bytes.TrimRight(shown, "\n")...)) {
		t.Errorf("README.md does not show %s… of main.go as it is", begin)
	}
}
