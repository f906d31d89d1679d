package autosign

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// twoViews is a zone in two views under one parent. Each view has caches of its
// own: no resolver sees both.
type twoViews struct {
	t       *testing.T
	p       *place
	signers [2]*signer
	caches  [2]*caches
	parent  *upper
	copies  [2]*memoryCopies
	policy  [2]policy.Policy
	reads   int           // the view whose CDS the parent reads
	delay   time.Duration // of the parent
	asked   string
	acts    time.Time
}

func observeViews(t *testing.T) *twoViews {
	v := &twoViews{t: t, p: newPlace(t), parent: newUpper("ns1.org.", "ns2.org."), delay: time.Hour}
	v.parent.ttl = uint32(v.p.policy.DSTTL / time.Second)
	v.policy = [2]policy.Policy{v.p.policy, v.p.policy}
	for i := range v.caches {
		v.caches[i], v.copies[i] = newCaches(v.p), newMemoryCopies()
	}
	v.start()
	return v
}

// start starts both views anew, with their policies.
func (v *twoViews) start() {
	v.stop()
	i := &instance{signers: map[identity]*signer{}}
	for n, view := range []string{"a", "b"} {
		v.p.policy = v.policy[n]
		s := v.p.inView(view)
		s.copies = v.copies[n]
		v.signers[n], i.signers[identity{s.zone, view}] = s, s
		s.attend(i, v.parent)
	}
	for _, s := range v.signers {
		s.loop.start()
	}
	synctest.Wait()
}

func (v *twoViews) stop() {
	for _, s := range v.signers {
		if s != nil {
			s.loop.stop()
		}
	}
}

// run lets time pass, has the parent follow the CDS that it reads after its delay,
// one server after the other, and judges what caches may have.
func (v *twoViews) run(span time.Duration) {
	v.t.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(time.Hour)
		synctest.Wait()
		v.follow()
		for i, s := range v.signers {
			if served := s.served.Load(); served != nil {
				v.caches[i].serve(time.Now(), served.signed)
			}
			v.parent.change(func() {
				for _, name := range v.parent.names {
					v.caches[i].delegate(time.Now(), v.parent.ds[name])
				}
			})
			if err := v.caches[i].judge(time.Now()); err != nil {
				v.t.Fatalf("view %s: %v", s.view, err)
			}
		}
	}
}

func (v *twoViews) follow() {
	s := v.signers[v.reads]
	var asked string
	if served := s.served.Load(); served != nil {
		if set, ok := served.signed.ApexSet(59); ok {
			for rd := range set.RData {
				asked += string(rd)
			}
		}
	}
	if asked == "" {
		return
	}
	if asked != v.asked {
		v.asked, v.acts = asked, time.Now().Add(v.delay)
	}
	if !time.Now().Before(v.acts) {
		v.parent.follow(v.t, s, v.parent.names[0])
	}
	if !time.Now().Before(v.acts.Add(30 * time.Minute)) {
		v.parent.follow(v.t, s, v.parent.names...)
	}
}

// has returns the tags of the DS records that the parent has.
func (v *twoViews) has() (tags []uint16) {
	v.parent.change(func() {
		for _, ds := range v.parent.ds["ns2.org."] {
			tags = append(tags, ds.KeyTag)
		}
	})
	slices.Sort(tags)
	return tags
}

// ksk returns the tag of the KSK that a view has in service.
func (v *twoViews) ksk(view string) uint16 {
	for _, k := range v.p.stateIn(view).KeySet.Keys {
		if k.Role == policy.KSK && k.Retired.IsZero() {
			return k.Tag
		}
	}
	return 0
}

// P3: the views of a zone roll their keys each by itself, and no DS that one of
// them needs goes, whichever view's CDS the parent reads.
func TestP3_Views_KSKRollsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for reads, view := range []string{"a", "b"} {
		t.Run("the parent reads "+view, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := observeViews(t)
				defer v.stop()
				v.reads = reads
				v.run(3 * day)
				old := v.ksk("a")
				if got := v.has(); len(got) != 1 || got[0] != old || v.ksk("b") != old {
					t.Fatalf("DS %v of KSK %d", got, old)
				}
				roll := func(n int) {
					if _, err := v.signers[n].order(t.Context(), byTest, rollKSK); err != nil {
						t.Fatal(err)
					}
					v.run(6 * day)
				}
				roll(0)
				both := []uint16{old, v.ksk("a")}
				slices.Sort(both)
				if got := v.has(); !slices.Equal(got, both) || v.ksk("b") != old {
					t.Errorf("one has rolled: DS %v, want %v", got, both)
				}
				st, _ := v.signers[0].status()
				if len(st.Parent.Unknown) > 0 || len(st.Parent.Remove) > 0 || len(st.Parent.Wanted) != 2 || len(st.Do) > 0 {
					t.Errorf("the view that has rolled says %+v\n%s", st.Parent, st)
				}
				for _, k := range v.p.stateIn("a").KeySet.Keys {
					if k.Tag == old && !k.Gone() {
						t.Errorf("the view that has rolled still waits: %s", told(&k))
					}
				}
				roll(1)
				both = []uint16{v.ksk("a"), v.ksk("b")}
				slices.Sort(both)
				if got := v.has(); !slices.Equal(got, both) || slices.Contains(both, old) {
					t.Errorf("both have rolled: DS %v, want %v", got, both)
				}
				for _, k := range v.p.stateIn("a").KeySet.Keys {
					if k.Tag == old && !k.Gone() {
						t.Errorf("the old KSK is still there: %v", told(&k))
					}
				}
			})
		})
	}
}

