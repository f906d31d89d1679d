package autosign

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
)

// TestAdopt_KeysThatCannotSignTheZone: found keys that cannot sign it are an
// error that says why, and the state does not name them: with other files in
// the directory all is well.
func TestAdopt_KeysThatCannotSignTheZone(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		change func(e *keystore.Entry, now time.Time)
		want   []string
	}{
		{"all begin later", func(e *keystore.Entry, now time.Time) {
			e.Timing.Publish, e.Timing.Activate = now.Add(day), now.Add(day)
		}, []string{"no key signs the zone", "for the next roll"}},
		{"all are over", func(e *keystore.Entry, now time.Time) {
			e.Timing.Delete = now.Add(-time.Minute)
		}, []string{"no key signs the zone", "is removed, retired at"}},
		{"the ZSK begins later", func(e *keystore.Entry, now time.Time) {
			if e.Key.Role == policy.ZSK {
				e.Timing.Activate = now.Add(day)
			}
		}, []string{"no key signs the zone", "is published"}},
		{"two algorithms with one role each", func(e *keystore.Entry, _ time.Time) {
			if e.Key.Role == policy.ZSK {
				e.Key.Algorithm = policy.RSASHA256
			}
		}, []string{"no key of ED25519 signs the zone", "no key of RSASHA256 signs the DNSKEY set"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			p.makeKey(policy.KSK)
			p.makeKey(policy.ZSK)
			plain := p.keys
			p.keys = plainKeys{plain, func(e *keystore.Entry) { tt.change(e, time.Now()) }}
			err := p.signer().run(t)
			wantError(t, err, append(tt.want, p.dir, "dnssec-settime")...)
			if reason(err) != "keys" {
				t.Errorf("reason %q", reason(err))
			}
			if doc := p.state(); len(doc.KeySet.Keys) != 0 || len(doc.Pool) != 0 {
				t.Errorf("the state names keys: %+v", doc)
			}
			p.keys = plain
			p.signer().mustRun(t)
		})
	}
}

// TestAdopt_RevokedKey: a key that revokes itself signs the DNSKEY set and is no
// KSK otherwise. One that is to be revoked, and is not yet, retires.
func TestAdopt_RevokedKey(t *testing.T) {
	revoke := func(e *keystore.Entry) {
		e.Key.Flags |= key.FlagRevoke
		e.Key.Tag = key.Tag(e.Key.DNSKEY())
	}
	toRevoke := func(e *keystore.Entry) { e.Timing.Revoke = time.Now().Add(-time.Minute) }
	for _, tt := range []struct {
		name    string
		change  func(*keystore.Entry)
		another bool // another KSK is at hand
		signs   bool
	}{
		{"alone", revoke, false, true},
		{"with another", revoke, true, true},
		{"its time has come", toRevoke, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			old := p.makeKey(policy.KSK)
			p.makeKey(policy.ZSK)
			if tt.another {
				p.makeKey(policy.KSK)
			}
			p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
				if e.ID == old.ID {
					tt.change(e)
				}
			}}
			p.signer().mustRun(t)
			set := p.state().KeySet
			ksks := set.DNSKEYSigners()
			if got := slices.Contains(ksks, old.ID); got != tt.signs {
				t.Errorf("it signs: %t, want %t", got, tt.signs)
			}
			if !slices.ContainsFunc(ksks, func(id string) bool { return id != old.ID }) {
				t.Error("no other KSK signs the DNSKEY set")
			}
		})
	}
}

// slowKeys takes a second to list keys.
type slowKeys struct{ keystore.Keystore }

func (k slowKeys) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	list, err := k.Keystore.List(ctx, zone)
	<-time.After(time.Second)
	return list, err
}

// TestFirstKeys_ViewsShareThem: the views of a zone have one parent, and so the
// same keys, also when both are signed for the first time at once.
func TestFirstKeys_ViewsShareThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.keys = slowKeys{p.keys}
		outside, inside := p.signer(), p.signer()
		inside.view, inside.docs = "inside", newDocuments(p.store, "example.org.", "inside")
		inside.copies = newMemoryCopies()
		failed := make(chan error, 2)
		for _, s := range []*signer{outside, inside} {
			go func() { failed <- s.run(t) }()
		}
		for range 2 {
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
		var tags [2][]uint16
		for i, s := range []*signer{outside, inside} {
			for _, k := range s.mustServe(t).Keys {
				tags[i] = append(tags[i], k.Tag)
			}
			slices.Sort(tags[i])
		}
		if len(tags[0]) != 2 || !slices.Equal(tags[0], tags[1]) {
			t.Errorf("keys %v and %v", tags[0], tags[1])
		}
	})
}
