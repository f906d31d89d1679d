package autosign

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

func TestPass_FirstSigning(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	signed := s.mustRun(t)
	if signed.Serial != 11 {
		t.Errorf("serial %d, want 11: one after the source's", signed.Serial)
	}
	doc := p.state()
	if !doc.Published || len(doc.KeySet.Keys) != 2 || len(doc.Claims) != 1 || len(doc.Generations) != 1 {
		t.Errorf("state after the first signing: %+v", doc)
	}
}

func TestPass_NothingChangesNothing(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	first := s.mustRun(t)
	p.source.set(strings.Replace(testZone, "@	3600", "@	3600 ", 1)) // another generation, the same records
	if second := s.mustRun(t); second != first {
		t.Errorf("serial %d after a pass in which nothing changed, want the same version", second.Serial)
	}
}

func TestPass_ARaisedSerialAloneIsANewVersion(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	p.source.set(strings.Replace(testZone, "hostmaster 10 ", "hostmaster 2026112301 ", 1))
	second := s.mustRun(t)
	if second.Serial != 2026112301 {
		t.Errorf("serial %d, want the source's 2026112301", second.Serial)
	}
	if third := s.mustRun(t); third != second {
		t.Errorf("serial %d after a pass in which nothing changed", third.Serial)
	}
}

func TestRaises_ZeroIsNoSerialToPublishUnder(t *testing.T) {
	for _, c := range []struct {
		source, published uint32
		want              bool
	}{{11, 10, true}, {10, 10, false}, {0, 1<<32 - 3, false}, {1, 1<<32 - 3, true}} {
		if got := (&snapshot{serial: c.source}).raises(c.published); got != c.want {
			t.Errorf("source %d, published %d: %v", c.source, c.published, got)
		}
	}
}

func TestPass_EditMakesTwoSignatures(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	first := s.mustRun(t)
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	second := s.mustRun(t)
	if second.Serial != first.Serial+1 {
		t.Errorf("serial %d, want %d", second.Serial, first.Serial+1)
	}
	had := map[string]bool{}
	for _, line := range strings.Split(text(first), "\n") {
		had[line] = true
	}
	var fresh []string
	for _, line := range strings.Split(text(second), "\n") {
		if !had[line] {
			fresh = append(fresh, strings.Join(strings.Fields(line)[:3], " "))
		}
	}
	want := "example.org. 3600 SOA,example.org. 3600 RRSIG,www.example.org. 3600 A,www.example.org. 3600 RRSIG"
	if got := strings.Join(fresh, ","); got != want {
		t.Errorf("an edit of one record changed %s, want %s", got, want)
	}
}

func TestRestart_TheSameVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // one moment for both
		p := newPlace(t)
		first := p.signer().mustRun(t)
		second := p.signer().mustRun(t)
		if first.Serial != second.Serial || text(first) != text(second) {
			t.Errorf("serial %d before a restart, %d after it, or other records", first.Serial, second.Serial)
		}
		if n := len(p.state().Claims); n != 1 {
			t.Errorf("%d claims after a restart in which nothing changed, want 1", n)
		}
	})
}

// P13: the serial increases over everything that can happen to it.
func TestP13_SerialIncreases(t *testing.T) {
	p := newPlace(t)
	last := p.signer().mustRun(t).Serial
	steps := []struct {
		what   string
		scheme policy.SerialScheme
		serial string
	}{
		{"the source goes forward", policy.SerialIncrement, "5000"},
		{"the source goes back", policy.SerialIncrement, "7"},
		{"the scheme is unixtime", policy.SerialUnixTime, "8"},
		{"the scheme is date", policy.SerialDate, "9"},
		{"the scheme is increment again", policy.SerialIncrement, "1"},
	}
	for i, step := range steps {
		p.policy.Serial = step.scheme
		zone := strings.Replace(testZone, "hostmaster 10 ", "hostmaster "+step.serial+" ", 1)
		p.source.set(strings.Replace(zone, "192.0.2.2", "192.0.2."+string(rune('3'+i)), 1))
		next := p.signer().mustRun(t).Serial
		if next == last || next-last > 1<<31 {
			t.Errorf("%s: serial %d after %d", step.what, next, last)
		}
		last = next
	}
}

