package sourcetest

import "slices"

// testCase is one rule of the contract. rule is what is printed when it does
// not hold, concerns tells the kinds of source that it is a rule for.
type testCase struct {
	name, rule string
	run        func(p *probe)
	concerns   func(k *kind) bool
}

// cases returns all cases, simple rules first.
func cases() []testCase {
	return slices.Concat(traitCases(), recordCases(), filterCases(), waitCases(), cancelCases(), settleCases(),
		releaseCases(), orderCases(), partitionCases(), windowCases(), endCases(),
		revokeCases(), hangCases())
}
