package autosign

import (
	"context"
	"errors"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/state"
)

// withoutState serves the last good copy after a start at which the state
// cannot be used: the document is of a newer version, or damaged, or one of the
// past, or nothing can be stored. Nothing is written. The keys are those of the
// document, if it could be read, or those at hand, as if they were adopted; the
// serial is the one published last, so that secondaries stay where they are.
func (s *signer) withoutState(ctx context.Context, doc *state.Document) error {
	if s.served.Load() != nil || s.lastGood() == nil {
		return nil
	}
	now := s.clock.now()
	m := moment{now: now, sign: now, keys: now}
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return err
	}
	if doc == nil {
		if doc, err = s.makeshift(entries, m); err != nil {
			return err
		}
	}
	r, err := s.box.build(ctx, doc, entries, m)
	if err != nil {
		return err
	}
	plan, signed, err := s.sign(ctx, doc, r, &snapshot{s.good.Zone, s.good.Serial}, m, nil)
	if err != nil {
		return err
	}
	sealed, err := plan.Seal(signed, s.good.Serial)
	if err != nil {
		return err
	}
	v := newVersion(sealed, s.good.Zone, r.announced(), now)
	verified, err := s.judgeVersion(ctx, nil, v, m)
	if err != nil {
		return err
	}
	v.sound.Store(verified == whole)
	s.serve(v)
	s.unclaimed = true
	s.checkBehind(nil, v, verified)
	s.tell(event.Event{Kind: event.Warned, Why: fmt.Sprintf("serving the records published last, with serial %d, "+
		"signed with the keys in %s, until the state can be used again", sealed.Serial, s.dir)})
	return nil
}

// makeshift returns a document, not to be stored, with the keys at hand.
func (s *signer) makeshift(entries []keystore.Entry, m moment) (*state.Document, error) {
	usable, err := s.usable(entries)
	if err != nil {
		return nil, err
	}
	keys := adopt(usable, s.origin, delegation{err: errors.New("not asked")}, m.now)
	if roles := wantedRoles(keys, s.policy, s.good.Zone.Presigned != nil); len(roles) > 0 {
		return nil, fmt.Errorf("%w in %s for the last good copy", errKeys, s.dir)
	}
	doc := state.New(s.zone)
	for _, k := range keys {
		if err := doc.AddKey(k); err != nil {
			return nil, err
		}
	}
	turn(doc, s.policy, m)
	return doc, nil
}
