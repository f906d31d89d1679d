package autosign

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// noteTimes has the key store say of each key what has become of it: since when
// it is published and signs, and since when no more. The state does not need
// that. But if it is lost, or another view or another program takes the keys over,
// then a key that was retired, since it was stolen perhaps, must not come back.
func (s *signer) noteTimes(ctx context.Context, doc *state.Document, m moment) {
	w, ok := s.box.store.(keystore.TimingWriter)
	if !ok || s.box.away != nil || !m.frozen.IsZero() {
		return
	}
	for i := range doc.KeySet.Keys {
		k := &doc.KeySet.Keys[i]
		e, err := find(s.box.known, k)
		if err != nil || e.PublicOnly || k.Foreign {
			continue
		}
		t := timesOf(k, e, s.box.others.uses(k.ID), m.key)
		if t == e.Timing {
			continue
		}
		if err := w.WriteTiming(ctx, s.zone, k.ID, t); err != nil {
			s.warnOnce(fmt.Sprintf("the key store does not say what has become of a key, which matters if the state is lost: %v", err))
			continue
		}
		s.box.known = slices.Clone(s.box.known)
		at := slices.IndexFunc(s.box.known, func(o keystore.Entry) bool { return o.ID == k.ID })
		s.box.known[at].Timing, s.box.known[at].HasTiming, s.box.known[at].State = t, true, nil
	}
}

// timesOf returns the times that a key's entry in the key store is to have. What
// another signer has written stays until something else is true. A key that
// another view uses is not over.
func timesOf(k *rollover.Key, e keystore.Entry, beside bool, now time.Time) keystore.Timing {
	t := e.Timing
	whole := func(at time.Time) time.Time { return at.UTC().Truncate(time.Second) }
	come := func(at time.Time) bool { return !at.IsZero() && !at.After(now) }
	dnskey, krrsig, zrrsig := *k.Status(rollover.DNSKEY), *k.Status(rollover.KRRSIG), *k.Status(rollover.ZRRSIG)
	signs := krrsig.State.Shown() || zrrsig.State.Shown()
	if e.HasTiming && t.Publish.IsZero() && dnskey.State != rollover.Hidden {
		t.Publish = whole(dnskey.Since)
	}
	if e.HasTiming && t.Activate.IsZero() && !k.Active.IsZero() {
		t.Activate = whole(k.Active)
	}
	if t.Revoke.IsZero() && !k.Revoked.IsZero() {
		t.Revoke = whole(k.Revoked)
	}
	switch {
	case beside:
	case k.Retired.IsZero():
		if signs && come(t.Inactive) { // it was to be over, and has to go on
			t.Inactive = time.Time{}
		}
		if dnskey.State.Shown() && come(t.Delete) {
			t.Delete = time.Time{}
		}
	default:
		if !signs && !k.Active.IsZero() && !come(t.Inactive) {
			t.Inactive = whole(latest(k.Retired, krrsig.Since, zrrsig.Since))
		}
		if !dnskey.State.Shown() && !come(t.Delete) {
			t.Delete = whole(latest(k.Retired, dnskey.Since))
		}
	}
	return t
}

// latest returns the latest of some moments.
func latest(list ...time.Time) (at time.Time) {
	for _, t := range list {
		if t.After(at) {
			at = t
		}
	}
	return at
}
