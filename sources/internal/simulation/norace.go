//go:build !race

package simulation

// slowdown divides the seeds that a test asks for.
const slowdown = 1
