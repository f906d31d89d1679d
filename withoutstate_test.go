package autosign

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// P11: signatures do not expire because the state cannot be stored, or not even
// be read. When it can be again, secondaries see a new serial.
func TestWithoutState_SignaturesStayFresh(t *testing.T) {
	for name, failing := range map[string]func(memory.Op) bool{
		"disk full":           func(op memory.Op) bool { return op == memory.Swap },
		"document unreadable": func(memory.Op) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				s := p.signer()
				before := s.mustRun(t)
				p.memory.SetHooks(memory.Hooks{Before: func(op memory.Op, _ string) error {
					if failing(op) {
						return errors.New("the disk is broken")
					}
					return nil
				}})
				for range 40 * 4 {
					<-time.After(6 * time.Hour)
					s.run(t) // fails, and says so
					if s.served.Load().signed.Expiry < time.Now().Add(4*24*time.Hour).Unix() {
						t.Fatal("signatures are left to expire")
					}
				}
				if now := s.mustServe(t); now.Serial != before.Serial {
					t.Errorf("serial %d without a claim, before it was %d", now.Serial, before.Serial)
				}
				p.memory.SetHooks(memory.Hooks{})
				if now := s.mustRun(t); now.Serial != before.Serial+1 {
					t.Errorf("serial %d with the state back, before it was %d", now.Serial, before.Serial)
				}
			})
		})
	}
}

// P3: who cannot read the state asks nothing of the parent after a start: of the
// key files at hand some may be retired, or stolen. While the process runs it goes
// on with what it knew last, also over a reload.
func TestP3_WithoutState_TheParentIsAskedForWhatWasKnown(t *testing.T) {
	for name, again := range map[string]func(p *place, s *signer) *signer{
		"running": func(_ *place, s *signer) *signer { return s },
		"reload":  func(p *place, s *signer) *signer { n := p.signer(); n.takeOver(s); return n },
		"start":   func(p *place, _ *signer) *signer { return p.signer() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r := newPlace(t), newUpper("a.")
				s, ksk := p.delegated(t, r)
				s.loop.stop()
				p.makeKey(policy.KSK) // as one of before
				p.memory.SetHooks(memory.Hooks{Before: func(memory.Op, string) error { return errors.New("the disk is broken") }})
				s = again(p, s)
				time.Sleep(s.policy.Validity - s.policy.Refresh)
				s.run(t) // fails, and says so
				signed := s.mustServe(t)
				cds, asks := signed.ApexSet(59)
				keys := len(signed.Keys)
				if asks != (name != "start") || keys != map[bool]int{false: 2, true: 3}[name == "start"] {
					t.Errorf("CDS: %t, %d keys in the zone", asks, keys)
				}
				for rd := range cds.RData {
					if tag := uint16(rd[0])<<8 | uint16(rd[1]); tag != p.tagOf(ksk) {
						t.Errorf("CDS of key %d", tag)
					}
				}
			})
		})
	}
}

// tagOf returns the tag of a key in the key store.
func (p *place) tagOf(id string) uint16 {
	entries, _ := p.keys.List(p.t.Context(), "example.org.")
	for _, e := range entries {
		if e.ID == id {
			return e.Key.Tag
		}
	}
	return 0
}

// P7: the state is lost in the middle of an algorithm rollover, and the process
// starts: keys of an algorithm that cannot stand alone yet, or no more, sign
// nothing.
func TestP7_WithoutState_InEachStepOfAnAlgorithmRollover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := newPlace(t), newUpper("a.")
		s, _ := p.delegated(t, r)
		s.loop.stop()
		p.policy.Algorithm, p.policy.AlgorithmGiven = policy.ECDSAP256SHA256, true
		s = p.attended(t, r)
		shapes := map[string]bool{}
		for range 40 * 24 {
			time.Sleep(time.Hour)
			synctest.Wait()
			r.follow(t, s, "a.")
			doc := p.state()
			if shape := shapeOf(doc); !shapes[shape] {
				shapes[shape] = true
				p.memory.SetHooks(memory.Hooks{Before: func(memory.Op, string) error { return errors.New("the disk is broken") }})
				other := p.signer()
				err := other.run(t) // fails, and says so
				if other.served.Load() == nil {
					t.Errorf("nothing is served with the keys of\n%s%v", shape, err)
				}
				p.memory.SetHooks(memory.Hooks{})
			}
		}
		s.loop.stop()
		if len(shapes) < 5 {
			t.Errorf("the state was lost in %d steps only", len(shapes))
		}
	})
}
