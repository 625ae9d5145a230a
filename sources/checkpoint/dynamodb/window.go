package dynamodb

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// worthPacking is how long a window must be to be compressed.
	worthPacking = 1 << 10

	// maxWindow is the longest window in bytes, whatever it is compressed to. Its
	// state is 1 MB at most.
	maxWindow = 16 << 20

	// maxItem is the most bytes that an item may have.
	maxItem = 400 << 10

	gzipEncoding = "gzip"
)

var errLong = fmt.Errorf("it is longer than %d bytes", maxWindow)

// packer compresses windows. The zero value is ready.
type packer struct {
	writers sync.Pool
}

// pack returns the attributes of a lease's window, and an error if it is too large to
// be stored.
func (p *packer) pack(l *checkpoint.Lease) ([]attribute, error) {
	list := []attribute{{ownWindow, nil}, {ownWindowEncoding, nil}}
	if len(l.Window) == 0 {
		return list, nil
	}
	stored := l.Window
	if len(l.Window) >= worthPacking && len(l.Window) <= maxWindow {
		packed, err := p.compress(l.Window)
		if err != nil {
			return nil, fmt.Errorf("lease %q: Window: %w", l.Shard, err)
		}
		if len(packed) < len(stored) {
			stored, list[1].value = packed, text(gzipEncoding)
		}
	}
	list[0].value = &types.AttributeValueMemberB{Value: stored}
	if size := itemSize(l.Shard, append(attributes(l), list...)); size > maxItem || len(l.Window) > maxWindow {
		return nil, fmt.Errorf("lease %q: Window has %d bytes, as stored %d, which makes an item of %d bytes; "+
			"a window may have %d, and an item of DynamoDB %d", l.Shard, len(l.Window), len(stored), size, maxWindow, maxItem)
	}
	return list, nil
}

func (p *packer) compress(window []byte) ([]byte, error) {
	w, ok := p.writers.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(nil, gzip.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer p.writers.Put(w)
	var packed bytes.Buffer
	w.Reset(&packed)
	_, err := w.Write(window)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

// unpack is a window as it was before pack.
func unpack(stored []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return stored, nil
	case gzipEncoding:
	default:
		return nil, fmt.Errorf("%q is not known; a newer release may have written it", encoding)
	}
	r, err := gzip.NewReader(bytes.NewReader(stored))
	if err != nil {
		return nil, err
	}
	window, err := io.ReadAll(io.LimitReader(r, maxWindow+1))
	if err == nil && len(window) > maxWindow {
		err = errLong
	}
	return window, err
}

// itemSize is how many bytes an item with these attributes has, by the rules of the
// service, or a few less.
func itemSize(shard string, list []attribute) int {
	size := len(leaseKey) + len(shard) + len(ownerSwitches) + 1
	for _, a := range list {
		if a.value != nil {
			size += len(a.name)
		}
		switch v := a.value.(type) {
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		case *types.AttributeValueMemberB:
			size += len(v.Value)
		case *types.AttributeValueMemberN:
			size += len(v.Value)/2 + 1 //nolint:mnd // two digits take a byte
		case *types.AttributeValueMemberSS:
			for _, s := range v.Value {
				size += len(s)
			}
		}
	}
	return size
}
