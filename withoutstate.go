package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// withoutState serves the last good copy when the state cannot be used: the
// document is of a newer version, or damaged, or one of the past, or nothing can
// be stored. After a start that is the copy on disk; later it is what is served,
// with signatures made anew when they are due. Nothing is written. The keys are
// those of the document, if it could be read, or those at hand, as if they were
// adopted; the serial is the one published last, so that secondaries stay where
// they are.
func (s *signer) withoutState(ctx context.Context, doc *state.Document) error {
	now := s.clock.now().Truncate(time.Second)
	m := moment{now: now, sign: now, key: now, seen: now}
	served := s.served.Load()
	var c *snapshot
	switch {
	case served != nil && now.Unix() < served.due:
		return nil
	case served != nil:
		c = &snapshot{served.content, served.signed.Serial}
	case s.lastGood() != nil:
		c = &snapshot{s.good.Zone, s.good.Serial}
	default:
		return nil
	}
	doc, r, err := s.keysAtHand(ctx, doc, c, m)
	if err != nil {
		return err
	}
	plan, signed, err := s.sign(ctx, doc, r, c, m, served)
	if err != nil {
		return err
	}
	if served != nil && served.signed.Digest == signed.Digest {
		return nil
	}
	sealed, err := plan.Seal(signed, c.serial)
	if err != nil {
		return err
	}
	v := newVersion(sealed, c.zone, r, now)
	verified, err := s.judgeVersion(ctx, served, v, m)
	if err != nil {
		return err
	}
	v.sound.Store(verified == whole && (served == nil || served.sound.Load()))
	s.serve(v)
	s.measure(v)
	s.unclaimed = true
	s.checkBehind(served, v, verified)
	s.tell(event.Event{Kind: event.Warned, Why: fmt.Sprintf("serving the records published last, with serial %d, "+
		"signed with the keys in %s, until the state can be used again", sealed.Serial, s.dir)})
	return nil
}

// keysAtHand returns what to sign with when the state cannot be used: the keys of
// the document, as it was last known, or those in the key store.
func (s *signer) keysAtHand(ctx context.Context, doc *state.Document, c *snapshot, m moment) (*state.Document, *ring, error) {
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return nil, nil, err
	}
	if l := s.life.Load(); doc == nil && l != nil {
		doc = l.doc
	}
	known := doc != nil
	if !known {
		if doc, err = s.makeshift(entries, c.zone, m); err != nil {
			return nil, nil, err
		}
	}
	if s.effective, _, err = effective(doc, s.outlook(m)); err != nil {
		return nil, nil, err
	}
	// Nobody knows which of the keys at hand the parent is to trust.
	s.effective.CDS = s.effective.CDS && known
	r, err := s.box.build(ctx, doc, s.effective, s.origin, entries)
	if err != nil {
		return nil, nil, err
	}
	r.shape = "" // nothing is claimed, nothing is confirmed
	return doc, r, nil
}

// makeshift returns a document, not to be stored, with the keys at hand.
func (s *signer) makeshift(entries []keystore.Entry, content *zone.Zone, m moment) (*state.Document, error) {
	usable, err := s.usable(entries)
	if err != nil {
		return nil, err
	}
	found := s.adopt(usable, delegation{err: errors.New("not asked")}, m.key)
	if roles := wantedRoles(found, s.policy, content.Presigned != nil); len(roles) > 0 {
		return nil, fmt.Errorf("%w in %s for the last good copy", errKeys, s.dir)
	}
	doc := state.New(s.zone)
	w := s.outlook(m)
	w.freeze = "the state cannot be used"
	keys := found.keys
	if content.Presigned == nil { // otherwise who signs the DNSKEY set is not among them
		keys = standAlone(keys)
	}
	for _, k := range keys {
		if err := doc.AddKey(k); err != nil {
			return nil, err
		}
	}
	_, err = turn(doc, w)
	return doc, err
}

// standAlone leaves out the keys of algorithms that do not both sign the zone
// and its DNSKEY set: they were only coming, or nearly gone.
func standAlone(keys []rollover.Key) []rollover.Key {
	does := func(a policy.Algorithm, r rollover.Record) bool {
		return slices.ContainsFunc(keys, func(k rollover.Key) bool { return k.Algorithm == a && k.Status(r).State.Shown() })
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k rollover.Key) bool {
		return !does(k.Algorithm, rollover.KRRSIG) || !does(k.Algorithm, rollover.ZRRSIG)
	})
}
