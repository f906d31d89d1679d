package simulate

import (
	"fmt"
	"slices"
	"time"
)

// Where no parent has a DS, validators have trust anchors and follow the
// DNSKEY set as RFC 5011 says. Two of them bound all others: one that looks all
// the time, and one that looks as seldom as it may, asking servers and caches
// that lag as far as they may.

const (
	watchHold = 30 * 24 * time.Hour // RFC 5011 section 2.4.1
	watchGap  = 15 * 24 * time.Hour // the longest between two looks, RFC 5011 section 2.3
)

// validator is a resolver with trust anchors. Keys are indexes into caches.keys.
type validator struct {
	name    string
	late    bool
	anchors []int
	since   map[int]time.Time // when it first saw a key that it does not trust yet
	lost    bool              // the last of its anchors was revoked
	number  int               // of the DNSKEY set that it saw last
}

// anchors is the validators of a zone.
type anchors struct {
	validators []*validator
	served     content // the DNSKEY set
	number     int     // of it
}

// wanting reports whether some validator has no trust anchor.
func (a *anchors) wanting() bool {
	return len(a.validators) == 0 || slices.ContainsFunc(a.validators, func(v *validator) bool { return len(v.anchors) == 0 })
}

// hand gives every validator these trust anchors, by hand. A validator looks
// when it gets them, and may see what a cache has.
func (w *world) hand(keys []int) {
	a := w.anchors
	if len(a.validators) == 0 {
		a.validators = []*validator{
			{name: "that looks all the time"},
			{name: "that looks seldom", late: true},
		}
	}
	for _, v := range a.validators {
		if v.anchors, v.lost = slices.Clone(keys), false; len(keys) == 0 {
			v.since = nil // it has nothing to follow
			continue
		}
		w.visit(v, 0)
	}
}

// watch has the validators see a DNSKEY set that is served from now on.
func (w *world) watch(set content) {
	w.anchors.served = set
	w.anchors.number++
	for _, v := range w.anchors.validators {
		w.visit(v, watchGap)
	}
}

// visit has a validator look at the DNSKEY set: at once, or as late as it may.
// It never goes back to a set from before the one that it saw last.
func (w *world) visit(v *validator, gap time.Duration) {
	set, n := w.anchors.served, w.anchors.number
	if !v.late {
		v.number = n
		w.see(v, set)
		return
	}
	lag := w.setup.Policy.ZonePropagation + time.Duration(w.policy.DNSKEYTTL)*time.Second + gap
	w.after(lag, func() {
		if n >= v.number {
			v.number = n
			w.see(v, set)
		}
	})
}

// see has a validator follow a DNSKEY set, if one that it trusts has signed it.
func (w *world) see(v *validator, set content) {
	valid := slices.ContainsFunc(v.anchors, func(k int) bool {
		return slices.Contains(set.keys, k) && slices.Contains(set.signers, k)
	})
	if !valid {
		return
	}
	for _, k := range set.revoked {
		if slices.Contains(set.signers, k) && slices.Contains(v.anchors, k) {
			v.anchors = slices.DeleteFunc(slices.Clone(v.anchors), func(a int) bool { return a == k })
			v.lost = len(v.anchors) == 0
			w.judge()
		}
	}
	for k := range v.since {
		if !slices.Contains(set.keys, k) {
			delete(v.since, k) // it has to begin again (RFC 5011 section 4.2)
		}
	}
	for _, k := range set.signers {
		if _, known := v.since[k]; known || slices.Contains(v.anchors, k) || slices.Contains(set.revoked, k) {
			continue
		}
		seen := w.now
		if v.since == nil {
			v.since = map[int]time.Time{}
		}
		v.since[k] = seen
		hold := watchHold
		if v.late {
			hold += watchGap
		}
		w.after(hold, func() {
			if v.since[k].Equal(seen) {
				delete(v.since, k)
				v.anchors = append(slices.Clone(v.anchors), k)
			}
		})
	}
}

// faults says which DNSKEY sets some validator could not trust.
func (a *anchors) faults(c *caches, now time.Time, add func(mix string)) (secure bool) {
	for _, v := range a.validators {
		if v.lost {
			add(fmt.Sprintf("a validator %s has no trust anchor any more: the last one was revoked", v.name))
		}
		if len(v.anchors) == 0 {
			continue
		}
		secure = true
		c.dnskey.about(now, func(n int) {
			set := c.dnskey.sets[n]
			if !slices.ContainsFunc(v.anchors, set.anchoredBy) {
				add(fmt.Sprintf("trust anchors %s of a validator %s + DNSKEY set %s: none of them has signed it",
					c.names(v.anchors), v.name, c.describe(set)))
			}
		})
	}
	return secure
}
