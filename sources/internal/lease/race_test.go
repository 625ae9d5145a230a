//go:build race

package lease

// slower is how many times less the tests do under the race detector.
const slower = 5
