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

// guard checks each step: no rule is broken, records go along the arrows of the
// picture, and there are not too many keys (P14). A DS may do as the parent does.
func guard(t *testing.T, name string, w *world) {
	t.Helper()
	w.watch = func(before KeySet, _ Facts, plan Plan) {
		s := &plan.KeySet
		for _, b := range judge(s, true, true, "") {
			t.Fatalf("%s at %s: the rule %s is broken:\n%s", name, w.at(), b.rule, strings.Join(w.log, "\n"))
		}
		if none := len(s.Delegated()) == 0; none && len(before.Delegated()) > 0 && !w.p.Insecure {
			t.Fatalf("%s at %s: no DS is asked for any more", name, w.at())
		}
		inZone := 0
		for i := range s.Keys {
			if !s.Keys[i].Gone() {
				inZone++
			}
		}
		if inZone > maxKeys {
			t.Fatalf("%s at %s: %d keys in the zone", name, w.at(), inZone)
		}
		for _, m := range plan.Moves {
			from, to := slices.Index(stateWords[:], m.From), slices.Index(stateWords[:], m.To)
			if m.Record == "key" || m.Record == "DS" {
				continue
			}
			if (m.To == "hidden") != (m.Why == "no cache has it any more") || (m.To == "omnipresent") != (m.Why == "every cache has it") {
				t.Fatalf("%s at %s: %+v", name, w.at(), m)
			}
			if from < 0 || to < 0 || !slices.Contains(transitions[from], State(to)) {
				t.Fatalf("%s at %s: %+v", name, w.at(), m)
			}
		}
	}
}

// changes are all kinds of rolls, by what begins them.
var changes = map[string]func(*world){
	"ZSK":                  func(w *world) { w.command([]string{"roll", "ZSK"}) },
	"KSK":                  func(w *world) { w.command([]string{"roll", "KSK"}) },
	"emergency ZSK":        func(w *world) { w.command([]string{"roll", "ZSK", "emergency"}) },
	"emergency KSK":        func(w *world) { w.command([]string{"roll", "KSK", "emergency"}) },
	"scheme":               func(w *world) { w.p.Scheme = policy.SchemeCSK },
	"algorithm":            func(w *world) { w.p.Algorithm = policy.ED25519 },
	"scheme and algorithm": func(w *world) { w.p.Scheme, w.p.Algorithm = policy.SchemeCSK, policy.ED25519 },
	"RSA":                  func(w *world) { w.p.Algorithm = policy.RSASHA256 },
	"RSA bits":             func(w *world) { w.p.Algorithm, w.p.ZSKBits = policy.RSASHA256, 1536 },
}

// wantEnd checks that nothing is left to do, and that what serves is as the
// policy says: one key of each role, and nothing else in the zone.
func (w *world) wantEnd(t *testing.T, name string) {
	t.Helper()
	var roles []policy.Role
	for i := range w.set.Keys {
		k := &w.set.Keys[i]
		if k.Gone() {
			continue
		}
		bits := w.p.Bits(k.Role)
		if bits == 0 {
			bits = w.p.Algorithm.DefaultBits()
		}
		if k.Algorithm != w.p.Algorithm || k.Bits != bits || !k.InService() {
			t.Errorf("%s: there is %s of algorithm %s with %d bits", name, k.ID, k.Algorithm, k.Bits)
		}
		for r, s := range k.Records {
			if !s.Settled() {
				t.Errorf("%s: %s %s is %s, to be %s", name, k.ID, Record(r), s.State, s.Goal)
			}
		}
		roles = append(roles, k.Role)
	}
	want := w.p.Roles()
	if w.p.Insecure {
		want = nil
	}
	slices.Sort(roles)
	if !slices.Equal(roles, want) || len(w.set.Requests) > 0 {
		t.Errorf("%s: there are %v, want %v; asked for is %v", name, roles, want, w.set.Requests)
	}
	if t.Failed() {
		t.Fatal(strings.Join(append(w.log, w.explain()...), "\n"))
	}
}

