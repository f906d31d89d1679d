package autosign

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// elsewhere has the zone's KSK be elsewhere. Show has the source bring the
// DNSKEY set with these ZSKs, signed by it.
func (p *place) elsewhere() (show func(zsks ...keystore.Entry)) {
	p.t.Helper()
	ksk := p.makeKey(policy.KSK)
	signer, err := p.keys.Open(p.t.Context(), "example.org.", ksk.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, end := range []string{".key", ".private"} {
		if err := os.Remove(filepath.Join(p.dir, ksk.ID+end)); err != nil {
			p.t.Fatal(err)
		}
	}
	return func(zsks ...keystore.Entry) {
		p.source.set(testZone + presignedText(p.t, append([]keystore.Entry{ksk}, zsks...), ksk, signer, time.Now()))
	}
}

// A ZSK that the holder of the KSK has taken out of the set is destroyed when
// purge_keys is over, as it is in any other zone.
func TestZSKOnly_RemovedKeysArePurged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		show := p.elsewhere()
		s := p.signer()
		var first keystore.Entry
		for n := range 4 {
			zsk := p.makeKey(policy.ZSK)
			if n == 0 {
				first = zsk
			}
			show(zsk)
			s.mustRun(t)
			time.Sleep(p.policy.PurgeKeys/2 - time.Hour)
		}
		s.run(t)
		if n := len(p.state().KeySet.Keys); n != 3 {
			t.Errorf("%d keys in the state", n)
		}
		if p.has(first.ID) {
			t.Error("the first key is still there")
		}
	})
}

// Also a key that does what is said elsewhere says where it is, and what moves it.
func TestZSKOnly_StatusHasReasons(t *testing.T) {
	p := newPlace(t)
	show := p.elsewhere()
	old := p.makeKey(policy.ZSK)
	show(old)
	s := p.signer()
	s.mustRun(t)
	fresh := p.makeKey(policy.ZSK)
	show(fresh)
	s.mustRun(t)
	st, _ := s.status()
	want := map[string]string{old.ID: "hidden, have this key", fresh.ID: "omnipresent, be without"}
	if len(st.Keys) != len(want) {
		t.Errorf("%d keys", len(st.Keys))
	}
	for _, k := range st.Keys {
		state, waits, _ := strings.Cut(want[k.ID], ", ")
		if len(k.Reasons) != 2 || k.Reasons[1].Record != rollover.ZRRSIG {
			t.Fatalf("%s: %+v", k.ID, k.Reasons)
		}
		for _, r := range k.Reasons {
			if r.State.String() != state || r.Since.IsZero() || !strings.Contains(r.Waiting, waits) {
				t.Errorf("%s: %s", k.ID, sentence(r))
			}
		}
	}
}

// What would do nothing where the KSK is elsewhere is refused, or warned of.
func TestZSKOnly_OrdersAreRefused(t *testing.T) {
	p := newPlace(t)
	show := p.elsewhere()
	zsk := p.makeKey(policy.ZSK)
	show(zsk)
	p.signer().mustRun(t)
	p.policy.Insecure = true
	s := p.signer()
	s.mustRun(t)
	for name, do := range map[string]command{
		"roll": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
			return k.Roll(o, policy.ZSK, false)
		},
		"DNSKEY only": func(k *rollover.KeySet, o rollover.Order) (rollover.Entry, error) {
			return k.DNSKEYOnly(o, zsk.ID, true)
		},
		"hold": (*rollover.KeySet).HoldAll,
	} {
		var refusal *rollover.Refusal
		if _, err := s.order(t.Context(), byTest, do); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	told := false
	for text := range s.warned {
		told = told || strings.Contains(text, "insecure on does nothing")
	}
	if signed := s.mustServe(t); signed.Unsigned || !told {
		t.Errorf("unsigned: %t, told of it: %t", signed.Unsigned, told)
	}
}

// A spare of version 1, which did not note the length of RSA keys, is of use.
func TestComplete_SparesOfVersion1GetTheirLength(t *testing.T) {
	p := newPlace(t)
	p.policy.Algorithm, p.policy.ZSKBits, p.policy.KSKBits = policy.RSASHA256, 1024, 1024
	s := p.signer()
	s.mustRun(t)
	e, err := p.keys.Create(t.Context(), s.zone, keystore.Spec{Role: policy.ZSK, Algorithm: policy.RSASHA256, Bits: 1024, Now: s.clock.now()})
	if err != nil {
		t.Fatal(err)
	}
	doc, x := p.state(), p.spareOf(e)
	if err := doc.AddSpare(x); err != nil {
		t.Fatal(err)
	}
	if complete(doc, []keystore.Entry{e}, s.clock.now()); doc.Pool[0].Bits != 1024 {
		t.Errorf("%d bits", doc.Pool[0].Bits)
	}
}