func TestSource_BrokenAfterRestart_LastGoodIsSignedAgain(t *testing.T) {
	p := newPlace(t)
	first := p.signer().mustRun(t)
	p.source.fail(errors.New("no such file"))
	s := p.signer()
	signed := s.mustRun(t)
	if !strings.Contains(text(signed), "www.example.org. 3600 A c0000202") {
		t.Error("the last good copy lost records")
	}
	if signed.Serial < first.Serial {
		t.Errorf("serial %d after %d", signed.Serial, first.Serial)
	}
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.99", 1))
	if again := s.mustRun(t); !strings.Contains(text(again), "c0000263") {
		t.Error("a source that is whole again is not taken")
	}
}

func TestSource_BrokenWhileServing_LastGoodStays(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	first := s.mustRun(t)
	bad := map[string]string{
		"cname beside other data": testZone + "www 3600 IN CNAME ns1\n",
		"no NS at the apex":       strings.Replace(testZone, "@	3600	IN	NS	ns1\n", "", 1),
		"two DNAMEs":              testZone + "d 300 IN DNAME a.example.\nd 300 IN DNAME b.example.\n",
	}
	for what, text := range bad {
		p.source.set(text)
		if err := s.run(t); err != nil {
			t.Errorf("%s: a pass with a served version failed: %v", what, err)
		}
		if s.served.Load().signed != first {
			t.Errorf("%s: the version served changed", what)
		}
		if s.lost == "" {
			t.Errorf("%s: nobody was told", what)
		}
	}
}

func TestP12_MassRemovalIsRefused(t *testing.T) {
	p := newPlace(t)
	var b strings.Builder
	b.WriteString(testZone)
	for i := range 300 {
		b.WriteString("h" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " 300 IN A 192.0.2.9\n")
	}
	p.source.set(b.String())
	s := p.signer()
	first := s.mustRun(t)
	p.source.set(testZone)
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if s.served.Load().signed != first || !strings.Contains(s.lost, "gone") {
		t.Errorf("a version without most names was taken; told: %q", s.lost)
	}
	// Not after a restart either: the last good copy remembers.
	s = p.signer()
	if err := s.run(t); err != nil {
		t.Fatal(err)
	}
	if n := s.mustServe(t).Stats().Names; n < 300 {
		t.Errorf("%d names are served after a restart", n)
	}
}

func TestAutomaticOff_RecordsArePinned(t *testing.T) {
	p := newPlace(t)
	p.policy.Automatic = false
	s := p.signer()
	s.mustRun(t) // there is nothing to pin yet
	edited := strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1)
	p.source.set(edited)
	if got := text(s.mustRun(t)); strings.Contains(got, "c0000216") {
		t.Error("an edit was signed without being asked for")
	}
	s = p.signer()
	if got := text(s.mustRun(t)); strings.Contains(got, "c0000216") {
		t.Error("an edit was signed at a restart")
	}
	if _, err := s.work(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := text(s.mustServe(t)); !strings.Contains(got, "c0000216") {
		t.Error("an edit was not signed when that was asked for")
	}
}

// unwritable are copies that cannot be kept just now.
type unwritable struct{ copies }

func (unwritable) Save(string, lastgood.Copy) error { return errors.New("the disk is full") }

func TestAutomaticOff_FullDiskAtAStart_RecordsStayPinned(t *testing.T) {
	p := newPlace(t)
	p.policy.Automatic = false
	p.signer().mustRun(t)
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	s := p.signer()
	s.copies = unwritable{p.copies}
	wantError(t, s.run(t), "the disk is full")
	s.copies = p.copies
	if got := text(s.mustRun(t)); strings.Contains(got, "c0000216") {
		t.Error("an edit was signed without being asked for")
	}
}

