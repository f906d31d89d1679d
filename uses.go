package autosign

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/state"
)

// use is what a key does at a moment.
type use struct {
	published bool      // in the DNSKEY set
	signs     bool      // wanted as a signer of its role
	gone      bool      // its time is over
	next      time.Time // when one of the key's own times comes; zero: never
}

// String returns the state of the key in a word, for events and metrics.
func (u use) String() string {
	switch {
	case u.signs:
		return "active"
	case u.published:
		return "published"
	case u.gone:
		return "removed"
	}
	return "hidden"
}

// usesOf returns what each key does at a moment, by its times and by what is
// safe: a key that others cannot know yet does not sign alone, a role is never
// left without a signer, and a key stays published while its signatures can be
// in caches.
func usesOf(doc *state.Document, now time.Time) map[string]use {
	uses := map[string]use{}
	elsewhere := zskOnly(doc) // then the DNSKEY set is not ours, nor is what is safe
	for i := range doc.Keys {
		k := &doc.Keys[i]
		u := use{
			published: come(k.Publish, now) && !come(k.Delete, now),
			signs:     come(k.Activate, now) && !come(k.Inactive, now) && !come(k.Delete, now),
			gone:      come(k.Delete, now),
		}
		for _, t := range []time.Time{k.Publish, k.Activate, k.Inactive, k.Delete} {
			if t.After(now) {
				u.next = sooner(u.next, t)
			}
		}
		if k.Publish.IsZero() && u.signs {
			u.published = true // BIND's default for keys with an activation alone
		}
		if until := heldUntil(doc, k); u.gone && !elsewhere && until.After(now) {
			u.published, u.gone = true, false
			u.next = sooner(u.next, until)
		}
		uses[k.ID] = u
	}
	if elsewhere {
		return uses
	}
	for _, signs := range []func(policy.Role) bool{policy.Role.SignsDNSKEY, policy.Role.SignsZone} {
		keepSigner(doc, uses, signs, now)
	}
	return uses
}

// come reports whether a time is set and has come.
func come(t, now time.Time) bool { return !t.IsZero() && !t.After(now) }

// keepSigner looks at the keys of a role. While some sign whose DNSKEY every
// cache must have by now, those that cannot be known yet wait; when none is
// left to sign, the one that stopped last goes on.
func keepSigner(doc *state.Document, uses map[string]use, has func(policy.Role) bool, now time.Time) {
	var ripe, unripe, retired []*state.Key
	for i := range doc.Keys {
		k := &doc.Keys[i]
		role, err := policy.ParseRole(k.Role)
		if u := uses[k.ID]; err != nil || !has(role) {
			continue
		} else if u.signs && knownFrom(doc, k).After(now) {
			unripe = append(unripe, k)
		} else if u.signs {
			ripe = append(ripe, k)
		} else if u.published && come(k.Inactive, now) {
			retired = append(retired, k)
		}
	}
	if len(ripe) == 0 && len(retired) > 0 {
		last := slices.MaxFunc(retired, func(a, b *state.Key) int { return a.Inactive.Compare(b.Inactive) })
		u := uses[last.ID]
		u.signs = true
		uses[last.ID] = u
		ripe = append(ripe, last)
	}
	if len(ripe) == 0 {
		return
	}
	for _, k := range unripe {
		u := uses[k.ID]
		u.signs = false
		u.next = sooner(u.next, knownFrom(doc, k))
		uses[k.ID] = u
	}
}

// knownFrom returns when every cache that has the zone's DNSKEY set has it with
// the key in it (Ipub of RFC 7583 section 3.2.1). The first keys of a zone are
// known at once, since nothing else is cached.
func knownFrom(doc *state.Document, k *state.Key) time.Time {
	if !doc.Published || k.Publish.IsZero() || !k.Publish.After(k.Created) && !laterKey(doc, k) {
		return time.Time{}
	}
	return k.Publish.Add(time.Duration(doc.Policy.DNSKEYTTL)*time.Second + policy.Propagation)
}

// laterKey reports whether a key came when the zone had others already.
func laterKey(doc *state.Document, k *state.Key) bool {
	return slices.ContainsFunc(doc.Keys, func(o state.Key) bool { return o.Created.Before(k.Created) })
}

