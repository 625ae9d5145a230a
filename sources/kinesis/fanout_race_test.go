//go:build race

package kinesis_test

// fanScale divides what tests with the race detector do, which is ten times slower.
const fanScale = 4
