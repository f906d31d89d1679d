package autosign

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

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
