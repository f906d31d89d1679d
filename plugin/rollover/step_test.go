package rollover

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// read writes a key set down and reads it again.
func read(t *testing.T, s KeySet) (back KeySet) {
	t.Helper()
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func written(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// midRolls are worlds in the middle of something, by name.
func midRolls(t *testing.T) map[string]*world {
	t.Helper()
	all := map[string]*world{}
	for name, c := range map[string]struct {
		begin func(*world)
		after time.Duration
	}{
		"quiet":           {func(*world) {}, time.Hour},
		"key published":   {func(w *world) { w.command([]string{"roll", "ZSK"}) }, time.Hour},
		"signatures move": {func(w *world) { w.command([]string{"roll", "ZSK"}) }, day},
		"DS swapped":      {func(w *world) { w.command([]string{"roll", "KSK"}) }, 4 * time.Hour},
		"algorithm":       {func(w *world) { w.p.Algorithm = policy.ED25519 }, 9*day + 10*time.Hour},
		"scheme":          {func(w *world) { w.p.Scheme = policy.SchemeCSK }, 3 * time.Hour},
		"leaving":         {func(w *world) { w.p.Insecure = true }, 5 * time.Hour},
		"emergency":       {func(w *world) { w.command([]string{"roll", "ZSK", "emergency"}) }, 70 * time.Minute},
		"emergency in a roll": {func(w *world) {
			w.command([]string{"roll", "ZSK"})
			w.run(3 * time.Hour)
			w.command([]string{"roll", "ZSK", "emergency"})
		}, 5 * time.Minute},
		"a key is purged":    {func(w *world) { w.command([]string{"roll", "KSK"}) }, 40 * day},
		"decided, not shown": {func(w *world) { w.mute = true; w.command([]string{"roll", "ZSK"}) }, time.Hour},
	} {
		w := quiet()
		c.begin(w)
		w.run(c.after)
		all[name] = w
	}
	return all
}

func TestStep_TwiceIsOnce(t *testing.T) {
	for name, w := range midRolls(t) {
		twice := 0
		w.watch = func(before KeySet, f Facts, plan Plan) {
			if !plan.Changed {
				return
			}
			if plan.KeySet.Pending() {
				f.Served = time.Time{} // what was just decided is not served
			}
			if again := Step(w.now, w.p, f, plan.KeySet); again.Changed || len(again.Moves) > 0 {
				t.Errorf("%s at %s: again %+v", name, w.at(), again.Moves)
			} else {
				twice++
			}
		}
		w.run(30 * day)
		if twice == 0 && name != "quiet" && name != "a key is purged" && name != "decided, not shown" {
			t.Errorf("%s: nothing happened", name)
		}
	}
}

// Before the moment that a plan names nothing changes, unless something happens.
func TestStep_TooEarlyChangesNothing(t *testing.T) {
	for name, w := range midRolls(t) {
		for range 40 {
			plan := w.step()
			next := w.now.Add(800 * day)
			for _, e := range []time.Time{plan.Wake, w.ends} {
				if e.After(w.now) && e.Before(next) {
					next = e
				}
			}
			for n := range 8 {
				now := w.now.Add(next.Sub(w.now) * time.Duration(n) / 8)
				if early := Step(now, w.p, w.facts(), w.set); early.Changed {
					t.Fatalf("%s: at %s, before %s: %+v", name, moment(now), moment(next), early.Moves)
				}
			}
			w.run(day / 3)
		}
	}
}

// TestStep_LateOnlyDelays calls the same zone at the right moments and days too
// late: every record goes the same way, never sooner.
func TestStep_LateOnlyDelays(t *testing.T) {
	type place struct {
		state State
		at    time.Time
	}
	live := func(gap func(n int) time.Duration) map[string][]place {
		w, ways := newWorld(), map[string][]place{}
		w.p.ZSKLifetime, w.p.PurgeKeys = 0, 0
		w.watch = func(before KeySet, _ Facts, plan Plan) {
			for i := range plan.KeySet.Keys {
				k := &plan.KeySet.Keys[i]
				for r, s := range k.Records {
					name := k.ID + " " + Record(r).String()
					if old := before.Key(k.ID); old == nil || old.Records[r].State != s.State {
						ways[name] = append(ways[name], place{s.State, w.now})
					}
				}
			}
		}
		asked := []struct {
			after time.Duration
			do    func()
		}{
			{40 * day, func() { w.command([]string{"roll", "ZSK"}) }},
			{60 * day, func() { w.command([]string{"roll", "KSK"}) }},
			{80 * day, func() { w.p.Algorithm = policy.ED25519 }},
			{120 * day, func() { w.p.Scheme = policy.SchemeCSK }},
			{180 * day, func() { w.p.Insecure = true }},
		}
		for n := 0; w.now.Before(start.Add(230 * day)); n++ {
			for len(asked) > 0 && !w.now.Before(start.Add(asked[0].after)) {
				asked[0].do()
				asked = asked[1:]
			}
			if gap == nil {
				w.run(12 * time.Hour)
				continue
			}
			w.step()
			w.now = w.now.Add(gap(n))
		}
		return ways
	}
	exact := live(nil)
	late := live(func(n int) time.Duration { return time.Duration(n*7919%97) * time.Hour })
	if len(exact) != len(late) || len(exact) < 20 {
		t.Errorf("%d records, late %d", len(exact), len(late))
	}
	for name, way := range exact {
		for i := range max(len(way), len(late[name])) {
			if i >= len(way) || i >= len(late[name]) || way[i].state != late[name][i].state || late[name][i].at.Before(way[i].at) {
				t.Errorf("%s:\n%v\nlate\n%v", name, way, late[name])
				break
			}
		}
	}
}

func TestStep_BackInTimeNothingMoves(t *testing.T) {
	for name, w := range midRolls(t) {
		for _, back := range []time.Duration{time.Second, time.Hour, 3 * day, 1000 * day} {
			plan := Step(w.now.Add(-back), w.p, w.facts(), w.set)
			if len(plan.Moves) > 0 {
				t.Errorf("%s, %s back: %+v", name, back, plan.Moves)
			}
			for i := range plan.KeySet.Keys {
				for r, s := range plan.KeySet.Keys[i].Records {
					if s.Since.After(w.now.Add(-back)) {
						t.Errorf("%s, %s back: %s since %s", name, back, Record(r), moment(s.Since))
					}
				}
			}
		}
	}
}

// A moment in the future is one of a clock that was wrong: its hold begins again.
func TestStep_SinceInTheFuture(t *testing.T) {
	key := inService("new", policy.KSK).in(DNSKEY, Rumoured, Omnipresent).in(KRRSIG, Rumoured, Omnipresent).in(DS, Hidden, Omnipresent)
	for _, r := range []Record{DNSKEY, KRRSIG} {
		key = key.since(r, noon.Add(300*day))
	}
	seen, gone := inService("seen", policy.KSK), retired(inService("gone", policy.KSK)).in(DS, Unretentive, Hidden)
	seen.DSSeen, gone.DSGone, gone.Revoked = noon.Add(300*day), noon.Add(300*day), noon.Add(300*day)
	s := ours(inService("ksk", policy.KSK), inService("zsk", policy.ZSK), key, seen, gone)
	f := Facts{Served: noon, Complete: noon}
	plan := Step(noon, odd(), f, s)
	if a, b := plan.KeySet.Key("seen"), plan.KeySet.Key("gone"); !a.DSSeen.Equal(noon) || !b.DSGone.Equal(noon) || !b.Revoked.Equal(noon) {
		t.Errorf("DS seen %s, gone %s, revoked %s", a.DSSeen, b.DSGone, b.Revoked)
	}
	if got := plan.KeySet.Key("new").Records[DNSKEY].Since; !got.Equal(noon) {
		t.Errorf("since %s", got)
	}
	settles(t, odd(), f, plan.KeySet, "new", DNSKEY, Omnipresent, noon.Add(dprp+ttlKey+publish))
}

// While something is frozen a key set stays as it is to the last bit.
func TestStep_FreezeChangesNothing(t *testing.T) {
	for name, w := range midRolls(t) {
		f := w.facts()
		f.Freeze, f.Until = "the clock jumped", w.now.Add(401*day)
		plan := Step(w.now.Add(400*day), w.p, f, w.set)
		if plan.Changed || !reflect.DeepEqual(plan.KeySet, w.set.Clone()) || len(plan.Moves)+len(plan.Make) > 0 || !plan.Wake.Equal(f.Until) {
			t.Errorf("%s: %+v", name, plan)
		}
		for _, r := range plan.Reasons {
			if r.Next != r.State && r.Waiting != f.Freeze {
				t.Errorf("%s: %s waits for %q", name, r.Record, r.Waiting)
			}
		}
	}
}

// While an operator holds, and while what was decided is not served, nothing is
// shown and nothing withdrawn.
func TestStep_HeldOrNotServedNothingIsDecided(t *testing.T) {
	for name, w := range midRolls(t) {
		for _, held := range []bool{false, true} {
			s, f := w.set.Clone(), w.facts()
			f.Complete = w.now
			if held {
				s.Hold = &Hold{Since: w.now}
			} else {
				s.Keys[0].Records[DNSKEY].Pending, f.Served = true, time.Time{}
			}
			plan := Step(w.now.Add(400*day), w.p, f, s)
			for _, m := range plan.Moves {
				if m.Record != "key" && (m.To == "rumoured" || m.To == "unretentive") {
					t.Errorf("%s, held %t: %+v", name, held, m)
				}
			}
		}
	}
}

// What is stored and read again goes on in the same way, to the nanosecond.
func TestStep_WrittenAndReadGoesOnTheSame(t *testing.T) {
	for name, w := range midRolls(t) {
		w.now = w.now.Add(123456789)
		w.watch = func(before KeySet, f Facts, plan Plan) {
			again := Step(w.now, w.p, f, read(t, before))
			if got, want := written(t, again), written(t, plan); got != want {
				t.Fatalf("%s at %s: read again it goes otherwise:\n%s\n%s", name, w.at(), got, want)
			}
		}
		w.run(20 * day)
	}
}

// A Step leaves what it is given alone.
func TestStep_TouchesNothing(t *testing.T) {
	for name, w := range midRolls(t) {
		was, f := read(t, w.set), w.facts()
		pool := slices.Clone(f.Pool)
		Step(w.now.Add(60*day), w.p, f, w.set)
		if written(t, was) != written(t, w.set) || !slices.Equal(pool, f.Pool) {
			t.Errorf("%s: Step has changed what it was given", name)
		}
	}
}

// Reasons name every record of every key, and every wait says for what.
func TestStep_EveryWaitHasAReason(t *testing.T) {
	for name, w := range midRolls(t) {
		plan := w.step()
		n := 0
		for _, r := range plan.Reasons {
			if r.Key != "" {
				n++
			}
			if r.Key != "" && (r.Next != r.State) != (r.State != r.Goal) && r.Waiting == "" {
				t.Errorf("%s: %+v", name, r)
			}
			if r.State != r.Goal && r.Waiting == "" || strings.Contains(r.Waiting, "%!") {
				t.Errorf("%s: %+v", name, r)
			}
		}
		want := 0
		for i := range plan.KeySet.Keys {
			for r := range records {
				if r.of(plan.KeySet.Keys[i].Role) {
					want++
				}
			}
		}
		if n != want {
			t.Errorf("%s: %d reasons for %d records", name, n, want)
		}
	}
}

// A hold that nobody wants any more is waited for too: what comes after it hangs
// on it.
func TestStep_WakesForEveryHold(t *testing.T) {
	ksk, zsk := inService("ksk", policy.KSK), inService("zsk", policy.ZSK)
	spreads := retired(inService("gone", policy.ZSK)).in(ZRRSIG, Rumoured, Hidden)
	comes := retired(inService("gone", policy.KSK).in(DS, Hidden, Hidden)).in(DNSKEY, Rumoured, Hidden).in(KRRSIG, Rumoured, Hidden)
	for r, k := range map[Record]Key{ZRRSIG: spreads, DNSKEY: comes} {
		s := ours(ksk, zsk, k)
		now, f := noon, Facts{Served: noon, Complete: noon}
		for range 20 {
			plan := Step(now, odd(), f, s)
			if s = plan.KeySet; s.Keys[2].state(r) == Hidden {
				break
			}
			if s.Pending() { // the driver serves it, and calls
				plan.Wake = now.Add(time.Second)
			}
			if plan.Wake.IsZero() {
				t.Errorf("%s is %s, to be %s, and nobody wakes", r, s.Keys[2].state(r), s.Keys[2].Records[r].Goal)
				break
			}
			now, f.Served, f.Complete = plan.Wake, plan.Wake, plan.Wake
		}
	}
}
