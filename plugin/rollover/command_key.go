package rollover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// DNSKEYOnly reports whether the key is published without being used: before it
// comes into service, or while it goes.
func (k *Key) DNSKEYOnly() bool {
	if k.Records[DNSKEY].Goal != Omnipresent {
		return false
	}
	for r := KRRSIG; r < records; r++ {
		if k.Records[r].Goal != Hidden {
			return false
		}
	}
	return true
}

// ScheduleDeletion has the retirement of a key begin at a moment, or as soon as
// it can be after that: its removal waits for the rules. The last ZSK is rolled
// then: it does not retire before another takes its place. The last KSK or CSK is
// refused, since a roll of it needs the parent. A zero moment takes the schedule
// back.
func (s *KeySet) ScheduleDeletion(o Order, id string, at time.Time) (Entry, error) {
	e := o.entry("schedule deletion", id)
	k := s.Key(id)
	if k == nil {
		return e, fmt.Errorf("key %s: %w", id, ErrUnknownKey)
	}
	if at.IsZero() {
		return s.keep(o, k)
	}
	if at.Before(o.At) {
		at = o.At
	}
	if !k.Retired.IsZero() || k.Retire.Equal(at) || k.deletionDue(o.At) && !at.After(o.At) {
		e.Unchanged = true
		return e, nil
	}
	if r := s.deletable(k, at, o.Policy); r != nil {
		return e, r
	}
	k.Retire = at
	return e, nil
}

// deletionDue reports whether a scheduled deletion may have begun.
func (k *Key) deletionDue(now time.Time) bool { return !k.Retire.IsZero() && !k.Retire.After(now) }

// keep takes a scheduled deletion back, as long as nothing has come of it.
func (s *KeySet) keep(o Order, k *Key) (Entry, error) {
	e := o.entry("cancel deletion", k.ID)
	switch {
	case !k.Retired.IsZero():
		return e, &Refusal{Why: "its retirement has begun, at " + k.Retired.UTC().Format(time.RFC3339)}
	case k.Retire.IsZero():
		e.Unchanged = true
	}
	k.Retire = time.Time{}
	return e, nil
}

// deletable reports which of the conditions for a scheduled deletion a key does
// not meet. They are necessary, not sufficient: what Step does then keeps the
// rules besides.
func (s *KeySet) deletable(k *Key, at time.Time, p policy.Policy) *Refusal {
	switch {
	case k.Foreign:
		return &Refusal{Why: "its private key is elsewhere: whoever has that takes the key out of the zone"}
	case !s.has(func(o *Key) bool {
		return o.ID != k.ID && !o.Foreign && o.Role.SignsDNSKEY() && o.stays(at)
	}):
		return &Refusal{Why: "no other KSK or CSK with its private key here would remain to sign the DNSKEY set: " +
			"roll the key instead, which makes a successor first and retires this one"}
	case k.DNSKEYOnly(), slices.Contains(p.Roles(), k.Role):
		return nil // nothing depends on it, or it retires only when there is a successor
	case s.covered(k, at):
		return nil
	}
	return &Refusal{Why: fmt.Sprintf("it is the last %s, and scheme %s makes no other", k.Role, p.Scheme)}
}

// stays reports whether a key is in use and not to go by a moment.
func (k *Key) stays(at time.Time) bool {
	return k.Retired.IsZero() && !k.Gone() && !k.DNSKEYOnly() && !k.deletionDue(at)
}

// covered reports whether other keys do all that a key is for.
func (s *KeySet) covered(k *Key, at time.Time) bool {
	does := func(has func(policy.Role) bool) bool {
		return !has(k.Role) || s.has(func(o *Key) bool { return o.ID != k.ID && has(o.Role) && o.stays(at) })
	}
	return does(policy.Role.SignsDNSKEY) && does(policy.Role.SignsZone)
}

