package sign

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

const (
	hour = time.Hour
	days = 24 * hour
)

// testSchedule returns a schedule of generations that differ in validity,
// refresh and beginning.
func testSchedule(origin []byte, gens ...Generation) *schedule {
	p := &Plan{origin: origin, in: Input{Generations: gens, Keys: make([]Key, 8)}}
	s := p.newSchedule()
	return &s
}

func gen(since time.Time, validity, refresh time.Duration, signers ...int) Generation {
	return Generation{Since: since, Validity: validity, ValidityDNSKEY: validity, Refresh: refresh, ZoneSigners: signers}
}

var validities = []struct{ v, r time.Duration }{
	{14 * days, 5 * days}, {30 * days, 1 * days}, {2 * hour, hour}, {20 * time.Second, 3 * time.Second},
	{time.Hour + 7*time.Second, time.Minute}, {400 * days, 10 * days}, {9*days + 13*time.Minute, 5*days + 7*time.Second},
}

func TestSchedule_MoreThanRefreshIsAlwaysLeft(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range validities {
		s := testSchedule(wire(t, "example.org"), gen(now, c.v, c.r, 0))
		for range 5000 {
			s.now = now.Unix() + r.Int64N(4*int64(c.v/time.Second)) - 2*int64(c.v/time.Second)
			if r.IntN(10) == 0 { // a clock that was never set
				s.now = r.Int64N(100_000)
			}
			w, due := s.place(r.Uint64(), uint16(r.Uint32()))
			left := w.at + seconds(c.v) - s.now
			if left <= seconds(c.r) {
				t.Fatalf("V %v R %v: %d s left", c.v, c.r, left)
			}
			if w.at > s.now || due <= s.now || due != w.at+seconds(policy.Period(c.v, c.r)) {
				t.Fatalf("V %v R %v: at %d now %d due %d", c.v, c.r, w.at, s.now, due)
			}
		}
	}
}

func TestSchedule_EachSetIsSignedOnceAPeriodInSlots(t *testing.T) {
	origin := wire(t, "example.org")
	for _, c := range validities {
		s := testSchedule(origin, gen(now, c.v, c.r, 0))
		period, width := seconds(policy.Period(c.v, c.r)), seconds(policy.SlotWidth(c.v, c.r))
		for name := range uint64(20) {
			moments := map[int64]bool{}
			s.now = now.Unix()
			for end := s.now + 3*period; s.now < end; {
				w, due := s.place(name*1e9, 1)
				moments[w.at] = true
				if start := Slot(origin, c.v, c.r, time.Unix(w.at, 0)); start.Unix() != w.at {
					t.Fatalf("%d is no start of a slot", w.at)
				}
				if due-s.now > period || due%width != w.at%width {
					t.Fatalf("due %d after %d", due, s.now)
				}
				s.now = due
			}
			if len(moments) != 3 && len(moments) != 4 { // the first began before the first now
				t.Fatalf("V %v R %v: signed %d times in three periods", c.v, c.r, len(moments))
			}
		}
	}
}

func TestSchedule_DueIsTheFirstMomentOfChange(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 400 {
		a, b := validities[r.IntN(len(validities))], validities[r.IntN(len(validities))]
		since := now.Add(time.Duration(r.Int64N(int64(3*a.v))) - a.v)
		s := testSchedule(wire(t, "example.org"), gen(now, a.v, a.r, 0), gen(since, b.v, b.r, 1))
		s.now = now.Unix()
		name := r.Uint64()
		w, due := s.place(name, 1)
		for range 20 {
			s.now += r.Int64N(due - s.now)
			if again, _ := s.place(name, 1); again != w {
				t.Fatalf("case %d: changed at %d, before %d", n, s.now, due)
			}
			s.now = due - 1
			if again, _ := s.place(name, 1); again != w {
				t.Fatalf("case %d: changed before it was due", n)
			}
			s.now = due
			next, nextDue := s.place(name, 1)
			if next == w || nextDue <= due {
				t.Fatalf("case %d: nothing changed when it was due", n)
			}
			w, due = next, nextDue
		}
		if s.now > since.Unix()+seconds(b.v) && w.gen != 1 {
			t.Fatalf("case %d: never moved to the new generation", n)
		}
	}
}

