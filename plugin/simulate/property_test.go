package simulate

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

const day = 24 * time.Hour

var (
	runs  = flag.Int("simulate.runs", 3000, "random simulations of the property test")
	first = flag.Uint64("simulate.seed", 1, "seed of the first of them")
	show  = flag.Bool("simulate.show", false, "tell the first of them")
)

// TestRun_NeverBogus is the property that all of rollover is for: whatever the
// policy, the parent, failures, clocks and operators, no mix of what caches may
// hold fails to validate. It also holds every run to its end: rolls finish.
func TestRun_NeverBogus(t *testing.T) {
	steps, failed := 0, 0
	for seed := *first; seed < *first+uint64(*runs); seed++ {
		s := random(seed)
		h := Run(s)
		steps += h.Steps
		if *show && seed == *first {
			t.Logf("%+v\n%+v\n%s", s.Policy, s.Parent, h.Text())
		}
		if !judgeRun(t, seed, s, h) {
			if failed++; failed == 10 {
				break
			}
		}
	}
	t.Logf("%d runs from seed %d, %d steps", *runs, *first, steps)
}

// judgeRun reports what is wrong with a run.
func judgeRun(t *testing.T, seed uint64, s Setup, h *History) bool {
	t.Helper()
	if len(h.Bogus) > 0 {
		t.Errorf("seed %d: %s: %s", seed, h.Bogus[0].At.Format(time.RFC3339), h.Bogus[0].Mix)
		return false
	}
	if h.MostKeys > 9 {
		t.Errorf("seed %d: %d keys in one DNSKEY set", seed, h.MostKeys)
		return false
	}
	tags := map[uint16]bool{}
	for _, k := range h.Keys {
		if tags[k.Tag] {
			t.Errorf("seed %d: tag %d twice", seed, k.Tag)
		}
		tags[k.Tag] = true
	}
	if !fulfilled(t, seed, s, h) {
		return false
	}
	patience := stuckAfter(s)
	for _, k := range h.Keys {
		for r, spans := range k.Spans {
			last := spans[len(spans)-1]
			if last.To.Equal(h.End) && last.State.String() != "omnipresent" && h.End.Sub(last.From) > patience {
				t.Errorf("seed %d: %s of %s is %s since %s; waiting: %v", seed, r, k.Name, last.State, last.From.Format(time.RFC3339), h.Waiting)
				return false
			}
		}
	}
	return true
}

// fulfilled reports whether at the end of a run the zone has the keys that its
// last policy asks for.
func fulfilled(t *testing.T, seed uint64, s Setup, h *History) bool {
	t.Helper()
	p := s.Policy
	for _, e := range s.Events {
		if e.Kind == SetPolicy {
			p = *e.Policy
		}
	}
	there := map[policy.Role]bool{}
	for _, k := range h.Keys {
		spans := k.Spans["DNSKEY"]
		if len(spans) == 0 || !spans[len(spans)-1].To.Equal(h.End) {
			continue
		}
		there[k.Role] = true
		if k.Algorithm != p.Algorithm || !slices.Contains(p.Roles(), k.Role) || p.Insecure {
			t.Errorf("seed %d: at the end there is %s of algorithm %s; wanted: %s, %v, insecure %v",
				seed, k.Name, k.Algorithm, p.Algorithm, p.Roles(), p.Insecure)
			return false
		}
	}
	for _, role := range p.Roles() {
		if !there[role] && !p.Insecure {
			t.Errorf("seed %d: at the end there is no %s", seed, role)
			return false
		}
	}
	return true
}

// stuckAfter is how long a record of a quiet zone may be under way.
func stuckAfter(s Setup) time.Duration {
	d := s.Parent.Delay + s.Parent.Spread + s.Parent.Look + 2*s.Policy.Validity + 30*day
	if s.Policy.NoParent {
		d += 90 * day
	}
	return d
}

// generator makes setups.
type generator struct{ *rand.Rand }

func (g generator) between(low, high time.Duration) time.Duration {
	return low + time.Duration(g.Int64N(int64(high-low)/int64(time.Second)+1))*time.Second
}

func (g generator) one(n int) bool { return g.IntN(n) == 0 }

// random makes a setup of a seed.
func random(seed uint64) Setup {
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	s := Setup{Zone: "example.org.", Seed: seed, Replicas: 1 + g.IntN(2)}
	s.Policy = g.policy()
	s.ZoneTTL = g.ttl(2 * day)
	s.Parent = Parent{
		Zone: "org.", Servers: 1 + g.IntN(4), Delay: g.between(0, 10*day), Spread: g.between(0, 2*day),
		Look: g.between(5*time.Minute, day), TTL: g.ttl(3 * day),
	}
	s.For = g.between(300*day, 700*day)
	quiet := 2 * stuckAfter(s)
	current := s.Policy
	for at := g.between(0, 20*day); at < s.For && len(s.Events) < 16; at += g.between(0, 40*day) {
		e := g.event(at, &current, s)
		s.Events = append(s.Events, e)
		if current.Insecure || at < 60*day { // a DS that was never seen and is withdrawn is gone by the policy's word alone
			s.Parent.Spread = min(s.Parent.Spread, s.Policy.ParentPropagation)
		}
		if e.Kind == SetPolicy && current.Insecure && current.NoParent { // only operators know when validators have heard of it
			for _, wait := range []time.Duration{10 * day, 200 * day} {
				s.Events = append(s.Events, Event{At: at + wait, Kind: Confirm})
				s.For = max(s.For, at+wait+quiet)
			}
		}
		if e.Kind == Hold {
			s.Events = append(s.Events, Event{At: at + g.between(0, 20*day), Kind: Resume})
		}
		s.For = max(s.For, at+e.For+quiet)
	}
	s.keepTTLs()
	return s
}

