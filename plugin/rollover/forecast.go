package rollover

import (
	"fmt"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// maxForecast bounds the steps of a forecast. A roll takes about twenty.
const maxForecast = 300

// forecast is the future of a key set if all goes well: versions are served at
// once, keys are made when they are asked for, the parent follows without delay.
type forecast struct {
	p      policy.Policy
	f      Facts
	set    KeySet
	now    time.Time
	spread time.Duration // Dsgn of RFC 7583
	moving time.Time     // until when signatures move; zero: they do not
}

// whenGone returns when nothing of a retired key is left, if all goes well;
// zero: that cannot be said.
func (s *KeySet) whenGone(o Order, id string) time.Time {
	if s.Hold != nil || o.Facts.Freeze != "" {
		return time.Time{}
	}
	c := &forecast{p: o.Policy, f: o.Facts, set: s.Clone(), now: o.At,
		spread: policy.Spread(o.Policy.Validity, o.Policy.Refresh)}
	c.f.Unsure = ""
	if c.f.Complete.IsZero() {
		c.moving = c.now
		for i := range s.Keys {
			if st := s.Keys[i].Records[ZRRSIG]; st.State == Rumoured || st.State == Unretentive {
				c.moving = later(c.moving, st.Since.Add(c.spread))
			}
		}
	}
	for range maxForecast {
		if k := c.set.Key(id); k == nil || k.Gone() {
			return c.now
		}
		if !c.step() {
			return time.Time{}
		}
	}
	return time.Time{}
}

// step goes on to the next thing that happens; it reports whether there is one.
func (c *forecast) step() bool {
	if !c.moving.IsZero() && !c.now.Before(c.moving) {
		c.f.Complete, c.moving = c.moving, time.Time{}
	}
	c.f.Served = c.now
	c.f.Parent = Observation{At: c.now, Servers: []Server{{Keys: c.set.Delegated()}}} // without one nobody reads it
	signers := c.set.ZoneSigners()
	plan := Step(c.now, c.p, c.f, c.set)
	c.set = plan.KeySet
	if !slices.Equal(signers, c.set.ZoneSigners()) {
		c.f.Complete, c.moving = time.Time{}, c.now.Add(c.spread)
		if c.set.Urgent {
			c.moving, c.set.Urgent = c.now, false
		}
	}
	for _, k := range plan.Make {
		id := fmt.Sprintf("to be made %d", len(c.f.Pool))
		c.f.Pool = append(c.f.Pool, Candidate{ID: id, Role: k.Role, Algorithm: k.Algorithm, Bits: k.Bits})
	}
	if plan.Changed || len(plan.Make) > 0 {
		return true
	}
	next := plan.Wake
	if c.moving.After(c.now) && (next.IsZero() || c.moving.Before(next)) {
		next = c.moving
	}
	if !next.After(c.now) {
		return false
	}
	c.now = next
	return true
}
