package autosign

import (
	"context"
	"crypto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

func TestFirstKeys_OnlyWhenSafe(t *testing.T) {
	foreign := []parent.DS{{KeyTag: 4711, Algorithm: 13, DigestType: 2, Digest: make([]byte, 32)}}
	for _, tt := range []struct {
		name    string
		ds      []parent.DS
		err     error
		fresh   bool
		newKeys policy.NewKeys
		none    bool // parent none
		want    []string
	}{
		{name: "the parent has no DS", fresh: false},
		{name: "the parent has DS of other keys", ds: foreign, fresh: true, want: []string{"4711", "DIR", "other keys"}},
		{name: "the parent is unreachable, the store new", err: parent.ErrUnreachable, fresh: true},
		{name: "the parent is unreachable, the store not new", err: parent.ErrUnreachable, want: []string{"not known", "DIR"}},
		{name: "the parent's servers disagree", err: parent.ErrDisagree, want: []string{"disagree"}},
		{name: "new_keys always", ds: foreign, newKeys: policy.Always},
		{name: "new_keys never", fresh: true, newKeys: policy.Never, want: []string{"new_keys never"}},
		{name: "parent none", ds: foreign, none: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			p.parent.ds, p.parent.err, p.fresh = tt.ds, tt.err, tt.fresh
			p.policy.NewKeys, p.policy.NoParent = tt.newKeys, tt.none
			s := p.signer()
			err := s.run(t)
			entries, _ := p.keys.List(t.Context(), "example.org.")
			if tt.want == nil {
				if err != nil || len(entries) != 2 {
					t.Errorf("%d keys, error %v", len(entries), err)
				}
				return
			}
			for i := range tt.want {
				tt.want[i] = strings.Replace(tt.want[i], "DIR", p.dir, 1)
			}
			wantError(t, err, tt.want...)
			if len(entries) != 0 || s.served.Load() != nil {
				t.Errorf("%d keys were made", len(entries))
			}
			if doc := p.state(); len(doc.KeySet.Keys) != 0 {
				t.Errorf("the state has keys: %+v", doc.KeySet.Keys)
			}
		})
	}
}

func TestFirstKeys_ParentIsWaitedForFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.parent.delay = time.Hour
		began := time.Now()
		p.signer().mustRun(t)
		if took := time.Since(began); took != parentDeadline {
			t.Errorf("waited for %s", took)
		}
	})
}

func TestSchemes(t *testing.T) {
	for _, tt := range []struct {
		alg    policy.Algorithm
		scheme policy.Scheme
		bits   int
		roles  string
	}{
		{policy.ECDSAP256SHA256, policy.SchemeSplit, 0, "KSK ZSK"},
		{policy.ECDSAP384SHA384, policy.SchemeCSK, 0, "CSK"},
		{policy.ED25519, policy.SchemeCSK, 0, "CSK"},
		{policy.RSASHA256, policy.SchemeSplit, 1024, "KSK ZSK"},
		{policy.RSASHA512, policy.SchemeCSK, 1024, "CSK"},
	} {
		t.Run(tt.alg.String()+" "+tt.scheme.String(), func(t *testing.T) {
			p := newPlace(t)
			p.policy.Algorithm, p.policy.Scheme = tt.alg, tt.scheme
			p.policy.KSKBits, p.policy.ZSKBits, p.policy.CSKBits = tt.bits, tt.bits, tt.bits
			p.signer().mustRun(t)
			p.signer().mustRun(t)
			var roles []string
			for _, k := range p.state().KeySet.Keys {
				roles = append(roles, k.Role.String())
			}
			if got := strings.Join(roles, " "); got != tt.roles {
				t.Errorf("roles %s, want %s", got, tt.roles)
			}
		})
	}
}

// makeKey makes a key as another signer's tool would have.
func (p *place) makeKey(role policy.Role) keystore.Entry {
	p.t.Helper()
	e, err := p.keys.Create(p.t.Context(), "example.org.", keystore.Spec{
		Role: role, Algorithm: policy.ED25519, Now: time.Now().Add(-time.Hour)})
	if err != nil {
		p.t.Fatal(err)
	}
	return e
}

// plainKeys shows keys without their metadata.
type plainKeys struct {
	keystore.Keystore
	change func(*keystore.Entry)
}

func (k plainKeys) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	list, err := k.Keystore.List(ctx, zone)
	for i := range list {
		k.change(&list[i])
	}
	return list, err
}

