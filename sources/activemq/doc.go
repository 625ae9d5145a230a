// Package activemq reads a queue of Apache ActiveMQ, such as one of Amazon MQ.
package activemq
