package sourcetest

import "slices"

// testCase is one rule of the contract. rule is what is printed when it does
// not hold.
type testCase struct {
	name, rule string
	run        func(p *probe)
}

// cases returns all cases, simple rules first.
func cases() []testCase {
	return slices.Concat(traitCases(), recordCases(), waitCases(), cancelCases(), settleCases(),
		releaseCases(), orderCases(), partitionCases(), endCases())
}
