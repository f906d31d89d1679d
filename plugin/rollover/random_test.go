package rollover

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// life is a random life of a zone: a policy, and what happens to it.
type life struct {
	*world
	*rand.Rand
}

func newLife(seed uint64) life {
	l := life{newWorld(), rand.New(rand.NewPCG(seed, 11))}
	d := func(most time.Duration) time.Duration {
		return time.Duration(1+l.Int64N(int64(most/time.Second))) * time.Second
	}
	p := &l.p
	p.ZonePropagation, p.ParentPropagation, p.PublishSafety, p.RetireSafety = d(time.Hour), d(6*time.Hour), d(3*time.Hour), d(3*time.Hour)
	p.DNSKEYTTL, p.DSTTL = uint32(d(2*day)/time.Second), d(3*day)
	p.PurgeKeys = d(60 * day)
	p.NoParent = l.IntN(5) == 0
	if l.IntN(2) == 0 {
		p.ZSKLifetime, p.KSKLifetime, p.CSKLifetime = 30*day+d(90*day), 90*day+d(90*day), 90*day+d(90*day)
	}
	l.alter()
	l.maxTTL = uint32(d(2*day) / time.Second)
	l.lookGap = time.Hour + d(day)
	for _, s := range l.servers { // whoever leaves before a DS was seen has to believe the bound
		s.delay = d(p.ParentPropagation)
	}
	return l
}

// alter changes what an operator has written in the Corefile.
func (l life) alter() {
	l.p.Algorithm = []policy.Algorithm{policy.ECDSAP256SHA256, policy.ED25519, policy.RSASHA256}[l.IntN(3)]
	l.p.Scheme = []policy.Scheme{policy.SchemeSplit, policy.SchemeCSK}[l.IntN(2)]
	l.p.KSKBits, l.p.ZSKBits, l.p.CSKBits = 0, 0, 0
	if l.p.Algorithm == policy.RSASHA256 {
		l.p.ZSKBits = []int{0, 1536, 2048}[l.IntN(3)]
	}
}

// order has an operator do something; a refusal is as good.
func (l life) order() {
	if len(l.set.Keys) == 0 {
		return
	}
	o := l.world.order()
	o.Override = false
	k := &l.set.Keys[l.IntN(len(l.set.Keys))]
	switch l.IntN(6) {
	case 0:
		l.set.ScheduleDeletion(o, k.ID, l.now.Add(time.Duration(l.IntN(40))*day))
	case 1:
		l.set.DNSKEYOnly(o, k.ID, l.IntN(2) == 0)
	case 2:
		l.set.ConfirmDS(o, k.ID, l.IntN(2) == 0)
	case 3:
		l.set.Remove(o, k.ID)
	default:
		l.set.Roll(o, k.Role, l.IntN(3) == 0)
	}
}

// happen has something happen, and returns how it ends.
func (l life) happen() (end func()) {
	server := l.servers[l.IntN(len(l.servers))]
	switch l.IntN(9) {
	case 0:
		l.alter()
	case 1:
		l.p.Insecure = l.IntN(2) == 0
	case 2:
		server.down = true
		return func() { server.down = false }
	case 3:
		l.ignores = true
		return func() { l.ignores = false }
	case 4:
		l.set.Hold = &Hold{Since: l.now}
		return func() { l.set.Hold = nil }
	case 5:
		l.freeze = "the clock jumped"
		return func() { l.freeze = "" }
	case 6:
		l.mute = true
		return func() { l.mute = false }
	default:
		l.order()
	}
	return func() {}
}

// quietly ends what is still so, and gives the zone the time for two rolls of
// everything, and a validator's for two trust anchors.
func (l life) quietly() {
	l.p.ZSKLifetime, l.p.KSKLifetime, l.p.CSKLifetime = 0, 0, 0
	l.run(100 * day)
	if !l.p.NoParent {
		return
	}
	l.run(200 * day)
	for _, k := range l.set.Keys { // trust anchors that were not revoked somebody has to take away
		if k.state(DS) == Unretentive && k.Revoked.IsZero() {
			l.set.ConfirmDS(l.world.order(), k.ID, true)
		}
	}
	l.run(300 * day)
}

// TestRandom_Lives: in whatever happens no rule is broken, Step twice is once,
// and in the end everything is as the policy says.
func TestRandom_Lives(t *testing.T) {
	for seed := range uint64(60) {
		l := newLife(seed)
		name := fmt.Sprint("seed ", seed)
		guard(t, name, l.world)
		watch := l.watch
		l.watch = func(before KeySet, f Facts, plan Plan) {
			watch(before, f, plan)
			if plan.KeySet.Pending() {
				f.Served = time.Time{}
			}
			if again := Step(l.now, l.p, f, plan.KeySet); plan.Changed && again.Changed {
				t.Fatalf("%s at %s: Step twice is not once: %+v", name, l.at(), again.Moves)
			}
		}
		l.run(5 * day)
		for range 10 {
			end := l.happen()
			l.run(time.Duration(l.IntN(300)) * time.Hour / 10)
			if l.IntN(2) == 0 {
				l.happen()()
			}
			l.run(time.Duration(l.IntN(300)) * time.Hour)
			end()
		}
		l.quietly()
		l.wantServed(t, name)
	}
}

// wantServed checks that everything has settled and each role is served as the
// policy says. An operator may have more keys than that.
func (w *world) wantServed(t *testing.T, name string) {
	t.Helper()
	var wrong []string
	served := map[policy.Role]bool{}
	for i := range w.set.Keys {
		k := &w.set.Keys[i]
		served[k.Role] = served[k.Role] || k.InService() && k.Algorithm == w.p.Algorithm
		for r, s := range k.Records {
			if !s.Settled() {
				wrong = append(wrong, fmt.Sprintf("%s %s is %s, to be %s", k.ID, Record(r), s.State, s.Goal))
			}
		}
	}
	for _, r := range w.p.Roles() {
		if served[r] == w.p.Insecure {
			wrong = append(wrong, fmt.Sprintf("%s is served: %t", r, served[r]))
		}
	}
	if wrong != nil || len(w.set.Requests) > 0 {
		t.Fatalf("%s, policy %s %s insecure %t: %q, asked for %v\n%s", name, w.p.Algorithm, w.p.Scheme, w.p.Insecure, wrong, w.set.Requests,
			strings.Join(append(w.log, w.explain()...), "\n"))
	}
}

// P14: however often somebody is in an emergency, there are never more than a few
// keys, and all of them get their turn.
func TestRandom_P14_EmergencyUponEmergency(t *testing.T) {
	w := quiet()
	guard(t, "emergencies", w)
	most := 0
	for n := range 60 {
		for _, r := range []policy.Role{policy.ZSK, policy.KSK} {
			must(t, w, func(s *KeySet, o Order) (Entry, error) { return s.Roll(o, r, true) })
		}
		w.run(time.Duration(n%7) * 11 * time.Minute)
		most = max(most, len(w.set.Published()))
	}
	w.run(30 * day)
	w.wantEnd(t, "after all emergencies")
	if most < 4 || most > maxKeys {
		t.Errorf("at most %d keys were published", most)
	}
	roll := func(l string) bool { return strings.HasSuffix(l, "-> in service") }
	if n := len(slices.DeleteFunc(slices.Clone(w.log), func(l string) bool { return !roll(l) })); n < 10 {
		t.Errorf("only %d keys came into service", n)
	}
}
