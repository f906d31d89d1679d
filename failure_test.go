package autosign

import (
	"errors"
	"testing"
	"time"
)

// What prompts a pass before its time, a look at the parent each second say, does
// not tell a failure again, nor put the next try off.
func TestRetries_TheSameFailureIsToldOnceATry(t *testing.T) {
	var r retries
	full, away := errors.New("disk full"), errors.New("disk away")
	start := time.Now()
	for _, c := range []struct {
		after time.Duration
		err   error
		next  time.Duration // of the next try, from the start
		news  bool
	}{
		{0, full, time.Second, true},
		{500 * time.Millisecond, full, time.Second, false},
		{time.Second, full, 3 * time.Second, true},
		{2 * time.Second, away, 6 * time.Second, true},
		{5 * time.Second, away, 6 * time.Second, false},
		{time.Hour, away, time.Hour + 8*time.Second, true},
	} {
		at, news := r.fail(c.err, start.Add(c.after))
		if got := at.Sub(start); got != c.next || news != c.news {
			t.Errorf("%s after %s: next after %s, told %v; want %s, %v", c.err, c.after, got, news, c.next, c.news)
		}
	}
	r.succeed()
	if at, news := r.fail(away, start); at.Sub(start) != time.Second || !news {
		t.Error("a success is not the end of a failure")
	}
}
