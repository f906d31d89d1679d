package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/event"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// ErrUnknownZone says that no zone of this process has that name in that view.
var ErrUnknownZone = errors.New("no such zone is signed by this server")

// ErrNotReady says that a zone was not worked on yet since the start.
var ErrNotReady = errors.New("the zone has not been looked at since the start")

// Controller gives operators' orders to the zones of this process. Its zero
// value is ready. A zone is named by its origin, with or without the final dot,
// and the view of its server block, if it is in one.
//
// An order that is refused comes back as a *rollover.Refusal, with the reason
// and the earliest moment at which it would be carried out. Everything that is
// ordered, refused and overridden is an event, with who and why. An order may be
// given again: what was done already does no harm.
type Controller struct{}

// Order says who orders something, why, and whether against a refusal that
// permits that.
type Order struct {
	Who, Why string
	Override bool
}

// Zone names a zone of this process.
type Zone struct{ Name, View string }

// Zones returns the zones of this process, in order.
func (Controller) Zones() (list []Zone) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if n := len(process.instances); n > 0 {
		for id := range process.instances[n-1].signers {
			list = append(list, Zone{id.zone, id.view})
		}
	}
	slices.SortFunc(list, func(a, b Zone) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.View, b.View)
	})
	return list
}

// Sign has the zone signed as its source is now, and waits for that.
func (Controller) Sign(ctx context.Context, zone, view string) error {
	s, err := signerOf(zone, view)
	if err != nil {
		return err
	}
	return s.Sign(ctx)
}

// Roll has the keys of a role replaced. In an emergency signatures move at once,
// and safety margins are left out.
func (Controller) Roll(ctx context.Context, zone, view string, o Order, role policy.Role, emergency bool) (rollover.Entry, error) {
	return order(ctx, zone, view, o, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
		return set.Roll(o, role, emergency)
	})
}

// Hold has no key of the zone move until Resume; signatures are kept fresh.
func (Controller) Hold(ctx context.Context, zone, view string, o Order) (rollover.Entry, error) {
	return order(ctx, zone, view, o, (*rollover.KeySet).HoldAll)
}

// Resume ends Hold. With Override it also has keys move although the zone's
// servers show keys that the state does not know.
func (Controller) Resume(ctx context.Context, zone, view string, o Order) (rollover.Entry, error) {
	s, err := signerOf(zone, view)
	if err != nil {
		return rollover.Entry{}, err
	}
	return s.resume(ctx, o)
}

// ConfirmDS says that every server of the parent has the DS of a key, or, with
// gone, that none has it any more. Without a parent the same is said of
// validators and their trust anchors.
func (Controller) ConfirmDS(ctx context.Context, zone, view string, o Order, key string, gone bool) (rollover.Entry, error) {
	return order(ctx, zone, view, o, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
		return set.ConfirmDS(o, key, gone)
	})
}

// ScheduleDeletion has the retirement of a key begin at a moment; its removal
// waits until nothing needs it. A zero moment takes the schedule back.
func (Controller) ScheduleDeletion(ctx context.Context, zone, view string, o Order, key string, at time.Time) (rollover.Entry, error) {
	return order(ctx, zone, view, o, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
		return set.ScheduleDeletion(o, key, at)
	})
}

// DNSKEYOnly has a key published and not used, or used again.
func (Controller) DNSKEYOnly(ctx context.Context, zone, view string, o Order, key string, on bool) (rollover.Entry, error) {
	return order(ctx, zone, view, o, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
		return set.DNSKEYOnly(o, key, on)
	})
}

// Remove deletes a key for good, now, if nothing needs it.
func (Controller) Remove(ctx context.Context, zone, view string, o Order, key string) (rollover.Entry, error) {
	return order(ctx, zone, view, o, func(set *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
		return set.Remove(o, key)
	})
}

// Status explains where the zone's keys are, what comes next, what that waits
// for, and what an operator has to do.
func (Controller) Status(_ context.Context, zone, view string) (Status, error) {
	s, err := signerOf(zone, view)
	if err != nil {
		return Status{}, err
	}
	st, ok := s.status()
	if !ok {
		return st, fmt.Errorf("%s: %w", s.label(), ErrNotReady)
	}
	return st, nil
}

// DS returns what the parent is to have and what it has.
func (c Controller) DS(ctx context.Context, zone, view string) (Delegation, error) {
	st, err := c.Status(ctx, zone, view)
	return st.Parent, err
}

