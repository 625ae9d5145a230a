// Package wiretest holds wire fakes to what all of them promise: faults, the
// gate, the protocol of answers and errors, and Close at any moment. A fake's
// tests call it with calls of their own.
package wiretest
