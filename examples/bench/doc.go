// Package bench has benchmarks of mappings against other libraries. It is a module of
// its own, so that go.sum of the library names none of them.
//
//	cd examples/bench
//	go test -run '^$' -bench . -benchtime 10x
//
// The contestants take turns in one process. The ratios are of the medians: look at
// these, since the rates are the machine's.
package bench
