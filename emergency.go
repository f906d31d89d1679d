package autosign

import (
	"context"
	"errors"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/state"
)

// withoutState serves the last good copy after a start at which the state
// document cannot be used: it is of a newer version, or damaged, or one of the
// past. Nothing is stored. The keys are those at hand, as if they were adopted;
// the serial is the one published last, so that secondaries stay where they are.
func (s *signer) withoutState(ctx context.Context) error {
	if s.served.Load() != nil || s.lastGood() == nil {
		return nil
	}
	entries, err := s.box.list(ctx, s.policy.Scheme)
	if err != nil {
		return err
	}
	usable, err := s.usable(entries)
	if err != nil {
		return err
	}
	now := s.clock.now()
	m := moment{now: now, sign: now, keys: now}
	keys := adopt(usable, s.origin, delegation{err: errors.New("not asked")}, now)
	if roles := wantedRoles(keys, s.policy, s.good.Zone.Presigned != nil); len(roles) > 0 {
		return fmt.Errorf("%w in %s for the last good copy", errKeys, s.dir)
	}
	doc := state.New(s.zone)
	for _, k := range keys {
		if err := doc.AddKey(k); err != nil {
			return err
		}
	}
	turn(doc, s.policy, m)
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
	v := &version{sealed, s.good.Zone, r.announced(), now}
	if _, err := s.judgeVersion(ctx, nil, v, m); err != nil {
		return err
	}
	s.serve(v)
	s.tell(event.Event{Kind: event.Warned, Why: fmt.Sprintf("serving the records published last, with serial %d, "+
		"signed with the keys in %s, until the state can be used again", sealed.Serial, s.dir)})
	return nil
}