// keepTTLs lets the parent's TTL be lowered only where the one before could be
// seen: what nobody can know no hold can last for.
func (s *Setup) keepTTLs() {
	ttl, seen := s.Parent.TTL, true
	for i := range s.Events {
		e := &s.Events[i]
		switch e.Kind {
		case SetParentTTL:
			if !seen {
				e.TTL = max(e.TTL, ttl)
			}
			ttl, seen = e.TTL, i+1 < len(s.Events) && s.Events[i+1].At > e.At+2*s.Parent.Look
		case Stop, FailStore, Blind, Jump:
			seen = false
		}
	}
}

func (g generator) ttl(most time.Duration) uint32 {
	return uint32(g.between(time.Minute, most) / time.Second)
}

// policy makes a policy without faults.
func (g generator) policy() policy.Policy {
	for {
		p := policy.Default()
		g.vary(&p)
		if faults, _ := p.Check(); len(faults) == 0 {
			return p
		}
	}
}

// unused takes back the lifetimes of roles that a scheme does not have.
func unused(p *policy.Policy) {
	d := policy.Default()
	if p.Scheme == policy.SchemeCSK {
		p.KSKLifetime, p.ZSKLifetime = d.KSKLifetime, d.ZSKLifetime
	} else {
		p.CSKLifetime = d.CSKLifetime
	}
}

// algorithm chooses an algorithm, for RSA with lengths of keys.
func (g generator) algorithm(p *policy.Policy) {
	p.Algorithm = []policy.Algorithm{policy.ECDSAP256SHA256, policy.ECDSAP384SHA384, policy.ED25519, policy.RSASHA256}[g.IntN(4)]
	p.KSKBits, p.ZSKBits, p.CSKBits = 0, 0, 0
	if p.Algorithm == policy.RSASHA256 && p.Scheme == policy.SchemeSplit {
		p.KSKBits, p.ZSKBits = 2048+1024*g.IntN(3), 1024+512*g.IntN(3)
	}
}

func (g generator) vary(p *policy.Policy) {
	g.algorithm(p)
	if g.one(3) {
		p.Scheme = policy.SchemeCSK
	}
	lifetime := func(low time.Duration) time.Duration {
		if g.one(3) {
			return 0
		}
		return g.between(low, 400*day)
	}
	p.ZSKLifetime, p.KSKLifetime, p.CSKLifetime = lifetime(20*day), lifetime(60*day), lifetime(60*day)
	unused(p)
	p.Validity = g.between(4*day, 30*day)
	p.ValidityDNSKEY = p.Validity
	p.Refresh = g.between(day, p.Validity)
	p.DNSKEYTTL = g.ttl(day)
	p.PublishSafety, p.RetireSafety = g.between(0, 2*time.Hour), g.between(0, 2*time.Hour)
	p.PurgeKeys = g.between(day, 100*day)
	p.ZonePropagation = g.between(time.Minute, 12*time.Hour)
	p.ParentPropagation = g.between(time.Minute, 6*time.Hour)
	p.DSTTL = g.between(time.Minute, 2*day)
	p.CDS = !g.one(4)
	p.NoParent = g.one(8)
}

// event makes something happen at a moment.
func (g generator) event(at time.Duration, p *policy.Policy, s Setup) Event {
	e := Event{At: at, Kind: []Kind{
		Roll, Emergency, Hold, Confirm, Delete, Remove, Rest, SetPolicy, SetPolicy, SetTTL, Trust,
		Jump, Stop, FailStore, FailPublish, FailKeys, Idle, Blind, SetParentTTL,
	}[g.IntN(19)]}
	roles := p.Roles()
	e.Role = roles[g.IntN(len(roles))]
	switch e.Kind {
	case Confirm:
		e.Override = g.one(2)
	case Delete, Rest, FailKeys, Stop, FailStore, FailPublish:
		e.For = g.between(0, 10*day)
	case Idle, Blind:
		e.For = g.between(0, 40*day)
	case Jump:
		e.For = g.jump()
	case SetTTL:
		e.TTL = g.ttl(3 * day)
	case SetParentTTL:
		e.TTL = g.ttl(4 * day)
	case SetPolicy:
		*p = g.change(*p)
		next := *p
		e.Policy, e.Text = &next, fmt.Sprint(next.Algorithm, " ", next.Scheme, " insecure ", next.Insecure)
	}
	return e
}

// jump is one far back or a little, or one ahead that is doubted or believed at
// once.
func (g generator) jump() time.Duration {
	switch g.IntN(4) {
	case 0:
		return -g.between(0, 20*day)
	case 1:
		return -g.between(0, smallJump)
	case 2:
		return g.between(smallJump+time.Second, 40*day)
	}
	return g.between(0, smallJump)
}

// change makes another policy of one, within what the world takes for given.
func (g generator) change(was policy.Policy) policy.Policy {
	for {
		p := was
		switch g.IntN(4) {
		case 0:
			g.algorithm(&p)
		case 1:
			p.Scheme = policy.SchemeSplit + policy.SchemeCSK - p.Scheme
			p.KSKBits, p.ZSKBits = 0, 0
			unused(&p)
		case 2:
			p.Insecure = !p.Insecure
		case 3:
			g.vary(&p)
			p.NoParent, p.ZonePropagation, p.ParentPropagation = was.NoParent, was.ZonePropagation, was.ParentPropagation
		}
		if faults, _ := p.Check(); len(faults) == 0 {
			return p
		}
	}
}
