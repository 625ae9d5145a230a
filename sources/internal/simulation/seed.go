package simulation

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
)

//nolint:gochecknoglobals // flags of the test binary
var (
	flagSeeds = flag.Uint64("simulation.seeds", 0, "how many seeds to simulate of each kind; 0 means what the test says")
	flagFirst = flag.Uint64("simulation.first", 0, "the first seed; 0 means what $"+firstVariable+" says")
	flagSeed  = flag.Int64("simulation.seed", -1, "simulate this seed only, and print its history")
	flagCatch = flag.Bool("simulation.catch", false, "name the first promise that a seed breaks and do no more, for .ci/mutants")
	flagFor   = flag.Duration("simulation.for", 0, "simulate seeds of each kind for so long")
)

// firstVariable is the flag for `go test ./...`, where some packages do not have it.
const firstVariable = "SIMULATION_FIRST"

// firstSeed is the first seed. The variable is read while tests run, so that results of
// other seeds are not taken from the cache.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv(firstVariable)
	if *flagFirst > 0 || text == "" {
		return *flagFirst
	}
	first, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s is no seed: %v", firstVariable, err)
	}
	return first
}

// keptFile has the seeds of a kind that failed once, in the package that simulates it.
func keptFile(kind Kind) string { return "testdata/seeds/" + kind.Name }

// kept are the seeds that failed once and are always simulated: lines of a file that
// begin with one and go on with what it broke. What a seed draws may change with the
// simulation; the models' corpus has whole scenarios.
func kept(t *testing.T, kind Kind) []uint64 {
	t.Helper()
	text, err := os.ReadFile(keptFile(kind))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var seeds []uint64
	for line := range strings.Lines(string(text)) {
		number, why, _ := strings.Cut(strings.TrimSpace(line), " ")
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil || why == "" {
			t.Fatalf("%s: %q is not a seed and what it broke", keptFile(kind), line)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// advice is what to do with a seed that failed.
func advice(t *testing.T, kind Kind, seed uint64) string {
	t.Helper()
	return fmt.Sprintf("replay: go test -run '^%s$' -simulation.seed=%d\nkeep: a line \"%d and what it broke\" in %s",
		strings.ReplaceAll(t.Name(), "/", "$/^"), seed, seed, keptFile(kind))
}
