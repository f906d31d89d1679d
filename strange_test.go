package autosign

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// What the zone's servers show is asked for until one tells, and only what all
// of them tell speaks for the state again.
func TestWatch_SilenceDoesNotSpeakForTheState(t *testing.T) {
	stranger, _ := key.New(policy.KSK, policy.ED25519, newPublic(t))
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, _ := p.delegated(t, r)
		s.loop.stop()
		r.change(func() { r.keys, r.keysErr = [][]byte{stranger.DNSKEY()}, parent.ErrUnreachable })
		s = p.attended(t, r)
		defer s.loop.stop()
		if why := s.watch.stranger(); why != "" {
			t.Fatalf("strange, though no server told: %s", why)
		}
		r.change(func() { r.keysErr = nil })
		wait(t, "seeing the strange key", 7*time.Hour, func() bool { return s.watch.stranger() != "" })
		r.change(func() { r.keysErr = parent.ErrUnreachable })
		time.Sleep(day)
		synctest.Wait()
		if s.watch.stranger() == "" {
			t.Error("the state is trusted again, though no server told")
		}
		r.change(func() { r.keys, r.keysErr = nil, nil })
		wait(t, "trusting the state again", 2*time.Hour, func() bool { return s.watch.stranger() == "" })
	})
}

// Servers of the parent that were found and do not answer tell nothing.
func TestTake_SilentServersDoNotAnswer(t *testing.T) {
	now := time.Now()
	w := &watch{zone: "example.org.", policy: policy.Default(), ask: newUpper(), now: time.Now, tell: func(event.Event) {}, wake: func() {}}
	w.begin(now, true)
	w.take(parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a.", Err: parent.ErrUnreachable}}}, nil)
	if v := w.sight(now); v.unsure == "" {
		t.Error("what is remembered of the parent counts, though no server answered")
	}
	w.take(parent.Look{Zone: "org.", Servers: []parent.Server{{Name: "a."}, {Name: "b.", Err: parent.ErrUnreachable}}}, nil)
	if v := w.sight(now); v.unsure != "" {
		t.Error(v.unsure)
	}
}
