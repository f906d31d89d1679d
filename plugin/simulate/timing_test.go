package simulate

import (
	"slices"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// TestRun_StepTwiceIsStepOnce has every Step of random lives taken again at the
// same moment, before anything came of it: nothing changes.
func TestRun_StepTwiceIsStepOnce(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		s := random(seed)
		s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
			plan := rollover.Step(now, p, f, k)
			if plan.KeySet.Pending() {
				f.Served = time.Time{}
			}
			if slices.ContainsFunc(plan.Moves, func(m rollover.Move) bool { return m.Record == "ZRRSIG" }) {
				f.Complete = time.Time{}
			}
			if again := rollover.Step(now, p, f, plan.KeySet); again.Changed {
				t.Errorf("seed %d: at %s the second Step changes: %+v", seed, now.Format(time.RFC3339), again.Moves)
			}
			return plan
		}
		if Run(s); t.Failed() {
			return
		}
	}
}

// TestRun_StepTooEarlyChangesNothing wakes a zone more often than Step asks
// for: its life is the same.
func TestRun_StepTooEarlyChangesNothing(t *testing.T) {
	for _, name := range Stories() {
		s, _, _ := Story(name)
		want := Run(s)
		s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
			plan := rollover.Step(now, p, f, k)
			if early := now.Add(37 * time.Minute); plan.Wake.After(early) {
				plan.Wake = early
			}
			return plan
		}
		got := Run(s)
		if !slices.Equal(got.Transitions, want.Transitions) {
			t.Errorf("story %s:\ngot  %v\nwant %v", name, got.Transitions, want.Transitions)
		}
		if got.Steps <= want.Steps {
			t.Errorf("story %s: %d steps, no more than the %d of before", name, got.Steps, want.Steps)
		}
	}
}

// TestRun_StepTooLateOnlyDelays wakes random zones up to days after Step asks
// for it: all their rolls come, later, and nothing is ever bogus.
func TestRun_StepTooLateOnlyDelays(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		s := random(seed)
		late := chance(seed)
		s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
			plan := rollover.Step(now, p, f, k)
			if !plan.Wake.IsZero() {
				plan.Wake = plan.Wake.Add(late.upTo(3 * day))
			}
			return plan
		}
		if !judgeRun(t, seed, s, Run(s)) {
			return
		}
	}
}

// TestRun_IsRepeatable: the same setup gives the same history.
func TestRun_IsRepeatable(t *testing.T) {
	for seed := uint64(1); seed <= 20; seed++ {
		a, b := Run(random(seed)).Text(), Run(random(seed)).Text()
		if a != b {
			t.Fatalf("seed %d: two histories", seed)
		}
	}
}

func tenYears() Setup {
	s := Setup{Zone: "example.org.", Policy: policy.Default(), For: 3652 * day, Seed: 1,
		Parent: Parent{Zone: "org.", Delay: 2 * day, Spread: 3 * time.Hour}}
	s.Policy.KSKLifetime = 365 * day
	return s
}

// What ten years cost is counted, not timed: steps that are asked for without
// need, and what they and the judge allocate.
func TestRun_TenYearsAreLittleWork(t *testing.T) {
	steps := 0
	n := testing.AllocsPerRun(1, func() { steps = Run(tenYears()).Steps })
	if steps > 5000 || n > 500_000 {
		t.Errorf("%d steps and %.0f allocations in ten years", steps, n)
	}
}

// BenchmarkTenYears is ten years of a zone with a ZSK rolled every 90 days and
// a KSK every year, judged by the model.
func BenchmarkTenYears(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		h := Run(tenYears())
		b.ReportMetric(float64(h.Steps), "steps")
	}
}

// BenchmarkStep is one Step of a zone in the middle of a KSK and a ZSK roll.
func BenchmarkStep(b *testing.B) {
	type input struct {
		now time.Time
		p   policy.Policy
		f   rollover.Facts
		s   rollover.KeySet
	}
	var inputs []input
	s := tenYears()
	s.For = 900 * day
	s.Step = func(now time.Time, p policy.Policy, f rollover.Facts, k rollover.KeySet) rollover.Plan {
		inputs = append(inputs, input{now, p, f, k.Clone()})
		return rollover.Step(now, p, f, k)
	}
	Run(s)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		in := inputs[n%len(inputs)]
		rollover.Step(in.now, in.p, in.f, in.s)
		n++
	}
}
