// Package broker is what the adapters of message brokers share: who logs in, and where.
package broker
