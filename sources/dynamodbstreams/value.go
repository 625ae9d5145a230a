package dynamodbstreams

import (
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// value is an attribute's value as the event document has it.
type value = eventjson.DynamoDBValue[types.AttributeValue]

// viewOf tells what a value of the SDK is. One of a kind that the SDK does not know is
// nil there.
func viewOf(of types.AttributeValue) value {
	switch v := of.(type) {
	case *types.AttributeValueMemberS:
		return value{Kind: eventjson.DynamoDBS, Text: v.Value}
	case *types.AttributeValueMemberN:
		return value{Kind: eventjson.DynamoDBN, Text: v.Value}
	case *types.AttributeValueMemberB:
		return value{Kind: eventjson.DynamoDBB, Bytes: v.Value}
	case *types.AttributeValueMemberBOOL:
		return value{Kind: eventjson.DynamoDBBOOL, Bool: v.Value}
	case *types.AttributeValueMemberNULL:
		return value{Kind: eventjson.DynamoDBNULL}
	case *types.AttributeValueMemberM:
		return value{Kind: eventjson.DynamoDBM, Map: v.Value}
	case *types.AttributeValueMemberL:
		return value{Kind: eventjson.DynamoDBL, List: v.Value}
	case *types.AttributeValueMemberSS:
		return value{Kind: eventjson.DynamoDBSS, Texts: v.Value}
	case *types.AttributeValueMemberNS:
		return value{Kind: eventjson.DynamoDBNS, Texts: v.Value}
	case *types.AttributeValueMemberBS:
		return value{Kind: eventjson.DynamoDBBS, Blobs: v.Value}
	default:
		return value{}
	}
}
