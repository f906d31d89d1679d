package autosign

import (
	"errors"
	"strings"
	"testing"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
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
