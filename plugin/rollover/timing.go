package rollover

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// How long each record waits, by the intervals of RFC 7583 with its symbols:
//
//	Dprp   zone_propagation_delay        DprpP  parent propagation_delay
//	TTLkey TTL of the DNSKEY set         TTLsig longest TTL of what is signed
//	TTLds  TTL of the DS set             Dsgn   time to sign everything anew
//
// TTLs are the longest that counts, served before or now, and what the policy
// says where that is longer. Dsgn is not computed: the driver says when it is
// over (Facts.Complete). To each interval the policy adds a safety, which an
// emergency leaves out. What a whole roll takes by this the linter sums up in
// plugin/policy/lifetime.go.

// timing has what the intervals are made of, at a moment.
type timing struct {
	now time.Time
	p   *policy.Policy
	s   *KeySet
}

func newTiming(now time.Time, p *policy.Policy, s *KeySet) timing { return timing{now, p, s} }

// A TTL that was lowered counts until the last cache that took the old one has
// dropped it. Servers that follow late hand that out for Dprp (DprpP) longer, and
// the safety is for those as well: the TTLs are those of that much earlier.

func (t timing) ttlKey(safety time.Duration) time.Duration {
	return max(t.s.DNSKEYTTL.At(t.now.Add(-t.p.ZonePropagation-safety)), time.Duration(t.p.DNSKEYTTL)*time.Second)
}

func (t timing) ttlSig(safety time.Duration) time.Duration {
	return t.s.ZoneTTL.At(t.now.Add(-t.p.ZonePropagation - safety))
}

func (t timing) ttlDS(safety time.Duration) time.Duration {
	return max(t.s.DSTTL.At(t.now.Add(-t.p.ParentPropagation-safety)), t.p.DSTTL)
}

func (t timing) publishSafety(k *Key) time.Duration {
	if k.Emergency {
		return 0
	}
	return t.p.PublishSafety
}

func (t timing) retireSafety(k *Key) time.Duration {
	if k.Emergency {
		return 0
	}
	return t.p.RetireSafety
}

// lead is Ipub of RFC 7583 section 3.2.1, Dprp + TTLkey: how long before it is
// needed a key is published.
func (t timing) lead() time.Duration {
	return t.p.ZonePropagation + t.ttlKey(t.p.PublishSafety) + t.p.PublishSafety
}

// shown returns when a Rumoured record is Omnipresent; zero: that hangs on
// something else than time.
func (t timing) shown(k *Key, r Record, f *Facts) time.Time {
	since, safety := k.Records[r].Since, t.publishSafety(k)
	switch r {
	case ZRRSIG: // Dsgn + Dprp + TTLsig
		if !signedSince(f, since) {
			return time.Time{}
		}
		return f.Complete.Add(t.p.ZonePropagation + t.ttlSig(safety) + safety)
	case DS: // DprpP + TTLds from when the last server had it
		return t.delegated(k, since, safety)
	}
	// Ipub = Dprp + TTLkey; signatures over the set travel with it. Where there may
	// have been no DNSKEY set, caches may keep that as long as anything of the zone
	// (RFC 2308 section 5).
	ttl := t.ttlKey(safety)
	if !t.s.keyed(k, since) {
		ttl = max(ttl, t.ttlSig(safety))
	}
	return since.Add(t.p.ZonePropagation + ttl + safety)
}

// keyed reports whether every cache had a DNSKEY set without a key at a moment.
func (s *KeySet) keyed(k *Key, at time.Time) bool {
	return s.has(func(o *Key) bool {
		st := o.Records[DNSKEY]
		return o.ID != k.ID && st.State == Omnipresent && !st.Since.After(at)
	})
}

func (t timing) delegated(k *Key, since time.Time, safety time.Duration) time.Time {
	switch {
	case t.p.NoParent && !k.DSSeen.IsZero() && k.ByHand:
		return later(since, k.DSSeen) // validators have it
	case t.p.NoParent && k.DSSeen.IsZero():
		return since.Add(policy.AddHoldDown + t.p.ZonePropagation + t.ttlKey(safety) + safety)
	case k.DSSeen.IsZero():
		return time.Time{}
	}
	return later(since, k.DSSeen).Add(t.p.ParentPropagation + t.ttlDS(safety) + safety)
}

// hidden returns when an Unretentive record is Hidden; zero: that hangs on
// something else than time.
func (t timing) hidden(k *Key, r Record, f *Facts) time.Time {
	since, safety := k.Records[r].Since, t.retireSafety(k)
	switch r {
	case ZRRSIG: // Iret of RFC 7583 section 3.2.1: Dsgn + Dprp + TTLsig
		if !signedSince(f, since) {
			return time.Time{}
		}
		ttl := max(time.Duration(k.Exposure.MaxTTL)*time.Second, t.ttlSig(safety))
		return t.expired(k, f.Complete.Add(t.p.ZonePropagation+ttl+safety), safety)
	case DS: // Iret of RFC 7583 section 3.3.1: DprpP + TTLds
		return t.undelegated(k, since, safety)
	}
	return since.Add(t.p.ZonePropagation + t.ttlKey(safety) + safety)
}

// expired returns when nothing needs a key's signatures any more: at the end of
// a hold, or when the last of them has expired, whatever its TTL was.
func (t timing) expired(k *Key, hold time.Time, safety time.Duration) time.Time {
	end := k.Exposure.LatestExpiry
	if end.IsZero() {
		return hold
	}
	if end = end.Add(t.p.ZonePropagation + safety); end.Before(hold) {
		return end
	}
	return hold
}

func (t timing) undelegated(k *Key, since time.Time, safety time.Duration) time.Time {
	switch {
	case t.p.NoParent && !k.DSGone.IsZero() && k.ByHand:
		return later(since, k.DSGone) // no validator has it
	case t.p.NoParent && k.DSGone.IsZero() && !k.Revoked.IsZero():
		return later(since, k.Revoked).Add(policy.RemoveHoldDown + t.p.ZonePropagation + t.ttlKey(safety) + safety)
	case k.DSGone.IsZero():
		return time.Time{}
	}
	return later(since, k.DSGone).Add(t.p.ParentPropagation + t.ttlDS(safety) + safety)
}

// signedSince reports whether everything has been signed anew since a change of
// signers.
func signedSince(f *Facts, since time.Time) bool {
	return !f.Complete.IsZero() && !f.Complete.Before(since)
}

// retirement returns when a key in service is to be replaced: its lifetime, or
// what an operator said. Zero: never.
func (t timing) retirement(k *Key) time.Time {
	at := k.Retire
	if life := t.p.Lifetime(k.Role); life > 0 && !k.Active.IsZero() {
		if end := k.Active.Add(life); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}
