// Package kpl takes apart the aggregated records of the Kinesis Producer Library
// (KIN-210): four magic bytes, a protobuf message, and the MD5 of that message. The
// message has
//
//	1 partition_key_table      texts
//	2 explicit_hash_key_table  texts
//	3 records                  messages:
//	    1 partition_key_index      uint64, required
//	    2 explicit_hash_key_index  uint64
//	    3 data                     bytes, required
//	    4 tags                     messages, which nobody reads
//
// Like the Kinesis Client Library, it passes over fields that it does not know, and
// of a field that must not come twice it takes the last. Unlike that library it takes
// a record whose message is not as above in any part, or has no records, for one that
// is not aggregated, instead of dropping what it cannot read.
package kpl