// heldUntil returns until when a key has to stay in the DNSKEY set although it
// is to be removed: while signatures by it are made, or served, or cached (Iret
// of RFC 7583 section 3.2.1).
func heldUntil(doc *state.Document, k *state.Key) time.Time {
	if len(doc.Generations) == 0 {
		return time.Time{}
	}
	oldest := doc.Generations[0]
	spread := time.Duration(0)
	if signsIn(doc, k.ID) {
		oldest = doc.Generations[len(doc.Generations)-1]
		spread = spreadOf(oldest)
	} else if k.Exposure.LatestExpiry.IsZero() {
		return time.Time{} // it never signed
	}
	return oldest.Since.Add(spread + time.Duration(k.Exposure.MaxTTL)*time.Second + policy.Propagation)
}

// spreadOf returns how long it takes until every signature is of a generation:
// P + w (Dsgn of RFC 7583).
func spreadOf(g state.Generation) time.Duration {
	spread := time.Duration(0)
	for _, v := range []state.Duration{g.Validity, g.ValidityDNSKEY} {
		validity, refresh := time.Duration(v), time.Duration(g.Refresh)
		spread = max(spread, policy.Period(validity, refresh)+policy.SlotWidth(validity, refresh))
	}
	return spread
}

// turn brings a document to a moment and a policy, and reports whether that
// changed it. Turning it again changes nothing.
func turn(doc *state.Document, p policy.Policy, m moment) (changed bool) {
	changed = doc.SetPolicy(policyOf(p))
	if want := p.Denial.SaltLength; p.Denial.NSEC3 && len(doc.Salt) != want {
		doc.Salt = make([]byte, want)
		rand.Read(doc.Salt) // never fails
		changed = true
	}
	for i := range doc.Keys {
		// A key whose time came while nobody was there appears only now.
		k := &doc.Keys[i]
		if doc.Published && come(k.Publish, m.keys) && k.Publish.After(doc.LastSeen) && k.Publish.Before(m.keys) {
			k.Publish = m.keys
			changed = true
		}
	}
	if n := len(doc.Generations); n > 0 {
		newest := &doc.Generations[n-1]
		if newest.Since.After(m.now) && m.frozen.IsZero() {
			newest.Since = m.now // a moment of a clock that was wrong: its hold begins again
			if n > 1 && !doc.Generations[0].Since.Before(newest.Since) {
				doc.Generations[0].Since = newest.Since.Add(-time.Second)
			}
			changed = true
		}
		changed = doc.PruneGenerations(m.now, spreadOf(*newest)) || changed
	}
	g := generationOf(doc, p, m.keys)
	return len(g.ZSKs) > 0 && doc.AddGeneration(g) || changed
}

// signsIn reports whether a key signs in a generation that lives.
func signsIn(doc *state.Document, id string) bool {
	return slices.ContainsFunc(doc.Generations, func(g state.Generation) bool {
		return slices.Contains(g.KSKs, id) || slices.Contains(g.ZSKs, id)
	})
}

// generationOf returns the generation that the keys and the policy make now.
func generationOf(doc *state.Document, p policy.Policy, now time.Time) state.Generation {
	g := state.Generation{
		Since:          now,
		Validity:       state.Duration(p.Validity),
		ValidityDNSKEY: state.Duration(p.ValidityDNSKEY),
		Refresh:        state.Duration(p.Refresh),
	}
	uses := usesOf(doc, now)
	for _, k := range doc.Keys {
		role, err := policy.ParseRole(k.Role)
		if err != nil || !uses[k.ID].signs {
			continue
		}
		if role.SignsDNSKEY() {
			g.KSKs = append(g.KSKs, k.ID)
		}
		if role.SignsZone() {
			g.ZSKs = append(g.ZSKs, k.ID)
		}
	}
	slices.Sort(g.KSKs)
	slices.Sort(g.ZSKs)
	return g
}

// policyOf returns what of a policy is kept in the state.
func policyOf(p policy.Policy) state.Policy {
	s := state.Policy{
		Algorithm:      uint8(p.Algorithm),
		Scheme:         p.Scheme.String(),
		Validity:       state.Duration(p.Validity),
		ValidityDNSKEY: state.Duration(p.ValidityDNSKEY),
		Refresh:        state.Duration(p.Refresh),
		DNSKEYTTL:      p.DNSKEYTTL,
		Serial:         p.Serial.String(),
	}
	if d := p.Denial; d.NSEC3 {
		s.Denial = state.Denial{NSEC3: true, OptOut: d.OptOut, SaltLength: d.SaltLength, Iterations: d.Iterations}
	}
	return s
}
