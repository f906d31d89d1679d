package autosign

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// workNotify is a message to the parent, as it stands on the agenda.
const workNotify = "notify"

// herald tells the parent of new CDS records where it wants to be told (RFC
// 9859), once all servers of the zone have them. What fails is tried again as
// long as the parent has not followed.
type herald struct {
	zone   string
	policy policy.Policy
	ask    outside
	now    func() time.Time
	tell   func(event.Event)
	plan   func(t time.Time) // has the message sent then
	told   func()            // the parent knows: it will act soon

	mu    sync.Mutex
	last  string // content of CDS that the parent was told of
	next  string // content that it is to be told of; last: none
	tries int
}

// serve takes in the key set of which a version is served since a moment.
func (h *herald) serve(set *rollover.KeySet, since time.Time) {
	if h.ask == nil || h.policy.NoParent || h.policy.ParentLocal || !h.policy.CDS || set.Pending() || since.IsZero() {
		return
	}
	content := strings.Join(set.Delegated(), " ")
	if set.Withdrawn() {
		content = "delete"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case waitsFor(set) == "": // the parent has acted on it
		h.last, h.next = content, content
	case content != h.next:
		h.next, h.tries = content, 0
		h.plan(since.Add(h.policy.ZonePropagation))
	}
}

// send tells the parent, and returns when to try again; zero: no need.
func (h *herald) send(ctx context.Context) (again time.Time) {
	content, before := h.news()
	if content == before {
		return time.Time{}
	}
	bounded, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	targets, err := h.ask.Notify(bounded, h.zone)
	if ctx.Err() != nil {
		return time.Time{}
	}
	none := errors.Is(err, parent.ErrNoTarget) || errors.Is(err, parent.ErrNoParent)
	h.mu.Lock()
	h.tries++
	if err == nil || none {
		if h.last == before { // else the parent has followed meanwhile
			h.last = content
		}
	} else {
		again = h.now().Add(min(paceOf(h.policy).first<<min(h.tries, 20), paceOf(h.policy).most))
	}
	h.mu.Unlock()
	switch {
	case err == nil:
		h.tell(event.Event{Kind: event.ParentNotified, To: strings.Join(targets, ", ")})
		h.told()
	case !none:
		h.tell(event.Event{Kind: event.NotifyFailed, Err: err, Next: again})
	}
	return again
}

// news returns what the parent is to be told of, and what it was told of before.
func (h *herald) news() (content, before string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next, h.last
}

// soon has the parent looked at in short intervals again: it has been told.
func (w *watch) soon() {
	w.mu.Lock()
	w.tries = 0
	at := w.now().Add(paceOf(w.policy).first)
	w.mu.Unlock()
	w.plan(at)
}
