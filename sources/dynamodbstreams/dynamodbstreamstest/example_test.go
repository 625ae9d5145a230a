package dynamodbstreamstest_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

func Example() {
	server := dynamodbstreamstest.New()
	defer func() { _ = server.Close() }()
	arn, err := server.AddTable("orders", dynamodbstreamstest.Setup{Keys: []string{"orderId"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := map[string]types.AttributeValue{"orderId": &types.AttributeValueMemberS{Value: "o-1"}}
	change, err := server.Put("orders", key)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = server.Delete("orders", key); err != nil {
		fmt.Println(err)
		return
	}
	ctx, client := context.Background(), server.Client()
	it, err := client.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &arn, ShardId: &change.Shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The first call is too fast; it took nothing, and its iterator is still good.
	server.Inject("GetRecords", dynamodbstreamstest.Fault{Err: dynamodbstreamstest.LimitExceeded()})
	_, err = client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator})
	fmt.Println("failed:", err != nil)
	out, err := client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range out.Records {
		fmt.Println(r.EventName, r.Dynamodb.Keys["orderId"].(*types.AttributeValueMemberS).Value)
	}
	// Output:
	// failed: true
	// INSERT o-1
	// REMOVE o-1
}
