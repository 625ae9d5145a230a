package file

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// role is the environment variable that has the test binary be another process:
// see process_test.go.
const role = "OPENESM_FILE_TEST_ROLE"

func TestMain(m *testing.M) {
	if play := os.Getenv(role); play != "" {
		os.Exit(child(play))
	}
	goleak.VerifyTestMain(m)
}