// P3: a view that rolls the key that both have had waits for its own DS, however
// slow the parent is.
func TestP3_Views_SlowParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := observeViews(t)
		defer v.stop()
		v.run(3 * day)
		old := v.ksk("a")
		v.delay = 9 * day
		if _, err := v.signers[0].order(t.Context(), byTest, rollKSK); err != nil {
			t.Fatal(err)
		}
		v.run(8 * day)
		if got := v.has(); !slices.Equal(got, []uint16{old}) {
			t.Fatalf("the parent is not slow: DS %v", got)
		}
		v.run(6 * day)
		for _, k := range v.p.stateIn("a").KeySet.Keys {
			if k.Tag == old && !k.Gone() {
				t.Errorf("the view that has rolled still waits: %s", told(&k))
			}
		}
	})
}

// P3: another algorithm, and the way out of DNSSEC and back, are gone together:
// who is first waits for the others, and then no validator finds a gap.
func TestP3_Views_PoliciesThatChangeOneAfterTheOther(t *testing.T) {
	t.Parallel()
	algorithm := func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ECDSAP256SHA256, true }
	insecure := func(p *policy.Policy) { p.Insecure = true }
	for _, tt := range []struct {
		name   string
		change func(*policy.Policy)
		rolled bool // the views have KSKs of their own
	}{
		{"algorithm", algorithm, false},
		{"algorithm, with KSKs of their own", algorithm, true},
		{"insecure", insecure, false},
		{"insecure, with KSKs of their own", insecure, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := observeViews(t)
				defer v.stop()
				v.run(3 * day)
				if tt.rolled {
					if _, err := v.signers[1].order(t.Context(), byTest, func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
						return k.Roll(o, policy.KSK, false)
					}); err != nil {
						t.Fatal(err)
					}
					v.run(4 * day)
				}
				before := v.has()
				tt.change(&v.policy[0])
				v.start()
				v.run(20 * day)
				if got := v.has(); !slices.Equal(got, before) || v.signers[0].served.Load().signed.Unsigned {
					t.Errorf("DS %v after the first has changed, want %v", got, before)
				}
				tt.change(&v.policy[1])
				v.start()
				v.run(25 * day)
				got := v.has()
				for n, view := range []string{"a", "b"} {
					unsigned := v.signers[n].served.Load().signed.Unsigned
					if v.policy[n].Insecure && (!unsigned || len(got) > 0) || !v.policy[n].Insecure && !slices.Contains(got, v.ksk(view)) {
						st, _ := v.signers[n].status()
						t.Errorf("DS %v at the end; view %s: unsigned: %t, KSK %d\n%s", got, view, unsigned, v.ksk(view), st)
					}
					for _, k := range v.p.stateIn(view).KeySet.Keys {
						if slices.Contains(before, k.Tag) && !k.Gone() {
							t.Errorf("a key of before is still there: %s", told(&k))
						}
					}
				}
			})
		})
	}
}

// While the state of another view cannot be read the parent is asked for nothing,
// and what it has stays.
func TestViews_StateOfAnotherUnreadable_NothingIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := observeViews(t)
		defer v.stop()
		v.run(3 * day)
		v.p.memory.SetHooks(memory.Hooks{Before: func(op memory.Op, name string) error {
			if op == memory.Load && name == v.signers[1].docs.name {
				return errors.New("damaged")
			}
			return nil
		}})
		if _, err := v.signers[0].order(t.Context(), byTest, func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
			return k.Roll(o, policy.KSK, false)
		}); err != nil {
			t.Fatal(err)
		}
		v.run(4 * day)
		if _, asks := v.signers[0].served.Load().signed.ApexSet(59); asks {
			t.Error("there is a CDS set")
		}
		v.p.memory.SetHooks(memory.Hooks{})
		v.run(3 * day)
		if got := v.has(); len(got) != 2 {
			t.Errorf("DS %v with the state back", got)
		}
	})
}
