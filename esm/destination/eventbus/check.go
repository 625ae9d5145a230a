package eventbus

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

var _ esm.Checker = (*Destination)(nil)

// describer is what a client needs for the check; *eventbridge.Client has it.
type describer interface {
	DescribeEventBus(ctx context.Context, in *eventbridge.DescribeEventBusInput,
		options ...func(*eventbridge.Options)) (*eventbridge.DescribeEventBusOutput, error)
}

// Check asks for the bus, and tells that it does not exist. Who lacks the permission
// events:DescribeEventBus may still put events.
func (d *Destination) Check(ctx context.Context) error {
	client, ok := d.client.(describer)
	if !ok {
		return nil
	}
	_, err := awscall.Do(ctx, awscall.Limit, client.DescribeEventBus, &eventbridge.DescribeEventBusInput{Name: &d.bus}, once)
	if err == nil || awscall.IsDenied(err) {
		return nil
	}
	failed := &awscall.Error{Service: "events", Operation: "DescribeEventBus", Target: "bus " + d.bus, Err: err}
	if awscall.Code(err) == "ResourceNotFoundException" {
		return target.Unusable(failed)
	}
	return failed
}
