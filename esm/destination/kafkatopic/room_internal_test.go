package kafkatopic

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r room
		enter := func(alone bool) func() {
			leave, err := r.enter(t.Context(), alone)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		first, second := enter(false), enter(false)
		time.AfterFunc(time.Second, first)
		time.AfterFunc(2*time.Second, second)
		began := time.Now()
		go func() {
			time.Sleep(time.Millisecond)
			enter(false)() // after the one that is alone
			if took := time.Since(began); took != 5*time.Second {
				t.Errorf("another one came in after %v, want 5s", took)
			}
		}()
		leave := enter(true)
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("alone after %v, want 2s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := r.enter(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want one of a deadline", err)
		}
		leave()
		synctest.Wait()
		enter(true)()
	})
}

// TestRoomOfWhatIsUnderWay is alone when the messages of those who left are answered.
func TestRoomOfWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r room
		leave, err := r.enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			r.send()
			time.AfterFunc(time.Duration(1+i)*time.Second, r.answered)
		}
		leave()
		began := time.Now()
		leave, err = r.enter(t.Context(), true)
		if took := time.Since(began); err != nil || took != 2*time.Second {
			t.Fatalf("alone after %v, want 2s: %v", took, err)
		}
		leave()
	})
}