// DNSKEYOnly has a key published and not used, or used again. What it signed
// and its DS are withdrawn as the rules permit.
func (s *KeySet) DNSKEYOnly(o Order, id string, on bool) (Entry, error) {
	e := o.entry("use key", id)
	if on {
		e.Command = "DNSKEY only"
	}
	k := s.Key(id)
	if k == nil {
		return e, fmt.Errorf("key %s: %w", id, ErrUnknownKey)
	}
	switch {
	case !k.Retired.IsZero():
		return e, &Refusal{Why: "its retirement has begun, at " + k.Retired.UTC().Format(time.RFC3339)}
	case s.signedElsewhere():
		return e, &Refusal{Why: elsewhere}
	case on == k.DNSKEYOnly():
		e.Unchanged = true
		return e, nil
	case !on && !k.Revoked.IsZero():
		return e, &Refusal{Why: "it was revoked, at " + k.Revoked.UTC().Format(time.RFC3339) + ": validators never trust it again"}
	}
	if on {
		if r := s.idle(k, o); r != nil {
			return e, r
		}
	}
	goal := Omnipresent
	if on {
		goal = Hidden
	}
	for r := KRRSIG; r < records; r++ {
		if r.of(k.Role) {
			k.Records[r].Goal = goal
		}
	}
	k.Records[DNSKEY].Goal = Omnipresent
	return e, nil
}

// idle reports why a key cannot be DNSKEY only.
func (s *KeySet) idle(k *Key, o Order) *Refusal {
	chained := func(c *Key) bool {
		return c.ID != k.ID && c.Records[DS].Goal == Omnipresent && c.state(DS) == Omnipresent && c.stays(o.At)
	}
	switch {
	case k.state(DS) != Hidden && !s.has(chained):
		return &Refusal{Why: fmt.Sprintf("it is the last %s that has a DS: roll the key instead, "+
			"or wait until the DS of its successor is in every cache", k.Role)}
	case !slices.Contains(o.Policy.Roles(), k.Role) && !s.covered(k, o.At):
		return &Refusal{Why: fmt.Sprintf("it is the last %s, and scheme %s makes no other", k.Role, o.Policy.Scheme)}
	}
	return nil
}

// Remove deletes a key for good, now: the state forgets it, and then its
// private key is destroyed. It is refused while anything of the key can be in a
// cache. An override withdraws all of the key at once, also against the rules:
// it is for a private key that is lost.
func (s *KeySet) Remove(o Order, id string) (Entry, error) {
	e := o.entry("remove key", id)
	k := s.Key(id)
	if k == nil {
		return e, fmt.Errorf("key %s: %w", id, ErrUnknownKey)
	}
	if k.Gone() {
		if o.Facts.Complete.IsZero() && s.Signed() {
			return e, &Refusal{Why: "signatures still move from the keys of before to those of now, and this may be one of them"}
		}
		s.Keys = slices.DeleteFunc(slices.Clone(s.Keys), func(c Key) bool { return c.ID == id })
		return e, nil
	}
	if k.withdrawn() { // caches forget in their time, whatever is ordered
		return e, s.needed(o, k, false)
	}
	if !s.covered(k, o.At) {
		return e, &Refusal{Why: fmt.Sprintf("it is the last %s in use: nothing would sign what it signs", k.Role)}
	}
	if err := o.pass(&e, s.needed(o, k, true)); err != nil {
		return e, err
	}
	for r := range records {
		st := &k.Records[r]
		if st.Goal = Hidden; st.State.Shown() {
			*st = Status{State: Unretentive, Goal: Hidden, Since: o.At, Pending: true}
			s.Urgent = s.Urgent || r == ZRRSIG
		}
	}
	k.Retired = o.At
	return e, nil
}

// withdrawn reports whether nothing of the key is shown any more or to be shown.
func (k *Key) withdrawn() bool {
	return !slices.ContainsFunc(k.Records[:], func(s Status) bool { return s.State.Shown() || s.Goal != Hidden })
}

// needed is the refusal of a removal, with what of the key is still about, and
// when that is over if all goes well.
func (s *KeySet) needed(o Order, k *Key, override bool) *Refusal {
	refusal := &Refusal{Override: override}
	var about []string
	for r := range records {
		if st := k.Records[r]; st.State != Hidden {
			about = append(about, fmt.Sprintf("its %s is %s", r, st.State))
		}
	}
	if len(about) == 0 {
		about = append(about, "it is about to come into service")
	}
	refusal.Why = strings.Join(about, ", ")
	if !k.Retired.IsZero() {
		refusal.Earliest = s.whenGone(o, k.ID)
	}
	return refusal
}
