package rollover

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

func rollBoth(w *world) { w.command([]string{"roll", "ZSK"}); w.command([]string{"roll", "KSK"}) }

// typical are steps of a zone in which nothing happens, of one in the middle of
// rolls, and ones that settle and move.
var typical = []struct {
	name  string
	begin func(*world)
	after time.Duration // until the step
	moves int           // of the step, at least
}{
	{"quiet", func(*world) {}, time.Hour, 0},
	{"rolls", rollBoth, time.Hour, 0},
	{"signatures move", rollBoth, 2 * day, 0},
	{"begins", rollBoth, 0, 5},
	{"settles and moves", rollBoth, 125 * time.Minute, 5},
	{"algorithm settles and moves", func(w *world) { w.p.Algorithm = policy.ED25519 }, 9*day + 3*time.Hour, 4},
	{"unsigns", func(w *world) { w.p.Insecure = true }, 2 * day, 5},
}

// BenchmarkStep is what each of them takes.
func BenchmarkStep(b *testing.B) {
	for _, c := range typical {
		b.Run(c.name, func(b *testing.B) {
			now, p, f, s, moves := given(c.begin, c.after, c.moves)
			if moves < c.moves {
				b.Fatalf("the step has %d moves", moves)
			}
			b.ReportAllocs()
			for b.Loop() {
				Step(now, p, f, s)
			}
		})
	}
}

// given returns what the last step within a time is given that has so many moves
// at least.
func given(begin func(*world), within time.Duration, least int) (now time.Time, p policy.Policy, f Facts, s KeySet, moves int) {
	w := quiet()
	begin(w)
	w.watch = func(before KeySet, facts Facts, plan Plan) {
		if len(plan.Moves) >= least {
			now, p, f, s, moves = w.now, w.p, facts, before.Clone(), len(plan.Moves)
		}
	}
	w.run(within)
	return now, p, f, s, moves
}

// What a Step costs is counted, not timed: one that looks at everything once for
// each thing that it looks at would allocate many times as much.
func TestStep_DoesLittle(t *testing.T) {
	for _, c := range typical {
		now, p, f, s, _ := given(c.begin, c.after, c.moves)
		if n := testing.AllocsPerRun(20, func() { Step(now, p, f, s) }); n > 250 {
			t.Errorf("%s: %.0f allocations in a step", c.name, n)
		}
	}
}
