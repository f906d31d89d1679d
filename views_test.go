package autosign

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store/memory"
)

// inView returns a signer as after a start, of a view of the zone.
func (p *place) inView(view string) *signer {
	s := p.signer()
	s.view, s.docs, s.copies = view, newDocuments(p.store, s.zone, view), newMemoryCopies()
	l := newLoop()
	l.now, l.poll = s.loop.now, s.loop.poll
	l.add(s)
	return s
}

// stateIn returns the stored document of a view.
func (p *place) stateIn(view string) *state.Document {
	p.t.Helper()
	doc, err := newDocuments(p.store, "example.org.", view).load(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	return doc
}

// has reports whether the key store has a key.
func (p *place) has(id string) bool {
	_, err := p.keys.Open(p.t.Context(), "example.org.", id)
	return err == nil
}

// spare makes a key as a signer does for the next roll.
func (p *place) spare(s *signer, role policy.Role) state.Spare {
	p.t.Helper()
	e, err := p.keys.Create(p.t.Context(), s.zone, keystore.Spec{Role: role, Algorithm: p.policy.Algorithm, Now: s.clock.now()})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.spareOf(e)
}

func (p *place) spareOf(e keystore.Entry) state.Spare {
	return state.Spare{ID: e.ID, Role: e.Key.Role, Algorithm: e.Key.Algorithm, Tag: e.Key.Tag,
		PublicDigest: e.Key.PublicDigest(), Created: e.Timing.Created}
}

// A key that is one too many for a view is left alone if another view has it.
func TestViews_KeyOfAnotherViewIsNotDestroyed(t *testing.T) {
	p := newPlace(t)
	a, b := p.inView("a"), p.inView("b")
	a.mustRun(t)
	b.mustRun(t)
	first, second, third := p.spare(a, policy.ZSK), p.spare(a, policy.ZSK), p.spare(a, policy.ZSK)
	if _, err := a.box.list(t.Context(), p.policy.Scheme); err != nil {
		t.Fatal(err)
	}
	b.box.known = a.box.known
	for _, keep := range []struct {
		s *signer
		x state.Spare
	}{{a, first}, {b, second}, {a, second}, {a, third}} {
		if _, err := keep.s.keepSpare(t.Context(), keep.x); err != nil {
			t.Fatal(err)
		}
	}
	if p.stateIn("a").Spare(second.ID) != nil || !p.has(second.ID) {
		t.Error("the key of another view was destroyed")
	}
	if p.has(third.ID) {
		t.Error("a key that is of no use for anybody is still there")
	}
}

// Views that were never published, and those without a parent, have no say in
// what the parent is asked for.
func TestViews_WhoHasASay(t *testing.T) {
	p := newPlace(t)
	a, b := p.inView("a"), p.inView("b")
	p.policy.NoParent = true
	c := p.inView("c")
	p.policy.NoParent = false
	if _, err := newDocuments(p.store, "example.org.", "d").change(t.Context(), func(d *state.Document) error { d.See(time.Now()); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*signer{b, c, a} {
		s.mustRun(t)
	}
	var names []string
	for _, v := range a.box.others.views {
		names = append(names, v.name)
	}
	if len(names) != 1 || names[0] != b.docs.name {
		t.Errorf("the views that count are %q, want %q", names, b.docs.name)
	}
}

// A key that cannot be destroyed now, since nobody can tell whether another view
// has it, does not keep the zone from being signed.
func TestViews_DamagedStateOfAnother_SigningGoesOn(t *testing.T) {
	p := newPlace(t)
	a, b := p.inView("a"), p.inView("b")
	a.mustRun(t)
	b.mustRun(t)
	gone := p.spare(a, policy.ZSK)
	doc, err := a.docs.change(t.Context(), func(d *state.Document) error { d.Doomed = append(d.Doomed, gone.ID); return nil })
	if err != nil {
		t.Fatal(err)
	}
	p.memory.SetHooks(memory.Hooks{Before: func(op memory.Op, name string) error {
		if op == memory.Load && name == b.docs.name {
			return errors.New("damaged")
		}
		return nil
	}})
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	if err := a.run(t); err != nil {
		t.Fatalf("the zone is not signed: %v", err)
	}
	if !p.has(gone.ID) || len(p.stateIn("a").Doomed) == 0 {
		t.Error("it was destroyed, or forgotten")
	}
	p.memory.SetHooks(memory.Hooks{})
	if doc, err = a.destroyDoomed(t.Context(), doc); err != nil || len(doc.Doomed) > 0 || p.has(gone.ID) {
		t.Errorf("it is still there: %v, doomed %v", err, doc.Doomed)
	}
}

// A tag is noted only of a key whose files are at hand.
func TestP2_RevokedTag_OfNoKey_IsNotNoted(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	doc := p.state()
	for range 2 {
		if err := addSpare(doc, p.spare(s, policy.ZSK), nil); err != nil {
			t.Fatal(err)
		}
	}
	if doc.TagUsed(0) {
		t.Error("tag 0 is noted, which no key has")
	}
}

// viewsKey returns a KSK with a DS in a state; its goal is where that leads.
func viewsKey(id string, algorithm policy.Algorithm, ds rollover.State) rollover.Key {
	k := rollover.Key{ID: id, Role: policy.KSK, Algorithm: algorithm}
	goal := rollover.Hidden
	if ds.Shown() {
		goal = rollover.Omnipresent
	}
	*k.Status(rollover.DS) = rollover.Status{State: ds, Goal: goal}
	return k
}

func keySet(keys ...rollover.Key) *rollover.KeySet { return &rollover.KeySet{Keys: keys} }

func othersOf(sets ...*rollover.KeySet) (b otherViews) {
	for _, set := range sets {
		d := state.New("example.org.")
		d.KeySet = *set
		b.views = append(b.views, otherView{"other", d})
	}
	return b
}

// P3: the parent is asked for the DS of every view, and for nothing before they
// agree on whether there is a DS and on its algorithms.
func TestOtherViews_Wish(t *testing.T) {
	const hidden, rumoured, omnipresent, unretentive = rollover.Hidden, rollover.Rumoured, rollover.Omnipresent, rollover.Unretentive
	ecdsa := func(id string, ds rollover.State) rollover.Key { return viewsKey(id, policy.ECDSAP256SHA256, ds) }
	ed := func(id string, ds rollover.State) rollover.Key { return viewsKey(id, policy.ED25519, ds) }
	for _, c := range []struct {
		name   string
		own    *rollover.KeySet
		others []*rollover.KeySet
		want   string // IDs
		remove bool
		waits  bool
	}{
		{"alone", keySet(ecdsa("b", omnipresent), ecdsa("a", rumoured)), nil, "b a", false, false},
		{"alone, without DNSSEC", keySet(ecdsa("a", unretentive)), nil, "", true, false},
		{"alone, before the first DS", keySet(ecdsa("a", hidden)), nil, "", false, false},
		{"the same key", keySet(ecdsa("a", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a", false, false},
		{"a key each", keySet(ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", rumoured))}, "a b", false, false},
		{"three views", keySet(ecdsa("c", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", rumoured)), keySet(ecdsa("b", rumoured))}, "a b c", false, false},
		{"the same algorithms in another order", keySet(ecdsa("a", omnipresent), ed("b", omnipresent)), []*rollover.KeySet{keySet(ed("b", omnipresent), ecdsa("a", omnipresent))}, "a b", false, false},
		{"withdrawn here, wanted there", keySet(ecdsa("a", unretentive), ecdsa("b", rumoured)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a b", false, false},
		{"another algorithm", keySet(ecdsa("a", omnipresent)), []*rollover.KeySet{keySet(ed("b", omnipresent))}, "", false, true},
		{"one algorithm more", keySet(ecdsa("a", omnipresent), ed("b", rumoured)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "", false, true},
		{"one that leaves DNSSEC alone", keySet(ecdsa("a", unretentive)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "", false, true},
		{"one that comes to it alone", keySet(ecdsa("a", hidden)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "", false, true},
		{"all leave DNSSEC", keySet(ecdsa("a", unretentive)), []*rollover.KeySet{keySet(ecdsa("a", unretentive))}, "", true, false},
		{"the other has left it later", keySet(ecdsa("a", hidden)), []*rollover.KeySet{keySet(ecdsa("a", unretentive))}, "", true, false},
	} {
		w := othersOf(c.others...).wish(c.own)
		var ids []string
		for _, k := range w.keys {
			ids = append(ids, k.ID)
		}
		if got := strings.Join(ids, " "); got != c.want || w.remove != c.remove || (w.waits != "") != c.waits {
			t.Errorf("%s: asks for %q, remove %t, waits for %q", c.name, got, w.remove, w.waits)
		}
	}
	if w := (otherViews{lost: errors.New("gone")}).wish(keySet(ecdsa("a", omnipresent))); w.waits == "" || len(w.keys) > 0 {
		t.Errorf("another view is not known: %+v", w)
	}
}

// A DS that another view holds does not keep one from going on, except where the
// view is to be without any, or without one of that algorithm.
func TestOtherViews_Counted(t *testing.T) {
	const hidden, rumoured, omnipresent, unretentive = rollover.Hidden, rollover.Rumoured, rollover.Omnipresent, rollover.Unretentive
	ecdsa := func(id string, ds rollover.State) rollover.Key { return viewsKey(id, policy.ECDSAP256SHA256, ds) }
	ed := func(id string, ds rollover.State) rollover.Key { return viewsKey(id, policy.ED25519, ds) }
	goes, returns := ecdsa("a", omnipresent), ecdsa("a", unretentive)
	goes.Status(rollover.DS).Goal, returns.Status(rollover.DS).Goal = hidden, omnipresent
	for _, c := range []struct {
		name   string
		own    *rollover.KeySet
		others []*rollover.KeySet
		there  string
		want   string // that counts
	}{
		{"alone", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), nil, "a b", "a b"},
		{"theirs, that was ours", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a b", "b"},
		{"theirs, and ours is not there yet", keySet(ecdsa("a", unretentive), ecdsa("b", rumoured)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a", "a"},
		{"theirs, and ours is only of another algorithm", keySet(ecdsa("a", unretentive), ecdsa("b", rumoured), ed("c", omnipresent)),
			[]*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a c", "a c"},
		{"theirs no more", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", hidden), ecdsa("b", omnipresent))}, "a b", "a b"},
		{"nobody's any more, and still there", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent))}, "a b", "a b"},
		{"ours still, though it is to go", keySet(goes), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a", "a"},
		{"ours, that is to come back", keySet(returns, ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a b", "a b"},
		{"theirs, while they wait for each other", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent), ed("c", omnipresent))}, "a b", "b"},
		{"theirs no more, while they wait for each other", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", hidden), ed("c", omnipresent))}, "a b", "a b"},
		{"never theirs, while they wait for each other", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), []*rollover.KeySet{keySet(ed("c", omnipresent))}, "a b", "a b"},
		{"theirs, and none is wanted here", keySet(ecdsa("a", unretentive)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a", "a"},
		{"theirs, and ours has long been gone", keySet(ecdsa("a", hidden)), []*rollover.KeySet{keySet(ecdsa("b", omnipresent))}, "b", "b"},
		{"theirs, that we want, too", keySet(ecdsa("a", omnipresent)), []*rollover.KeySet{keySet(ecdsa("a", omnipresent))}, "a", "a"},
		{"no DS here, and one there", keySet(ecdsa("a", unretentive)), []*rollover.KeySet{keySet(ecdsa("b", omnipresent))}, "b", "b a"},
		{"none of its algorithm here, and one there", keySet(ecdsa("a", unretentive), ed("c", omnipresent)), []*rollover.KeySet{keySet(ecdsa("b", omnipresent))}, "b c", "b c a"},
		{"another's of another algorithm", keySet(ecdsa("a", unretentive), ed("c", omnipresent)), []*rollover.KeySet{keySet(ed("b", omnipresent))}, "b c", "b c"},
		{"gone here and there", keySet(ecdsa("a", unretentive)), []*rollover.KeySet{keySet(ecdsa("b", unretentive))}, "", ""},
	} {
		seen := rollover.Observation{Servers: []rollover.Server{{Name: "a.", Keys: strings.Fields(c.there)}, {Name: "b.", Err: "timeout"}}}
		got := othersOf(c.others...).counted(seen, c.own)
		if text := strings.Join(got.Servers[0].Keys, " "); text != c.want || got.Servers[1].Err == "" {
			t.Errorf("%s: %q counts, want %q", c.name, text, c.want)
		}
		if text := strings.Join(seen.Servers[0].Keys, " "); text != c.there {
			t.Errorf("%s: what was seen has become %q", c.name, text)
		}
	}
}

// What a view waits for on account of others stands in its reasons, and nobody
// is told to do what it does not ask for.
func TestOtherViews_Explain(t *testing.T) {
	const omnipresent, unretentive = rollover.Omnipresent, rollover.Unretentive
	ecdsa := func(id string, ds rollover.State) rollover.Key { return viewsKey(id, policy.ECDSAP256SHA256, ds) }
	reason := func(id string, ds, goal rollover.State) rollover.Reason {
		return rollover.Reason{Key: id, Record: rollover.DS, State: ds, Goal: goal, Waiting: "the parent", Do: "something"}
	}
	later := reason("a", rollover.Rumoured, omnipresent)
	later.When = time.Unix(1, 0)
	for _, c := range []struct {
		name          string
		own, other    *rollover.KeySet
		reason        rollover.Reason
		waiting, does bool // as it was
	}{
		{"they agree", keySet(ecdsa("a", rollover.Rumoured)), keySet(ecdsa("b", omnipresent)), reason("a", rollover.Rumoured, omnipresent), true, true},
		{"the other has none yet", keySet(ecdsa("a", rollover.Rumoured)), keySet(), reason("a", rollover.Rumoured, omnipresent), false, false},
		{"the other still has one", keySet(ecdsa("a", unretentive)), keySet(ecdsa("a", omnipresent)), reason("a", unretentive, rollover.Hidden), false, false},
		{"the other wants this one", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), keySet(ecdsa("a", omnipresent)), reason("a", unretentive, rollover.Hidden), false, false},
		{"nobody wants this one", keySet(ecdsa("a", unretentive), ecdsa("b", omnipresent)), keySet(ecdsa("b", omnipresent)), reason("a", unretentive, rollover.Hidden), true, true},
		{"it waits for time alone", keySet(ecdsa("a", rollover.Rumoured)), keySet(), later, true, false},
		{"it is where it is to be", keySet(ecdsa("a", omnipresent)), keySet(), reason("a", omnipresent, omnipresent), true, false},
		{"it is not asked for yet", keySet(ecdsa("a", rollover.Hidden)), keySet(ecdsa("a", omnipresent)), reason("a", rollover.Hidden, omnipresent), true, true},
		{"another record", keySet(ecdsa("a", rollover.Rumoured)), keySet(), rollover.Reason{Key: "a", Record: rollover.DNSKEY, State: rollover.Rumoured, Goal: omnipresent, Waiting: "the parent", Do: "something"}, true, true},
	} {
		list := []rollover.Reason{c.reason}
		othersOf(c.other).explain(list, c.own)
		if got := list[0]; (got.Waiting == "the parent") != c.waiting || (got.Do != "") != c.does {
			t.Errorf("%s: waits for %q, to do %q", c.name, got.Waiting, got.Do)
		}
	}
}

// A key that another view may have in caches is not over, nor is one of which
// nobody knows.
func TestOtherViews_Uses(t *testing.T) {
	gone := rollover.Key{ID: "gone", Role: policy.KSK}
	b := othersOf(keySet(viewsKey("used", policy.ED25519, rollover.Unretentive), gone))
	for id, want := range map[string]bool{"used": true, "gone": false, "none": false} {
		if b.uses(id) != want || !(otherViews{lost: errors.New("gone")}).uses(id) {
			t.Errorf("%s is in use: %t", id, !want)
		}
	}
}