func TestAdopt_BINDTiming(t *testing.T) {
	p := newPlace(t)
	ksk, active, next := p.makeKey(policy.KSK), p.makeKey(policy.ZSK), p.makeKey(policy.ZSK)
	now := time.Now().Truncate(time.Second)
	past, future := now.Add(-48*time.Hour), now.Add(48*time.Hour)
	p.keys = plainKeys{p.keys, func(e *keystore.Entry) {
		e.HasTiming = true
		e.Timing = keystore.Timing{Created: past, Publish: past, Activate: past}
		if e.ID == next.ID {
			e.Timing.Activate = future
		}
		if e.ID == active.ID {
			e.Timing.Inactive = future
		}
	}}
	s := p.signer()
	signed := s.mustRun(t)
	if len(signed.Keys) != 3 {
		t.Fatalf("%d keys in the zone, want 3", len(signed.Keys))
	}
	doc := p.state()
	ksks, zsks := doc.KeySet.DNSKEYSigners(), doc.Generations[0].ZSKs
	if len(ksks) != 1 || ksks[0] != ksk.ID || len(zsks) != 1 || zsks[0] != active.ID {
		t.Errorf("signers %v and %v, want %s and %s", ksks, zsks, ksk.ID, active.ID)
	}
	if k := doc.Key(active.ID); !k.Retire.Equal(future) {
		t.Errorf("the key that is to end does so at %s, want %s", k.Retire, future)
	}
	if p.parent.asked == 0 {
		t.Error("the parent was not asked")
	}
}

func TestAdopt_WithoutMetadata_TheParentTells(t *testing.T) {
	p := newPlace(t)
	known, other := p.makeKey(policy.KSK), p.makeKey(policy.KSK)
	p.makeKey(policy.ZSK)
	p.keys = plainKeys{p.keys, func(e *keystore.Entry) { e.HasTiming, e.Timing = false, keystore.Timing{} }}
	wire, _ := appendWire(nil, "example.org.")
	rd, _ := known.Key.DS(wire, key.SHA256)
	p.parent.ds = []parent.DS{{KeyTag: known.Key.Tag, Algorithm: 15, DigestType: 2, Digest: rd[4:]}}
	s := p.signer()
	s.mustRun(t)
	set := p.state().KeySet
	if ksks := set.DNSKEYSigners(); len(ksks) != 1 || ksks[0] != known.ID {
		t.Errorf("KSKs %v sign, want %s", ksks, known.ID)
	}
	if k := set.Key(other.ID); !k.DNSKEYOnly() {
		t.Errorf("the other KSK is not DNSKEY only: %+v", k)
	}
}

func TestAdopt_BINDState(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	moment := func(d time.Duration) string {
		return now.Add(d).UTC().Format("20060102150405") + " (" + now.Add(d).Format(time.ANSIC) + ")"
	}
	for _, tt := range []struct {
		name  string
		role  policy.Role
		state map[string]string
		want  string
	}{
		{"in use", policy.ZSK, map[string]string{"GoalState": "omnipresent", "DNSKEYState": "omnipresent", "ZRRSIGState": "omnipresent",
			"Published": moment(-time.Hour), "Active": moment(-time.Hour)}, "active: omnipresent hidden omnipresent hidden"},
		{"announced", policy.ZSK, map[string]string{"GoalState": "omnipresent", "DNSKEYState": "rumoured", "ZRRSIGState": "hidden",
			"Published": moment(-time.Hour), "Active": moment(time.Hour)}, "published: rumoured hidden hidden hidden"},
		{"retired", policy.ZSK, map[string]string{"GoalState": "hidden", "DNSKEYState": "omnipresent", "ZRRSIGState": "unretentive",
			"Published": moment(-time.Hour), "Active": moment(-time.Hour), "Retired": moment(-time.Minute)}, "published: omnipresent hidden unretentive hidden"},
		{"to come", policy.KSK, map[string]string{"GoalState": "omnipresent", "DNSKEYState": "hidden", "KRRSIGState": "hidden",
			"Published": moment(time.Hour), "Active": moment(2 * time.Hour)}, "spare"},
		{"in use, its times not yet", policy.KSK, map[string]string{"GoalState": "omnipresent", "DNSKEYState": "omnipresent",
			"KRRSIGState": "omnipresent", "DSState": "rumoured", "DSPublish": moment(-time.Hour),
			"Published": moment(time.Hour), "Active": moment(time.Hour)}, "active: omnipresent omnipresent hidden rumoured, DS seen"},
		{"its DS is withdrawn", policy.KSK, map[string]string{"GoalState": "hidden", "DNSKEYState": "omnipresent",
			"KRRSIGState": "omnipresent", "DSState": "unretentive", "DSRemoved": moment(-time.Hour)}, "active: omnipresent omnipresent hidden unretentive, DS gone"},
		{"removed", policy.ZSK, map[string]string{"GoalState": "hidden", "DNSKEYState": "hidden", "ZRRSIGState": "hidden",
			"Published": moment(-3 * time.Hour), "Removed": moment(-time.Hour)}, "removed: hidden hidden hidden hidden"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := keystore.Entry{ID: "K", Key: key.Key{Role: tt.role}, State: tt.state}
			found := newPlace(t).signer().adopt([]keystore.Entry{e}, delegation{}, now)
			got := "spare"
			if len(found.keys) > 0 {
				got = told(&found.keys[0])
			}
			if got != tt.want {
				t.Errorf("the key is %s, want %s", got, tt.want)
			}
		})
	}
}

