package dynamodbstreams_test

import (
	"context"
	"errors"
	"sync/atomic"

	awsstreams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
)

var errStoreDown = errors.New("store is down")

// cutStore is a store that is out of reach while dead.
type cutStore struct {
	checkpoint.Store

	dead *atomic.Bool
}

func (s *cutStore) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if s.dead.Load() {
		return nil, errStoreDown
	}
	return s.Store.Leases(ctx)
}

func (s *cutStore) Create(ctx context.Context, l checkpoint.Lease) error {
	if s.dead.Load() {
		return errStoreDown
	}
	return s.Store.Create(ctx, l)
}

func (s *cutStore) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if s.dead.Load() {
		return errStoreDown
	}
	return s.Store.Update(ctx, last, next)
}

func (s *cutStore) Delete(ctx context.Context, last checkpoint.Lease) error {
	if s.dead.Load() {
		return errStoreDown
	}
	return s.Store.Delete(ctx, last)
}

func (*world) newStore() checkpoint.Store { return checkpoint.NewMemory() }

// sourceOn is source with another store.
func (w *world) sourceOn(store checkpoint.Store, options dynamodbstreams.Options) *dynamodbstreams.Source {
	w.t.Helper()
	client := w.Client(func(o *awsstreams.Options) {
		if options.Worker != "" {
			o.BaseEndpoint = new("http://" + options.Worker + ".test")
		}
	})
	source, err := dynamodbstreams.New(client, w.arn, store, options)
	w.must(err)
	return source
}
