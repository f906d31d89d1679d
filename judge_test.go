package autosign

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// brokenKeys hands out signers that spoil some of their signatures.
type brokenKeys struct {
	keystore.Keystore
	spoil func() bool
}

func (k brokenKeys) Open(ctx context.Context, zone, id string) (crypto.Signer, error) {
	s, err := k.Keystore.Open(ctx, zone, id)
	return brokenSigner{s, k.spoil}, err
}

type brokenSigner struct {
	crypto.Signer
	spoil func() bool
}

func (s brokenSigner) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	sig, err := s.Signer.Sign(r, digest, o)
	if err == nil && s.spoil() {
		sig[len(sig)/2] ^= 4
	}
	return sig, err
}

// P9: whatever bit of whatever signature is wrong, the version is not served.
func TestP9_BitFaults_LastGoodStays(t *testing.T) {
	for n := range 12 {
		p := newPlace(t)
		var count, at atomic.Int64
		p.keys = brokenKeys{p.keys, func() bool { return count.Add(1) == at.Load() }}
		s := p.signer()
		at.Store(int64(n) + 1)
		err := s.run(t)
		if count.Load() < at.Load() {
			break // there are fewer signatures
		}
		wantError(t, err, "validator would refuse", "does not verify")
		if s.served.Load() != nil {
			t.Fatalf("fault in signature %d: served", n+1)
		}
		first := s.mustRun(t)
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
		at.Store(count.Load() + 1 + int64(n%2))
		wantError(t, s.run(t), "does not verify")
		if s.served.Load().signed != first {
			t.Fatalf("fault in an edit: served")
		}
		if second := s.mustRun(t); !strings.Contains(text(second), "c0000216") {
			t.Error("the edit is not there when all is well again")
		}
	}
}

// What verification finds behind the swap brings the version before back.
func TestP9_FaultFoundBehindTheSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.Verify = policy.VerifyStructure
		var many strings.Builder
		many.WriteString(testZone)
		for i := range 3000 {
			fmt.Fprintf(&many, "h%d 300 IN A 192.0.2.9\n", i)
		}
		p.source.set(many.String())
		var count, at atomic.Int64
		p.keys = brokenKeys{p.keys, func() bool { return count.Add(1) == at.Load() }}
		s := p.start(t)
		defer s.loop.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		first := s.mustServe(t)
		at.Store(count.Load() + 500)
		p.source.set(strings.ReplaceAll(many.String(), "192.0.2.9", "192.0.2.8"))
		time.Sleep(time.Minute)
		s.checks.Wait()
		synctest.Wait()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		last := s.mustServe(t)
		if !strings.Contains(text(last), "h7.example.org. 300 A c0000208") {
			t.Error("the new records are not served in the end")
		}
		if last.Serial != first.Serial+3 {
			t.Errorf("serial %d, want %d: the faulty version, the return, the repair", last.Serial, first.Serial+3)
		}
	})
}

// manyNames is a zone of which nothing but the apex is verified before it is served.
func manyNames(p *place, address string) string {
	p.policy.Verify = policy.VerifyStructure
	var b strings.Builder
	b.WriteString(testZone)
	for i := range 3000 {
		fmt.Fprintf(&b, "h%d 300 IN A %s\n", i, address)
	}
	return b.String()
}

// What is signed anew after a fault is verified as a whole before it is served,
// and the content that was served meanwhile is not lost when that fails, too.
func TestP9_FaultyRepair_IsNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(manyNames(p, "192.0.2.9"))
		var count, at atomic.Int64
		var more atomic.Bool
		p.keys = brokenKeys{p.keys, func() bool {
			n := count.Add(1)
			if n == at.Load() && more.Swap(false) {
				at.Store(n + 6000) // in the repair, which makes them all
			}
			return n == at.Load() || n == at.Load()-6000
		}}
		s := p.start(t)
		defer s.loop.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		first := s.mustServe(t)
		more.Store(true)
		at.Store(count.Load() + 500)
		p.source.set(manyNames(p, "192.0.2.8"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		last := s.mustServe(t)
		if count.Load() < at.Load() {
			t.Fatalf("%d signatures made, none of them faulty in the repair", count.Load())
		}
		if !strings.Contains(text(last), "h7.example.org. 300 A c0000208") {
			t.Error("the new records are not served in the end")
		}
		if last.Serial != first.Serial+4 {
			t.Errorf("serial %d, want %d: the faulty version, the return, the refused repair, the good one", last.Serial, first.Serial+4)
		}
	})
}

// A reload does not end the verification of what goes on being served.
func TestP9_FaultFoundAfterAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.source.set(manyNames(p, "192.0.2.9"))
		var count atomic.Int64
		p.keys = brokenKeys{p.keys, func() bool { return count.Add(1) == 500 }}
		old := p.signer()
		if err := old.run(t); err != nil {
			t.Fatal(err)
		}
		old.loop.stop()
		old.checks.Wait()
		s := p.signer()
		s.takeOver(old)
		s.loop.start()
		defer s.loop.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.mustServe(t).Serial == old.served.Load().signed.Serial {
			t.Error("the faulty version kept its serial")
		}
		if !s.served.Load().sound.Load() {
			t.Error("what is served was not verified as a whole")
		}
	})
}

// P9: a verification that was called off when it was over already says nothing any
// more of a version that has taken the place of its own.
func TestP9_VerdictOfAnOlderVersion(t *testing.T) {
	s := newPlace(t).signer()
	older, newer := &verdict{bad: &version{signed: &zone.Signed{}}}, &verdict{bad: &version{signed: &zone.Signed{}}}
	calledOff := false
	s.judging, s.behind = newer, func() { calledOff = true }
	s.conclude(older, errRefused)
	if v := s.takeVerdict(); v != nil || s.behind == nil || s.faults != 0 {
		t.Errorf("the older verdict counts: %+v, %d faults", v, s.faults)
	}
	s.conclude(newer, errRefused)
	s.conclude(older, nil)
	if v := s.takeVerdict(); v != newer || s.behind != nil || calledOff {
		t.Errorf("%+v, want the newer verdict", v)
	}
	s.conclude(newer, errRefused) // and the next version is being judged before that is taken
	s.judging, s.behind = older, func() {}
	if v := s.takeVerdict(); v != newer || s.behind == nil {
		t.Error("the verification under way cannot be called off any more")
	}
}

func TestChangedNames_FindsAll(t *testing.T) {
	for _, denial := range []policy.Denial{{}, {NSEC3: true}, {NSEC3: true, OptOut: true}} {
		p := newPlace(t)
		p.policy.Denial = denial
		s := p.signer()
		before := s.mustRun(t)
		p.source.set(strings.Replace(testZone, "www	3600	IN	A	192.0.2.2", "new	3600	IN	A	192.0.2.2", 1))
		after := s.mustRun(t)
		names, ok := changedNames(before, after, 100)
		if !ok {
			t.Fatalf("%v: too many", denial)
		}
		listed := map[string]bool{}
		for _, n := range names {
			listed[zone.Text(n)] = true
		}
		had := map[string]bool{}
		for _, line := range strings.Split(text(before), "\n") {
			had[line] = true
		}
		for _, line := range strings.Split(text(after), "\n") {
			if name, _, _ := strings.Cut(line, " "); !had[line] && !listed[name] {
				t.Errorf("%v: %s changed and is not listed", denial, line)
			}
		}
		if _, ok := changedNames(before, after, 1); ok {
			t.Errorf("%v: no limit", denial)
		}
	}
}
