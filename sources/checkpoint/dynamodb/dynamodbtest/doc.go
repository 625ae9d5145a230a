// Package dynamodbtest is a fake of Amazon DynamoDB for tests of stores of
// leases, and of programs that keep their leases there: a server in memory that
// speaks the service's wire protocol to the real SDK client, and misbehaves on
// demand.
//
//	server := dynamodbtest.New()
//	defer server.Close()
//	client := server.Client()
//
// It needs no network, works in a [testing/synctest] bubble, and starts no
// goroutine that outlives Close.
//
// # What it does
//
// Tables with a hash key and no indexes: CreateTable, DescribeTable, PutItem,
// UpdateItem, DeleteItem and Scan. Conditions are made of attribute_exists,
// attribute_not_exists, equality, AND, OR and parentheses; updates of SET to a
// value, REMOVE, and ADD of a number. Attributes are named by placeholders,
// every placeholder must be used, sets must have members and none twice, an item
// has 400 KB at most, and a page of a scan 1 MB: as in the service. What it does
// not know it refuses, so that no condition passes by mistake.
//
// A string set comes back sorted, because the service keeps no order either.
// Signatures, permissions and capacity are not checked.
//
// # What goes wrong
//
// [Server.Inject] gives faults to the next calls of an action, one each;
// [Server.SetFault] has a function choose one for every call. A [Fault] is an
// error, a connection that is cut before or after the call took effect, or a late
// answer.
package dynamodbtest
