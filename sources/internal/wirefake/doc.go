// Package wirefake is what the wire fakes of AWS services share: a [Server]
// that reads a call, has it pass the gate or chooses what goes wrong with it, has
// it take effect, and writes the answer. A fake adds its state and its verbs,
// which it tells of in a [Service], and documents what its users call.
//
// Package wiretest holds such a fake to what they all promise.
package wirefake
