// Package wirefake holds what the wire fakes of AWS services share: reading a
// request, counting calls, and choosing what goes wrong with each of them.
package wirefake
