// Package checkpointtest holds a store of leases to the contract of package
// checkpoint.
//
//	func TestConformance(t *testing.T) {
//		checkpointtest.Run(t, func(t testing.TB) checkpointtest.Harness {
//			return checkpointtest.Harness{Store: checkpoint.NewMemory()}
//		})
//	}
//
// Each case is a subtest with a store of its own, and prints the rule that was
// broken. Cases run in parallel.
package checkpointtest