// told says where the records of a key are.
func told(k *rollover.Key) string {
	text := doing(k) + ":"
	for r := rollover.DNSKEY; r <= rollover.DS; r++ {
		text += " " + k.Status(r).State.String()
	}
	if !k.DSSeen.IsZero() {
		text += ", DS seen"
	}
	if !k.DSGone.IsZero() {
		text += ", DS gone"
	}
	return text
}

func TestKeyFiles_Unusable_NothingIsMade(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(private, public string) error
		want   string
	}{
		{"world-readable", func(private, _ string) error { return os.Chmod(private, 0o644) }, "644"},
		{"garbage", func(private, _ string) error { return os.WriteFile(private, []byte("garbage\n"), 0o600) }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPlace(t)
			e := p.makeKey(policy.KSK)
			private, public := filepath.Join(p.dir, e.ID+".private"), filepath.Join(p.dir, e.ID+".key")
			if err := tt.change(private, public); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(private)
			s := p.signer()
			wantError(t, s.run(t), e.ID, tt.want)
			after, _ := os.ReadFile(private)
			entries, _ := p.keys.List(t.Context(), "example.org.")
			if string(before) != string(after) || len(entries) != 1 || len(p.state().KeySet.Keys) != 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestKeyFiles_LostWhileServing_LastGoodStays(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	first := s.mustRun(t)
	lost := filepath.Join(p.dir, p.state().KeySet.Keys[1].ID+".private")
	if err := os.Rename(lost, lost+".away"); err != nil {
		t.Fatal(err)
	}
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1))
	s = p.signer()
	wantError(t, s.run(t), p.state().KeySet.Keys[1].ID)
	if err := os.Rename(lost+".away", lost); err != nil {
		t.Fatal(err)
	}
	if again := s.mustRun(t); again.Serial != first.Serial+1 {
		t.Errorf("serial %d after %d", again.Serial, first.Serial)
	}
}

func TestStrayKey_IsNotUsed(t *testing.T) {
	p := newPlace(t)
	first := p.signer().mustRun(t)
	p.makeKey(policy.ZSK)
	s := p.signer()
	if second := s.mustRun(t); len(second.Keys) != len(first.Keys) || len(s.warned) == 0 {
		t.Errorf("%d keys, told %v", len(second.Keys), s.warned)
	}
}

func TestP2_TagsAreUnique(t *testing.T) {
	p := newPlace(t)
	asked := 0
	p.keys = specKeys{p.keys, func(spec keystore.Spec) {
		asked++
		if asked == 2 && !spec.Used(p.anyTag()) {
			t.Error("the tag of the first key may be made again")
		}
	}}
	p.signer().mustRun(t)
	if asked != 2 {
		t.Errorf("%d keys made", asked)
	}
}

type specKeys struct {
	keystore.Keystore
	look func(keystore.Spec)
}

func (k specKeys) Create(ctx context.Context, zone string, spec keystore.Spec) (keystore.Entry, error) {
	k.look(spec)
	return k.Keystore.Create(ctx, zone, spec)
}

// anyTag returns the tag of the key that is in the key store.
func (p *place) anyTag() uint16 {
	entries, _ := p.keys.List(p.t.Context(), "example.org.")
	return entries[0].Key.Tag
}

func TestZSKOnly_TheSourcesDNSKEYSetIsServed(t *testing.T) {
	p := newPlace(t)
	ksk, zsk := p.makeKey(policy.KSK), p.makeKey(policy.ZSK)
	signer, err := p.keys.Open(t.Context(), "example.org.", ksk.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.source.set(testZone + presigned(t, ksk, zsk, signer, time.Now()))
	for _, end := range []string{".key", ".private"} {
		if err := os.Remove(filepath.Join(p.dir, ksk.ID+end)); err != nil {
			t.Fatal(err)
		}
	}
	s := p.signer()
	signed := s.mustRun(t)
	if len(signed.DNSKEYSigs) != 1 {
		t.Fatalf("%d RRSIGs of the source over DNSKEY", len(signed.DNSKEYSigs))
	}
	// The holder of the KSK rolls the ZSK.
	next := p.makeKey(policy.ZSK)
	p.source.set(testZone + presignedText(t, []keystore.Entry{ksk, next}, ksk, signer, time.Now()))
	if signed = s.mustRun(t); signed.Keys[0].Tag != next.Key.Tag || len(signed.Keys) != 1 {
		t.Errorf("signed by %+v, want key %d", signed.Keys, next.Key.Tag)
	}
	zsk = next
	// A set whose signature is over is refused, the last good one stays.
	p.source.set(strings.Replace(testZone, "192.0.2.2", "192.0.2.22", 1) +
		presigned(t, ksk, zsk, signer, time.Now().Add(-60*24*time.Hour)))
	wantError(t, s.run(t), "DNSKEY")
	if s.served.Load().signed != signed {
		t.Error("the last good version is gone")
	}
}

// presigned returns a DNSKEY set with its RRSIG in zone-file form.
func presigned(t *testing.T, ksk, zsk keystore.Entry, s crypto.Signer, now time.Time) string {
	t.Helper()
	return presignedText(t, []keystore.Entry{ksk, zsk}, ksk, s, now)
}
