package autosign

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// Signatures are complete since what is served is all by the newest generation,
// not since something before it was.
func TestTurn_CompleteIsWhatIsServed(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	since := time.Now().Add(-time.Minute).UTC()
	for _, served := range []bool{true, false} {
		d := p.state()
		d.Generations[0].Complete = time.Time{}
		w := s.outlook(moment{now: time.Now(), key: time.Now().UTC()})
		w.shape, w.since = shapeOf(d), since
		if !served {
			w.shape = "before"
		}
		if _, err := turn(d, w); err != nil {
			t.Fatal(err)
		}
		if got := d.Generations[0].Complete; got.Equal(since) != served || got.IsZero() == served {
			t.Errorf("served: %t, complete since %s", served, got)
		}
	}
}

// A generation of a clock that was ahead begins again, after the one before it.
func TestStraightenGenerations(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		since []time.Duration // of generations, after now
		want  []time.Duration
	}{
		{"one", []time.Duration{-day}, []time.Duration{-day}},
		{"one of now", []time.Duration{0}, []time.Duration{0}},
		{"one of a clock ahead", []time.Duration{day}, []time.Duration{0}},
		{"two", []time.Duration{-2 * day, -day}, []time.Duration{-2 * day, -day}},
		{"the second of a clock ahead", []time.Duration{-day, day}, []time.Duration{-day, 0}},
		{"both of a clock ahead", []time.Duration{day, 2 * day}, []time.Duration{-time.Second, 0}},
		{"the first of now", []time.Duration{0, day}, []time.Duration{-time.Second, 0}},
	} {
		d := state.New("example.org.")
		for _, since := range c.since {
			d.Generations = append(d.Generations, state.Generation{Since: now.Add(since)})
		}
		straightenGenerations(d, now)
		for i, want := range c.want {
			if got := d.Generations[i].Since.Sub(now); got != want {
				t.Errorf("%s: generation %d since %s, want %s", c.name, i, got, want)
			}
		}
	}
}

// What an operator has written counts; what was left open is as the keys in
// service are.
func TestAsKeysAre(t *testing.T) {
	rsa := func(id string, role policy.Role, bits int) rollover.Key {
		k := rollover.Key{ID: id, Role: role, Algorithm: policy.RSASHA256, Bits: bits}
		k.SetGoals(rollover.Omnipresent)
		return k
	}
	retired := rsa("z", policy.ZSK, 1024)
	retired.SetGoals(rollover.Hidden)
	set := rollover.KeySet{Keys: []rollover.Key{rsa("k", policy.KSK, 4096), retired, rsa("z", policy.ZSK, 1536)}}
	for _, c := range []struct {
		name      string
		edit      func(*policy.Policy)
		algorithm policy.Algorithm
		ksk, zsk  int
	}{
		{"nothing is given", func(*policy.Policy) {}, policy.RSASHA256, 4096, 1536},
		{"another algorithm", func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven = policy.ED25519, true }, policy.ED25519, 0, 0},
		{"the length of one role", func(p *policy.Policy) { p.Algorithm, p.AlgorithmGiven, p.ZSKBits = policy.RSASHA256, true, 2048 }, policy.RSASHA256, 4096, 2048},
	} {
		p := policy.Default()
		c.edit(&p)
		if got := asKeysAre(p, &set); got.Algorithm != c.algorithm || got.KSKBits != c.ksk || got.ZSKBits != c.zsk {
			t.Errorf("%s: %s with %d and %d bits", c.name, got.Algorithm, got.KSKBits, got.ZSKBits)
		}
	}
}

// A key of the pool is offered to a roll only if it can sign.
func TestUsableSpare(t *testing.T) {
	k, err := key.New(policy.ZSK, policy.ED25519, newPublic(t))
	if err != nil {
		t.Fatal(err)
	}
	x := state.Spare{ID: "a", PublicDigest: k.PublicDigest()}
	for name, c := range map[string]struct {
		e    keystore.Entry
		want bool
	}{
		"at hand":             {keystore.Entry{ID: "a", Key: k}, true},
		"of another name":     {keystore.Entry{ID: "b", Key: k}, false},
		"cannot be read":      {keystore.Entry{ID: "a", Key: k, Err: keystore.ErrIncomplete}, false},
		"public part only":    {keystore.Entry{ID: "a", Key: k, PublicOnly: true}, false},
		"another of the name": {keystore.Entry{ID: "a"}, false},
	} {
		if usableSpare(x, []keystore.Entry{c.e}) != c.want {
			t.Errorf("%s: usable is %t", name, !c.want)
		}
	}
}

