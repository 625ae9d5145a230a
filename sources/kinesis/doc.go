// Package kinesis reads Amazon Kinesis Data Streams.
package kinesis
