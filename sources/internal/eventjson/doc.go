// Package eventjson writes the event documents that Lambda hands to a function,
// by appending to a byte slice: no reflection, no maps, no allocation but the
// growth of the slice. For every document there is a type that is built once
// for a source and then appends records, and tells to the byte how long a
// record will be (ESM-39, ESM-40).
//
// An append may write on all of the slice's capacity, also behind what it
// returns. Everything here may be used concurrently; nothing is kept.
package eventjson