// A spare that is not in the key store counts as lost only after a while: another
// instance may have made it since that was listed.
func TestComplete_SparesThatAreNotThere(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]bool{time.Minute: true, spareGrace: true, spareGrace + time.Second: false} {
		d := state.New("example.org.")
		d.Pool = []state.Spare{{ID: "a", Created: now.Add(-age)}}
		complete(d, nil, now)
		if got := d.Spare("a") != nil; got != want {
			t.Errorf("%s old: stays %t", age, got)
		}
	}
}

// What is at hand is not made once more.
func TestWantedRoles(t *testing.T) {
	csk := policy.Default()
	csk.Scheme = policy.SchemeCSK
	for _, c := range []struct {
		name      string
		p         policy.Policy
		meant     []policy.Role
		presigned bool
		want      []policy.Role
	}{
		{"nothing", policy.Default(), nil, false, []policy.Role{policy.KSK, policy.ZSK}},
		{"nothing, scheme csk", csk, nil, false, []policy.Role{policy.CSK}},
		{"a KSK", policy.Default(), []policy.Role{policy.KSK}, false, []policy.Role{policy.ZSK}},
		{"a ZSK", policy.Default(), []policy.Role{policy.ZSK}, false, []policy.Role{policy.KSK}},
		{"a ZSK, scheme csk", csk, []policy.Role{policy.ZSK}, false, []policy.Role{policy.KSK}},
		{"a ZSK under a KSK elsewhere", policy.Default(), []policy.Role{policy.ZSK}, true, nil},
		{"a CSK", policy.Default(), []policy.Role{policy.CSK}, false, nil},
		{"both", policy.Default(), []policy.Role{policy.KSK, policy.ZSK}, false, nil},
	} {
		if got := wantedRoles(adopted{meant: c.meant}, c.p, c.presigned); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// listedKeys is a key store that lists what it is told to.
type listedKeys struct {
	keystore.Keystore
	entries []keystore.Entry
}

func (k listedKeys) List(context.Context, string) ([]keystore.Entry, error) {
	return slices.Clone(k.entries), nil
}

// A key that cannot be used leaves the others what they are.
func TestKeyBox_AnUnusableKeyAmongOthers(t *testing.T) {
	var want []keystore.Entry
	for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
		k, err := key.New(role, policy.ED25519, newPublic(t))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, keystore.Entry{ID: role.String(), Key: k})
	}
	for at := range 3 {
		all := slices.Insert(slices.Clone(want), at, keystore.Entry{ID: "broken", Err: errors.New("damaged")})
		b := keyBox{store: listedKeys{entries: all}, zone: "example.org."}
		got, err := b.list(t.Context(), policy.SchemeSplit)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range got {
			if e.ID != all[i].ID || e.Key.PublicDigest() != all[i].Key.PublicDigest() || e.Err == nil && e.Key.Role.String() != e.ID {
				t.Errorf("broken at %d: %s is a %s with tag %d", at, e.ID, e.Key.Role, e.Key.Tag)
			}
		}
	}
}

// The file beside the keys has DS records of what signs the DNSKEY set alone.
func TestWriteDS_OfTheKSKAlone(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	data, err := os.ReadFile(filepath.Join(p.dir, "dsset-example.org."))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join(s.recordsOf(p.state().Key(p.of(policy.KSK))), "\n") + "\n"
	if string(data) != want || strings.Count(want, " IN DS ") != 2 {
		t.Errorf("%s\nwant\n%s", data, want)
	}
}

