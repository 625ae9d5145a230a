// Package sourcetest holds the rules of the source contract as a test suite,
// so that an adapter's author writes a [Harness] and one call:
//
//	func TestConformance(t *testing.T) {
//		t.Parallel()
//		sourcetest.Run(t, func(t *testing.T) sourcetest.Harness { ... })
//	}
//
// Every case that concerns the kind of source is a subtest of its own, runs
// alone on a source of its own, and says which rule of package sources was
// broken. None is skipped unless [Harness.Skip] names it; what a server
// does otherwise than its service is named in [Harness.LeftOut], with the
// reason. [RunInBubbles] runs the same
// cases in bubbles of testing/synctest, where time is virtual: for sources in
// memory and for adapters whose service is faked in memory.
//
// [Faulty] wraps any source and breaks its calls as the test wants it, for
// tests of what reads the source.
package sourcetest