func TestStore_FailsAtEachCall_NothingIsLost(t *testing.T) {
	boom := errors.New("boom")
	for _, told := range []string{"not done", "done, but not told"} {
		for call := range 8 {
			p := newPlace(t)
			n := 0
			fail := func(memory.Op, string) error {
				if n++; n == call+1 {
					return boom
				}
				return nil
			}
			if told == "not done" {
				p.memory.SetHooks(memory.Hooks{Before: fail})
			} else {
				p.memory.SetHooks(memory.Hooks{After: fail})
			}
			s := p.signer()
			err := s.run(t)
			p.memory.SetHooks(memory.Hooks{})
			if n > call && err == nil {
				t.Errorf("%s, call %d: the pass did not fail", told, call)
			}
			if last, ok := p.state().Last(); err != nil && s.served.Load() != nil && (!ok || last.Serial != s.served.Load().signed.Serial) {
				t.Errorf("%s, call %d: a version is served that no state knows", told, call)
			}
			signed := s.mustRun(t)
			doc := p.state()
			last, _ := doc.Last()
			if last.Serial != signed.Serial || len(doc.KeySet.Keys) != 2 {
				t.Errorf("%s, call %d: serial %d served, state: %+v", told, call, signed.Serial, doc)
			}
			entries, _ := p.keys.List(t.Context(), "example.org.")
			if len(entries) != 2 {
				t.Errorf("%s, call %d: %d keys made, want 2: spare ones are used again", told, call, len(entries))
			}
			if restarted := p.signer().mustRun(t); restarted.Serial-signed.Serial > 1 {
				t.Errorf("%s, call %d: serial %d after %d", told, call, restarted.Serial, signed.Serial)
			}
		}
	}
}

func TestStore_FailsWhileServing_LastGoodStays(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	first := s.mustRun(t)
	p.memory.SetHooks(memory.Hooks{Before: func(memory.Op, string) error { return errors.New("disk full") }})
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	wantError(t, s.run(t), "disk full")
	if s.served.Load().signed != first {
		t.Error("a version was published whose serial nobody knows")
	}
	p.memory.SetHooks(memory.Hooks{})
	if got := text(s.mustRun(t)); !strings.Contains(got, "c0000216") {
		t.Error("the edit is not published once the store works")
	}
}

func TestStore_ReadOnlyAtRestart_LastGoodIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		first := p.signer().mustRun(t)
		time.Sleep(5 * day) // signatures are due, so a serial would be claimed
		p.memory.SetHooks(memory.Hooks{Before: func(op memory.Op, _ string) error {
			if op == memory.Swap {
				return errors.New("read-only file system")
			}
			return nil
		}})
		s := p.signer()
		wantError(t, s.run(t), "read-only file system")
		if signed := s.mustServe(t); signed.Serial != first.Serial {
			t.Errorf("serial %d, want %d", signed.Serial, first.Serial)
		}
		p.memory.SetHooks(memory.Hooks{})
		if signed := s.mustRun(t); signed.Serial != first.Serial+1 {
			t.Errorf("serial %d, want %d once the disk can be written", signed.Serial, first.Serial+1)
		}
	})
}

// P1: a replica whose key store has another key under the same name and tag
// does not publish.
func TestP1_AnotherKeyOfTheSameName_IsRefused(t *testing.T) {
	p := newPlace(t)
	first := p.signer()
	first.mustRun(t)
	p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
		e.Key.Public = append([]byte{}, e.Key.Public...)
		e.Key.Public[3] ^= 1
	}}
	s := p.signer()
	wantError(t, s.run(t), "another key of that name")
	if s.served.Load() != nil {
		t.Error("a version with other keys is served")
	}
}

