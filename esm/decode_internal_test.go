package esm

import (
	"strings"
	"testing"
)

// TestDecodeErrorsRepeatNoKey_P13 decodes a document with a secret as the key of a map,
// which package json has in its own errors from Go 1.27 on.
func TestDecodeErrorsRepeatNoKey_P13(t *testing.T) {
	t.Parallel()
	type event struct {
		Records []struct {
			Attributes map[string]int `json:"attributes"`
		}
	}
	_, err := decode[event]([]byte(`{"records":[{"attributes":{"hush-hush":"x"}}]}`))
	if err == nil || strings.Contains(err.Error(), "hush") || !strings.HasSuffix(err.Error(), "of member Records.attributes") {
		t.Errorf("error %v", err)
	}
}