func TestSchedule_GenerationsMoveOverOnePeriod(t *testing.T) {
	for _, c := range validities {
		width, period := seconds(policy.SlotWidth(c.v, c.r)), seconds(policy.Period(c.v, c.r))
		s := testSchedule(wire(t, "example.org"), gen(now.Add(-c.v), c.v, c.r, 0), gen(now, c.v, c.r, 1))
		const names = 5000
		moved := func(at int64) (n int) {
			s.now = at
			for name := range uint64(names) {
				if w, _ := s.place(name*0x9e3779b97f4a7c15, 1); w.gen == 1 {
					n++
				}
			}
			return n
		}
		if n := moved(now.Unix() - 1); n != 0 {
			t.Errorf("V %v R %v: %d moved before the generation began", c.v, c.r, n)
		}
		if n := moved(now.Unix() + period/2); n < names/3 || n > names*2/3 {
			t.Errorf("V %v R %v: %d of %d moved in half a period", c.v, c.r, n, names)
		}
		if n := moved(now.Unix() + period + width); n != names { // RFC 7583 section 3.2.1, Dsgn
			t.Errorf("V %v R %v: %d of %d moved after a period and a slot", c.v, c.r, n, names)
		}
	}
}

// A key roll must not make more signatures than no roll: each set is signed at
// the moments at which it would have been signed anyway.
func TestSchedule_AKeyRollMakesOneSignatureASet(t *testing.T) {
	v, r := 14*days, 5*days
	rolled := testSchedule(wire(t, "example.org"), gen(now.Add(-v), v, r, 0), gen(now, v, r, 1))
	for name := range uint64(500) {
		keys := map[int64]uint16{}
		rolled.now = now.Unix() - 1
		for end := now.Unix() + seconds(policy.Period(v, r)) + 3600; rolled.now < end; {
			w, due := rolled.place(mix(name), 1)
			k := rolled.signers(w.gen, 1)[0]
			if other, seen := keys[w.at]; seen && other != k {
				t.Fatalf("set %d is signed by two keys at one moment", name)
			}
			keys[w.at] = k
			rolled.now = due
		}
		old, fresh := 0, 0
		for _, k := range keys {
			if k == 0 {
				old++
			} else {
				fresh++
			}
		}
		if old != 1 || fresh < 1 || fresh > 2 {
			t.Fatalf("set %d has %d old and %d new signatures", name, old, fresh)
		}
	}
}

func TestSchedule_LoadIsEven(t *testing.T) {
	v, r := 14*days, 5*days
	s := testSchedule(wire(t, "example.org"), gen(now, v, r, 0))
	s.now = now.Unix()
	perSlot := map[int64]int{}
	const sets = 240 * 400
	var key []byte
	for n := range sets / 4 {
		key = fmt.Appendf(key[:0], "host%d\x00", n)
		for _, typ := range []uint16{1, 28, 16, zone.TypeNSEC} {
			w, _ := s.place(s.nameHash(key), typ)
			perSlot[w.at]++
		}
	}
	if len(perSlot) != 240 {
		t.Errorf("%d slots are used, not 240", len(perSlot))
	}
	for at, n := range perSlot {
		if n < 300 || n > 500 {
			t.Errorf("slot %d has %d sets of 400", at, n)
		}
	}
}

func TestSchedule_ZonesAreShifted(t *testing.T) {
	starts := map[int64]bool{}
	for n := range 1000 {
		starts[Slot(wire(t, fmt.Sprintf("zone%d.example", n)), 14*days, 5*days, now).Unix()] = true
	}
	if len(starts) < 800 {
		t.Errorf("1000 zones have only %d starts of a slot", len(starts))
	}
}
