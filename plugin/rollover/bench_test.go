package rollover

import (
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// BenchmarkStep is a Step of a zone in which nothing happens, of one in the
// middle of rolls, and of ones that settle and move.
func BenchmarkStep(b *testing.B) {
	roll := func(w *world) { w.command([]string{"roll", "ZSK"}); w.command([]string{"roll", "KSK"}) }
	for _, c := range []struct {
		name  string
		begin func(*world)
		after time.Duration // until the step
		moves int           // of the step, at least
	}{
		{"quiet", func(*world) {}, time.Hour, 0},
		{"rolls", roll, time.Hour, 0},
		{"signatures move", roll, 2 * day, 0},
		{"begins", roll, 0, 5},
		{"settles and moves", roll, 125 * time.Minute, 5},
		{"algorithm settles and moves", func(w *world) { w.p.Algorithm = policy.ED25519 }, 9*day + 3*time.Hour, 4},
		{"unsigns", func(w *world) { w.p.Insecure = true }, 2 * day, 5},
	} {
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
