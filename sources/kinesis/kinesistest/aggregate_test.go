package kinesistest_test

import (
	"fmt"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func ExampleAggregate() {
	server := kinesistest.New()
	defer func() { _ = server.Close() }()
	if err := server.AddStream("telemetry", 1); err != nil {
		fmt.Println(err)
		return
	}
	data := kinesistest.Aggregate(
		kinesistest.Record{Key: "device-1", Data: []byte("hello")},
		kinesistest.Record{Key: "device-2", Data: []byte("world")},
	)
	_, _, err := server.Put("telemetry", "device-1", data)
	fmt.Printf("%x... %v", data[:4], err)
	// Output:
	// f3899ac2... <nil>
}