// signerOf returns the signer of a zone in the newest instance.
func signerOf(name, view string) (*signer, error) {
	origin := strings.ToLower(strings.TrimSuffix(name, ".") + ".")
	process.mu.Lock()
	defer process.mu.Unlock()
	if n := len(process.instances); n > 0 {
		if s := process.instances[n-1].signers[identity{origin, view}]; s != nil {
			return s, nil
		}
	}
	if view != "" {
		origin += " in view " + view
	}
	return nil, fmt.Errorf("%s: %w", origin, ErrUnknownZone)
}

// command changes a key set as an operator orders.
type command func(*rollover.KeySet, rollover.Order) (rollover.Entry, error)

func order(ctx context.Context, zone, view string, o Order, do command) (rollover.Entry, error) {
	s, err := signerOf(zone, view)
	if err != nil {
		return rollover.Entry{}, err
	}
	return s.order(ctx, o, do)
}

// order carries out a command on the stored key set and has the zone worked on.
// When the store fails, that may have been behind its back: the same order is
// given once more, which does no harm if it was carried out.
func (s *signer) order(ctx context.Context, o Order, do command) (e rollover.Entry, err error) {
	r := rollover.Order{At: s.clock.now().UTC().Truncate(time.Second), Who: o.Who, Why: o.Why, Override: o.Override}
	apply := func(d *state.Document) error {
		if v := s.served.Load(); v != nil {
			if err := notPast(d, v.signed.Serial); err != nil {
				return err
			}
		}
		if err := s.inform(&r, d); err != nil {
			return err
		}
		set := d.KeySet.Clone()
		if e, err = do(&set, r); err != nil {
			return err
		}
		if e.Unchanged {
			return errUnchanged
		}
		d.SetKeys(set)
		return nil
	}
	if _, err = s.docs.change(ctx, apply); errors.Is(err, errStore) && ctx.Err() == nil {
		_, err = s.docs.change(ctx, apply)
	}
	s.tell(s.auditEvent(e, err))
	if err != nil {
		return e, fmt.Errorf("%s: %s: %w", s.label(), e.Command, err)
	}
	s.loop.ask(s)
	return e, nil
}

// resume ends a hold, and the doubt about a state that may be one of the past.
func (s *signer) resume(ctx context.Context, o Order) (rollover.Entry, error) {
	strange := s.watch.stranger()
	e, err := s.order(ctx, o, func(set *rollover.KeySet, r rollover.Order) (rollover.Entry, error) {
		e, err := set.Resume(r)
		switch {
		case err != nil || strange == "":
			return e, err
		case !r.Override:
			return e, &rollover.Refusal{Why: strange, Override: true}
		}
		e.Overrides = strange
		return e, nil
	})
	if err == nil && strange != "" {
		s.watch.trust()
		s.loop.ask(s)
	}
	return e, err
}

// inform gives an order the policy in force and what is known of the world.
func (s *signer) inform(r *rollover.Order, d *state.Document) error {
	l := s.life.Load()
	if l == nil || len(d.KeySet.Keys) == 0 {
		return ErrNotReady
	}
	r.Policy = l.policy
	r.Facts = l.facts
	r.Facts.Complete = completeSince(d)
	if s.watch.active() && sameParent(l.policy, s.policy) {
		r.Facts.Parent = l.others.counted(s.watch.sight(r.At).seen, &d.KeySet)
	}
	return nil
}

// auditEvent is a command and what became of it.
func (s *signer) auditEvent(e rollover.Entry, err error) event.Event {
	ev := event.Event{Kind: event.Commanded, Who: e.Who, Command: e.Command, Key: e.Key, Why: e.Why}
	if ev.Who == "" {
		ev.Who = "an operator"
	}
	var refusal *rollover.Refusal
	switch {
	case errors.As(err, &refusal):
		ev.Kind, ev.Err, ev.Next = event.CommandRefused, err, refusal.Earliest
	case err != nil:
		ev.Kind, ev.Err = event.CommandRefused, err
	case e.Overrides != "":
		ev.Kind, ev.Err = event.Overridden, errors.New(e.Overrides)
	case e.Unchanged:
		ev.Why = strings.TrimSuffix("it was so already: "+ev.Why, ": ")
	}
	if k := s.keyTag(e.Key); k != 0 {
		ev.Tag = k
	}
	return ev
}

// keyTag returns the tag of a key of the zone; 0 if there is none.
func (s *signer) keyTag(id string) uint16 {
	if l := s.life.Load(); l != nil {
		if k := l.doc.Key(id); k != nil {
			return k.Tag
		}
	}
	return 0
}
