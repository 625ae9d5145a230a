//go:build !race

package kinesis_test

const fanScale = 1
