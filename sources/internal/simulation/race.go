//go:build race

package simulation

// slowdown divides the seeds that a test asks for: the race detector makes each
// of them that much slower.
const slowdown = 8
