package autosign

import (
	"errors"
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// retries plans when a pass that failed is tried again: later with each failure,
// up to a bound.
type retries struct {
	tried int       // failures in a row
	at    time.Time // of the next try
	told  string    // the last failure
}

// fail takes a failure in and returns when to try again. News is false where the
// same has failed again before its time, because something else had the zone
// worked on: it was told already, and the next try stays where it is.
func (r *retries) fail(err error, now time.Time) (at time.Time, news bool) {
	if err.Error() == r.told && now.Before(r.at) {
		return r.at, false
	}
	r.at = now.Add(min(time.Second<<min(r.tried, 10), 10*time.Minute))
	r.told = err.Error()
	r.tried++
	return r.at, true
}

// succeed forgets what failed.
func (r *retries) succeed() { *r = retries{} }

// tellFailed tells of a pass that failed, and when it is tried again.
func (s *signer) tellFailed(err error, retry time.Time) {
	if errors.Is(err, errStore) {
		s.tell(event.Event{Kind: event.StoreFailed, Err: err, Reason: reason(err), Next: retry})
	}
	e := event.Event{Kind: event.Refused, Err: err, Reason: reason(err), Next: retry}
	if v := s.served.Load(); v != nil {
		e.Serial, e.Why = v.signed.Serial, fmt.Sprintf("serial %d is served on", v.signed.Serial)
	}
	s.tell(e)
}

// reason is the word for an error in metrics.
func reason(err error) string {
	for _, r := range []struct {
		err  error
		word string
	}{
		{errStore, "state"}, {errRefused, "verify"}, {zone.ErrDoubledOrigin, "change"},
		{zone.ErrMassRemoval, "change"}, {source.ErrNotLoaded, "source"}, {errSource, "source"}, {errKeys, "keys"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "sign"
}