// A key to be destroyed that is there no more is destroyed.
func TestDestroy_WhatIsThereNoMore(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	if _, err := s.docs.change(t.Context(), func(d *state.Document) error {
		d.Doomed = append(d.Doomed, "Kexample.org.+015+00001")
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s.mustRun(t)
	if left := p.state().Doomed; len(left) > 0 {
		t.Errorf("%v is still to be destroyed", left)
	}
}

// document returns one with a key of each role that are served, and generations
// of an hour's distance, the newest an hour old.
func document(zsks ...string) *state.Document {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := state.New("example.org.")
	for _, role := range []policy.Role{policy.KSK, policy.ZSK} {
		k := rollover.Key{ID: role.String(), Role: role, Algorithm: policy.ED25519}
		k.SetGoals(rollover.Omnipresent)
		for r := rollover.DNSKEY; r <= rollover.DS; r++ {
			k.Status(r).State = k.Status(r).Goal
		}
		d.KeySet.Keys = append(d.KeySet.Keys, k)
	}
	p := policy.Default()
	for i, id := range zsks {
		d.Generations = append(d.Generations, state.Generation{Since: now.Add(-time.Duration(len(zsks)-i) * time.Hour), ZSKs: []string{id},
			Validity: state.Duration(p.Validity), ValidityDNSKEY: state.Duration(p.ValidityDNSKEY), Refresh: state.Duration(p.Refresh)})
	}
	return d
}

// Whatever shows in a zone shows in its shape: what is served may be taken for
// what the document says only if all of that is the same.
func TestShapeOf_SeesEveryDifference(t *testing.T) {
	was := shapeOf(document("ZSK"))
	for name, edit := range map[string]func(*state.Document){
		"a DNSKEY":               func(d *state.Document) { d.KeySet.Keys[1].Status(rollover.DNSKEY).State = rollover.Unretentive },
		"a signer of the set":    func(d *state.Document) { d.KeySet.Keys[0].Status(rollover.KRRSIG).State = rollover.Unretentive },
		"a signer of the zone":   func(d *state.Document) { d.KeySet.Keys[1].Status(rollover.ZRRSIG).State = rollover.Unretentive },
		"no DS is asked for":     func(d *state.Document) { d.KeySet.Keys[0].Status(rollover.DS).State = rollover.Hidden },
		"no DS is to be":         func(d *state.Document) { d.KeySet.Keys[0].Status(rollover.DS).State = rollover.Unretentive },
		"a key revokes itself":   func(d *state.Document) { d.KeySet.Keys[0].Revoked = time.Now() },
		"another generation":     func(d *state.Document) { d.Generations = append(d.Generations, d.Generations[0]) },
		"a generation made anew": func(d *state.Document) { d.Generations[0].Since = d.Generations[0].Since.Add(time.Second) },
		"a generation's keys":    func(d *state.Document) { d.Generations[0].ZSKs = []string{"other"} },
	} {
		d := document("ZSK")
		if edit(d); shapeOf(d) == was {
			t.Errorf("%s: the shape is the same", name)
		}
	}
	d := document("ZSK")
	d.KeySet.Keys[0].Status(rollover.DS).State = rollover.Hidden
	none := shapeOf(d)
	if d.KeySet.Keys[0].Status(rollover.DS).State = rollover.Unretentive; shapeOf(d) == none {
		t.Error("to ask for no DS is not to ask for nothing")
	}
}

// Signatures are complete once one generation lives and is served; what begins
// or ends with a version does so no earlier than that.
func TestNoteComplete(t *testing.T) {
	before := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	since := before.Add(time.Hour)
	for _, c := range []struct {
		name           string
		zsks           []string
		complete, want time.Time
		pending        bool
	}{
		{"two generations", []string{"old", "ZSK"}, time.Time{}, time.Time{}, false},
		{"none", nil, time.Time{}, time.Time{}, false},
		{"one", []string{"ZSK"}, time.Time{}, since, false},
		{"one, complete", []string{"ZSK"}, before, before, false},
		{"one, complete, and a key comes", []string{"ZSK"}, before, since, true},
		{"one, complete since", []string{"ZSK"}, since.Add(time.Minute), since.Add(time.Minute), true},
	} {
		d := document(c.zsks...)
		if len(c.zsks) == 1 {
			d.Generations[0].Complete = c.complete
		}
		d.KeySet.Keys[1].Status(rollover.ZRRSIG).Pending = c.pending
		noteComplete(d, since)
		for _, g := range d.Generations {
			if !g.Complete.Equal(c.want) {
				t.Errorf("%s: complete since %s, want %s", c.name, g.Complete, c.want)
			}
		}
	}
}

// Other keys begin a generation at once; another policy when the signatures of
// before have moved. An emergency leaves one generation.
func TestRegenerate(t *testing.T) {
	const long = 100 * 24 * time.Hour
	for _, c := range []struct {
		name   string
		zsks   []string
		longer bool // the policy's validity
		urgent bool
		want   string
	}{
		{"nothing new", []string{"ZSK"}, false, false, "ZSK"},
		{"the first", nil, false, false, "ZSK"},
		{"other keys", []string{"old"}, false, false, "old ZSK"},
		{"other keys, while signatures move", []string{"older", "old"}, false, false, "old ZSK"},
		{"another policy", []string{"ZSK"}, true, false, "ZSK ZSK, longer"},
		{"another policy, while signatures move", []string{"old", "ZSK"}, true, false, "old ZSK"},
		{"an emergency", []string{"old"}, false, true, "ZSK"},
		{"an emergency, while signatures move", []string{"old", "ZSK"}, false, true, "ZSK"},
		{"an emergency of other keys, while signatures move", []string{"older", "old"}, false, true, "ZSK"},
	} {
		d, p := document(c.zsks...), policy.Default()
		if c.longer {
			p.Validity = long
		}
		d.KeySet.Urgent = c.urgent
		regenerate(d, p, outlook{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
		var ids []string
		for _, g := range d.Generations {
			ids = append(ids, g.ZSKs...)
		}
		got := strings.Join(ids, " ")
		if n := len(d.Generations); n > 0 && time.Duration(d.Generations[n-1].Validity) == long {
			got += ", longer"
		}
		if got != c.want || d.KeySet.Urgent {
			t.Errorf("%s: generations of %s, want %s; urgent %t", c.name, got, c.want, d.KeySet.Urgent)
		}
	}
}