func TestState_OfANewerVersion_LastGoodIsServed(t *testing.T) {
	p := newPlace(t)
	first := p.signer().mustRun(t)
	data, rev, err := p.store.Load(t.Context(), "example.org.state.json")
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(data), `"version": 2`, `"version": 3`, 1)
	if _, err := p.store.Swap(t.Context(), "example.org.state.json", rev, []byte(newer)); err != nil {
		t.Fatal(err)
	}
	s := p.signer()
	wantError(t, s.run(t), "newer version")
	if signed := s.mustServe(t); signed.Serial != first.Serial {
		t.Errorf("serial %d, want %d", signed.Serial, first.Serial)
	}
	if after, _, _ := p.store.Load(t.Context(), "example.org.state.json"); string(after) != newer {
		t.Error("the document was overwritten")
	}
}

func TestP13_StateOfThePast_IsRefused(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	old, _, _ := p.store.Load(t.Context(), "example.org.state.json")
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	last := s.mustRun(t)
	_, rev, _ := p.store.Load(t.Context(), "example.org.state.json")
	if _, err := p.store.Swap(t.Context(), "example.org.state.json", rev, old); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.run(t), "older than what is published")
	s = p.signer()
	wantError(t, s.run(t), "older than what is published", "serial 11", "12")
	if signed := s.mustServe(t); signed.Serial != last.Serial {
		t.Errorf("serial %d, want %d", signed.Serial, last.Serial)
	}
	if after, _, _ := p.store.Load(t.Context(), "example.org.state.json"); string(after) != string(old) {
		t.Error("the document was overwritten")
	}
}

func TestZone_GoneAndBack_FindsKeysAndSerial(t *testing.T) {
	p := newPlace(t)
	first := p.signer().mustRun(t)
	p.parent.err = parent.ErrUnreachable
	p.fresh = false
	p.source.set(strings.Replace(testZone, "hostmaster 10 ", "hostmaster 2 ", 1))
	second := p.signer().mustRun(t)
	if second.Keys[0].ID != first.Keys[0].ID || second.Serial < first.Serial {
		t.Errorf("serial %d after %d, or other keys", second.Serial, first.Serial)
	}
}

func TestDenialSwitch_OneVersion(t *testing.T) {
	p := newPlace(t)
	p.signer().mustRun(t)
	p.policy.Denial = policy.Denial{NSEC3: true, Iterations: 10, SaltLength: 8}
	salted := p.signer().mustRun(t)
	if salted.NSEC3 == nil || len(salted.NSEC3.Salt) != 8 {
		t.Fatal("no salted NSEC3 chain")
	}
	p.policy.Denial = policy.Denial{NSEC3: true, OptOut: true}
	if plain := p.signer().mustRun(t); plain.NSEC3.Iterations != 0 || len(plain.NSEC3.Salt) != 0 {
		t.Error("P15: iterations and salt are still there")
	}
	p.policy.Denial = policy.Denial{}
	if p.signer().mustRun(t).NSEC3 != nil {
		t.Error("NSEC3 is still there")
	}
}

func TestTwoSigners_OneStore_OneSerialForOneContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		a, b := p.signer(), p.signer()
		done := make(chan error, 2)
		for _, s := range []*signer{a, b} {
			go func() { done <- s.run(t) }()
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		x, y := a.mustServe(t), b.mustServe(t)
		if x.Serial != y.Serial || text(x) != text(y) {
			t.Errorf("serials %d and %d for the same content, or other records", x.Serial, y.Serial)
		}
		entries, _ := p.keys.List(t.Context(), "example.org.")
		if doc := p.state(); len(doc.KeySet.Keys) != 2 || len(entries) != 2 {
			t.Errorf("%d keys in the state and %d in the key store, want 2", len(doc.KeySet.Keys), len(entries))
		}
		// One has a source that the other lacks: the other does not fight.
		p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
		c := p.signer()
		if third := c.mustRun(t); third.Serial != x.Serial+1 {
			t.Fatalf("serial %d", third.Serial)
		}
		a.source = &fakeSource{text: testZone} // what it had
		a.seen = a.source.(*fakeSource).gen
		time.Sleep(8 * 24 * time.Hour)
		wantError(t, a.run(t), "another instance")
	})
}
