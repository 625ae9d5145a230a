//go:build !race

package kinesis_test

const underRace = false
