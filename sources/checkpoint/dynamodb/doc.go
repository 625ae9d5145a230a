// Package dynamodb is a store of leases in an Amazon DynamoDB table, for any
// number of processes that share a stream.
//
//	client := dynamodb.NewFromConfig(config)
//	store, err := checkpointdynamodb.New(client, "orders-consumer", checkpointdynamodb.Options{})
//	if err != nil {
//		return err
//	}
//	if err := store.CreateTable(ctx); err != nil {
//		return err
//	}
//
// A table is for one stream and one consumer; a source of another stream refuses it,
// once a worker has taken a lease. Every write is conditional on the
// lease's owner and counter, every read is consistent. The store needs the
// permissions dynamodb:Scan, PutItem, UpdateItem and DeleteItem on the table, and
// for CreateTable also CreateTable, DescribeTable and, with tags, TagResource. A call
// that is not answered ends after 20 seconds.
//
// # The table
//
// It is laid out as the lease table of the Kinesis Client Library (KCL). It was
// compared with the source of the Java KCL (DynamoDBLeaseSerializer) as it was for
// 2.0, in the course of 2.x, and for 3.x. The attributes are the same in all, but
// the children and the hash keys came in the course of 2.x.
//
//	leaseKey                      S   Shard, the hash key
//	leaseOwner                    S   Owner; missing for nobody
//	checkpointOwner               S   CheckpointOwner, since KCL 3; missing for nobody
//	leaseCounter                  N   Counter
//	checkpoint                    S   Position.Sequence
//	checkpointSubSequenceNumber   N   Position.SubSequence
//	ownerSwitchesSinceCheckpoint  N   counted as KCL does, for its sake
//	parentShardId                 SS  Parents; missing for none
//	childShardIds                 SS  Children; missing for none
//	startingHashKey               S   StartingHashKey; missing for none
//	endingHashKey                 S   EndingHashKey; missing for none
//	openesmStream                 S   Stream; missing for none
//	openesmTimestamp              S   Position.Timestamp, RFC 3339; missing for none
//	openesmWindow                 B   Window; missing for none
//	openesmWindowEncoding         S   "gzip" if the window is compressed; missing if not
//
// An update leaves all other attributes as they are: those of KCL that this
// package does not know (throughputKBps of KCL 3, say), and yours. Only
// pendingCheckpoint and its kin go when the position moves, because they belong to the
// position before; KCL does the same. A shard moves between workers that live as with
// KCL 3: leaseOwner becomes the worker that asks for it, checkpointOwner the one that
// reads it, which goes when that one has finished. Rows whose entityType is
// not LEASE, which newer versions of KCL 3 keep in the same table, are passed
// over.
//
// # Moving over from KCL
//
// Stop every KCL worker, keep the table, which is named after the KCL
// application, and start with New on it. Each shard goes on behind its
// checkpoint; the leases of the KCL workers are taken over when they run out. A
// shard that KCL still has at LATEST or AT_TIMESTAMP has no time there. Our first
// worker stores one before anybody reads: for LATEST the moment of its start, for
// AT_TIMESTAMP the one that the source is configured to begin at, as KCL was; if it
// begins elsewhere the shard is read from its oldest record. Do not run both at once:
// each would take leases from the other. KCL's other tables, for metrics and
// coordination, are not used and can go.
//
// The way back is the same. A KCL worker ignores our attributes and finds its own,
// with these differences: a shard that is still at AT_TIMESTAMP begins where that
// worker is configured to and not at our timestamp, and cannot be read by one that
// is not configured to AT_TIMESTAMP; and the state of an open window is lost. A lease
// without a position, which no adapter makes, cannot be read by KCL. The index on
// leaseOwner that KCL 3 makes works on, because leaseOwner is never an empty text.
//
// The table of a KCL application in multi-stream mode holds several streams, and
// is refused. One of the DynamoDB Streams adapter for KCL is as any other.
//
// # Cost
//
// A busy shard makes a write a second, see [Options.PositionInterval], an idle one three
// in a lease's duration. A clean stop and a shard that moves to another worker repeat
// nothing for that; what a killed process had settled since its last write is handled
// again, which is a second more than without. Each worker scans the table twice in a lease's
// duration, and ten times while it waits for a shard that it has asked for.
//
// # Limits
//
// An item has 400 KB at most. A window of 1 KiB or more is compressed, if that makes
// it shorter, so that a state of 1 MB fits unless it is much like random bytes. One
// that does not fit is an error that names the shard, the sizes and the bounds, before
// any call is made; the shard is not settled any further then, and only a smaller state
// helps. Windows that are stored without compression are read as they are. What else is
// in an item, of KCL or yours, is not counted; where that is too much the error is the
// service's ValidationException. Sets have no order: Parents and Children come back in
// any.
//
// # Testing
//
// Package dynamodbtest is a DynamoDB in memory, for the SDK's client and for
// virtual time. The tests named TestReal run against a server whose address is in
// the environment variable OPENESM_DYNAMODB_ENDPOINT.
package dynamodb