// rollTime is how long the longest of the rolls takes.
const rollTime = 40 * day

func TestRolls_EachComesToItsEnd(t *testing.T) {
	for name, begin := range changes {
		w := quiet()
		guard(t, name, w)
		begin(w)
		w.run(rollTime)
		w.wantEnd(t, name)
	}
}

// Whatever is under way, another thing may begin.
func TestRolls_AnyInTheMiddleOfAnother(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for first, begin := range changes {
		for second, then := range changes {
			after := time.Duration(r.IntN(int(14*day/time.Minute))) * time.Minute
			name := fmt.Sprintf("%s, and %s after %s", first, second, after)
			w := quiet()
			guard(t, name, w)
			begin(w)
			w.run(after)
			if (second == "ZSK" || second == "KSK" || strings.HasPrefix(second, "emergency")) && w.p.Scheme == policy.SchemeCSK {
				w.command(append([]string{"roll", "CSK"}, strings.Fields(second)[:1]...))
			} else {
				then(w)
			}
			w.run(2 * rollTime)
			w.wantEnd(t, name)
		}
	}
}

// A policy that is taken back in the middle of its roll leads back, by another.
func TestRolls_PolicyTakenBack(t *testing.T) {
	for name, begin := range changes {
		for n := range 5 {
			after := time.Duration(n) * 79 * time.Hour / 2
			w := quiet()
			p, at := w.p, fmt.Sprintf("%s, taken back after %s", name, after)
			guard(t, at, w)
			begin(w)
			w.run(after)
			w.p = p
			w.run(2 * rollTime)
			w.wantEnd(t, at)
		}
	}
}

// Leaving begins in the middle of each kind of roll, and may be regretted at any
// time: while a DS may be somewhere the zone stays as it is.
func TestRolls_LeavingAndComingBack(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for name, begin := range changes {
		for n := range 6 {
			left := time.Duration(r.IntN(int(14*day/time.Minute))) * time.Minute
			back := time.Duration(r.IntN(int(4*day/time.Minute))) * time.Minute
			at := fmt.Sprintf("%s, leaving after %s, back after %s", name, left, back)
			w := quiet()
			guard(t, at, w)
			begin(w)
			w.run(left)
			w.p.Insecure = true
			if n == 0 {
				w.run(rollTime)
				w.wantEnd(t, name+", leaving")
				if w.set.Signed() || w.set.Withdrawn() {
					t.Errorf("%s: signed %t, delete CDS %t", at, w.set.Signed(), w.set.Withdrawn())
				}
				continue
			}
			w.run(back)
			kept := slices.ContainsFunc(w.set.Keys, func(k Key) bool { return k.state(DS) != Hidden })
			if kept && !w.set.Signed() {
				t.Errorf("%s: unsigned while a DS may be somewhere", at)
			}
			w.p.Insecure = false
			w.run(2 * rollTime)
			w.wantEnd(t, at)
		}
	}
}

// An algorithm's signatures are complete before its DNSKEY is shown, and go
// after it (RFC 6781 section 4.1.4): seen at each version that is served.
func TestRolls_SignaturesFirstInLastOut(t *testing.T) {
	for _, name := range []string{"algorithm", "RSA", "scheme and algorithm"} {
		w := quiet()
		changes[name](w)
		w.watch = func(_ KeySet, f Facts, plan Plan) {
			s := &plan.KeySet
			for _, id := range s.Published() {
				a := s.Key(id).Algorithm
				if !slices.ContainsFunc(s.ZoneSigners(), func(z string) bool { return s.Key(z).Algorithm == a }) {
					t.Errorf("%s at %s: DNSKEY of %s is shown, and its algorithm does not sign", name, w.at(), id)
				}
			}
		}
		w.run(rollTime)
		w.wantEnd(t, name)
	}
}
