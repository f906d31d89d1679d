package autosign

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
	"github.com/autosign-dns/autosign/plugin/state"
)

// awayKeys is a key store that cannot be reached for a while.
type awayKeys struct {
	keystore.Keystore
	away *atomic.Bool
}

var errAway = errors.New("no route to the key store")

func (k awayKeys) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	if k.away.Load() {
		return nil, errAway
	}
	return k.Keystore.List(ctx, zone)
}

func (k awayKeys) Open(ctx context.Context, zone, id string) (crypto.Signer, error) {
	if k.away.Load() {
		return nil, errAway
	}
	return k.Keystore.Open(ctx, zone, id)
}

func (k awayKeys) Create(ctx context.Context, zone string, spec keystore.Spec) (keystore.Entry, error) {
	if k.away.Load() {
		return keystore.Entry{}, errAway
	}
	return k.Keystore.Create(ctx, zone, spec)
}

func (k awayKeys) Destroy(ctx context.Context, zone, id string) error {
	if k.away.Load() {
		return errAway
	}
	return k.Keystore.Destroy(ctx, zone, id)
}

// P7: while the key store is out of reach keys stand still, and signatures are
// kept fresh by the signers that are open. With it back life goes on.
func TestP7_KeyStoreOutOfReach_KeysFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.ZSKLifetime = 30 * day
		away := new(atomic.Bool)
		p.keys = awayKeys{p.keys, away}
		o := observe(t, p, 1)
		defer o.stop()
		o.run(20*day, nil)
		before := p.state()
		away.Store(true)
		o.run(60*day, nil)
		if after := p.state(); len(after.KeySet.Keys) != len(before.KeySet.Keys) || len(after.Generations) != 1 {
			t.Errorf("keys have moved: %s", strings.Join(p.waiting(o.signers[0]), "; "))
		}
		if f := o.signers[0].life.Load().freeze; !strings.Contains(f, errAway.Error()) {
			t.Errorf("frozen because of %q", f)
		}
		away.Store(false)
		o.run(30*day, nil)
		if n := p.rolled(policy.ZSK); n < 2 {
			t.Errorf("no ZSK roll since the key store is back: %s", strings.Join(p.waiting(o.signers[0]), "; "))
		}
	})
}

// An instance with an older Corefile does not put a newer policy back.
func TestPolicy_OlderConfigurationGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		old := p.signer()
		old.mustRun(t)
		p.policy.DNSKEYTTL, p.policy.Validity, p.policy.ValidityDNSKEY = 1800, 21*day, 21*day
		time.Sleep(time.Hour)
		p.signer().mustRun(t)
		revision := p.state().PolicyRevision
		old.mustRun(t)
		if doc := p.state(); doc.PolicyRevision != revision || doc.Policy.DNSKEYTTL != 1800 {
			t.Errorf("revision %d, DNSKEY TTL %d: the older configuration has put the policy back", doc.PolicyRevision, doc.Policy.DNSKEYTTL)
		}
		if old.effective.DNSKEYTTL != 1800 || old.effective.Validity != 21*day {
			t.Errorf("it signs by %+v", old.effective)
		}
		if len(old.warned) == 0 {
			t.Error("nobody was told")
		}
		old.asOf = time.Now().Add(time.Hour) // touched
		old.mustRun(t)
		if doc := p.state(); doc.Policy.DNSKEYTTL != 3600 {
			t.Error("a configuration that is the newer one has not set the policy")
		}
	})
}

// What no operator has named stays as the keys in service have it.
func TestPolicy_NotNamed_KeysStayAsTheyAre(t *testing.T) {
	for _, named := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlace(t)
			p.policy.Algorithm, p.policy.ZSKBits, p.policy.KSKBits = policy.RSASHA256, 1024, 1024
			o := observe(t, p, 1)
			defer func() { o.stop() }()
			o.run(5*day, nil)
			o.stop()
			p.policy = policy.Default()
			p.policy.AlgorithmGiven, p.policy.SchemeGiven = named, named
			p.policy.Scheme = policy.SchemeCSK
			s := o.start()
			o.signers[0] = s
			o.run(40*day, nil)
			doc := p.state()
			replaced := !p.all(func(k *rollover.Key) bool { return k.Algorithm == policy.RSASHA256 })
			if replaced != named {
				t.Errorf("named: %v, and there are %d keys: %s", named, len(doc.KeySet.Keys), strings.Join(p.waiting(s), "; "))
			}
			if !named && (doc.Policy.Algorithm != uint8(policy.RSASHA256) || doc.Policy.Scheme != "split" || doc.Policy.ZSKBits != 1024) {
				t.Errorf("effective policy %+v", doc.Policy)
			}
		})
	}
}

// A zone that version 1 of the document knows goes on with its keys, and they
// roll in their time.
func TestUpgrade_DocumentOfVersion1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		now := time.Now().UTC()
		ksk, zsk := p.makeKey(policy.KSK), p.makeKey(policy.ZSK)
		text := func(e keystore.Entry) string {
			return fmt.Sprintf(`{"id": %q, "role": %q, "algorithm": 15, "tag": %d, "public_digest": %q, "created": %q, "publish": %[5]q, "activate": %[5]q,
				"exposure": {"max_ttl": 3600, "latest_expiry": %[6]q}}`, e.ID, e.Key.Role, e.Key.Tag, e.Key.PublicDigest(),
				now.Add(-50*day).Format(time.RFC3339), now.Add(10*day).Format(time.RFC3339))
		}
		tags := []keystore.Entry{ksk, zsk}
		slices.SortFunc(tags, func(a, b keystore.Entry) int { return int(a.Key.Tag) - int(b.Key.Tag) })
		doc := fmt.Sprintf(`{"version": 1, "zone": "example.org.", "published": true, "keys": [%s, %s],
			"generations": [{"since": %q, "validity": "336h", "validity_dnskey": "336h", "refresh": "120h", "ksks": [%q], "zsks": [%q]}],
			"used_tags": [{"tag": %d, "public_digest": %q}, {"tag": %d, "public_digest": %q}],
			"policy": {"algorithm": 15, "scheme": "split", "validity": "336h", "validity_dnskey": "336h", "refresh": "120h", "dnskey_ttl": 3600,
				"serial": "increment", "denial": {"nsec3": false, "opt_out": false, "salt_length": 0, "iterations": 0}},
			"policy_revision": 1, "exposure": {"max_ttl": 3600}, "last_seen": %[3]q,
			"claims": [{"serial": 100, "digest": "%064[10]d", "source": "", "slot": %[3]q}]}`,
			text(ksk), text(zsk), now.Add(-day).Format(time.RFC3339), ksk.ID, zsk.ID,
			tags[0].Key.Tag, tags[0].Key.PublicDigest(), tags[1].Key.Tag, tags[1].Key.PublicDigest(), 7)
		if _, err := p.store.Swap(t.Context(), "example.org.state.json", "", []byte(doc)); err != nil {
			t.Fatal(err)
		}
		r := newUpper("ns1.org.")
		wire, _ := appendWire(nil, "example.org.")
		rd, _ := ksk.Key.DS(wire, key.SHA256)
		r.ds["ns1.org."] = []parent.DS{{KeyTag: ksk.Key.Tag, Algorithm: 15, DigestType: 2, Digest: rd[4:], TTL: 3600}}
		o := &observed{t: t, p: p, parent: r, caches: newCaches(p), delay: time.Hour}
		o.parent.names = append(o.parent.names, "ns2.org.")
		r.ds["ns2.org."] = r.ds["ns1.org."]
		o.signers = append(o.signers, p.attended(t, r))
		defer o.stop()
		first := o.signers[0].mustServe(t)
		if first.Serial != 101 || len(first.Keys) != 2 {
			t.Fatalf("serial %d with %d keys", first.Serial, len(first.Keys))
		}
		o.look()
		o.run(100*day, nil)
		after := p.state()
		if k := after.Key(ksk.ID); k == nil || k.Status(rollover.DS).State != rollover.Omnipresent || !k.Retired.IsZero() {
			t.Errorf("the KSK: %+v", k)
		}
		if k := after.Key(zsk.ID); k == nil || k.Retired.IsZero() {
			t.Errorf("a ZSK of 150 days has not rolled: %+v", k)
		}
		if n := p.rolled(policy.ZSK); n < 2 {
			t.Errorf("%d ZSKs", n)
		}
	})
}

// A zone may be insecure from the beginning; when it is to be signed keys are
// made as for any other, and not before.
func TestInsecure_FromTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.Insecure = true
		first := p.signer().mustRun(t)
		entries, _ := p.keys.List(t.Context(), "example.org.")
		if !first.Unsigned || len(entries) != 0 {
			t.Fatalf("unsigned: %v, %d keys", first.Unsigned, len(entries))
		}
		p.source.fail(errors.New("gone"))
		if again := p.signer().mustRun(t); again.Serial != first.Serial || !again.Unsigned {
			t.Errorf("serial %d after a restart with a broken source, before it was %d", again.Serial, first.Serial)
		}
		p.source.set(testZone)
		p.policy.Insecure = false
		time.Sleep(time.Second)
		if signed := p.signer().mustRun(t); signed.Unsigned || signed.Serial != first.Serial+1 {
			t.Errorf("unsigned: %v, serial %d", signed.Unsigned, signed.Serial)
		}
	})
}

// P2: a key store that gives out a tag that was another key's is not believed.
func TestP2_SpareWithAUsedTag_IsDestroyed(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	e := p.makeKey(policy.ZSK)
	if _, err := s.docs.change(t.Context(), func(d *state.Document) error { return d.UseTag(e.Key.RevokedTag(), strings.Repeat("00", 32)) }); err != nil {
		t.Fatal(err)
	}
	if _, err := s.box.list(t.Context(), s.policy.Scheme); err != nil {
		t.Fatal(err)
	}
	doc, err := s.keepSpare(t.Context(), state.Spare{ID: e.ID, Role: policy.ZSK, Algorithm: policy.ED25519, Tag: e.Key.Tag, PublicDigest: e.Key.PublicDigest()})
	if err != nil || len(doc.Pool) != 0 {
		t.Errorf("%v, pool %v", err, doc.Pool)
	}
	if entries, _ := p.keys.List(t.Context(), "example.org."); len(entries) != 2 {
		t.Errorf("%d keys are in the key store", len(entries))
	}
}

// The views of a zone have a key store in common: what one has forgotten is
// destroyed when no other names it.
func TestDestroy_NotWhatAnotherViewNames(t *testing.T) {
	p := newPlace(t)
	a, b := p.signer(), p.signer()
	b.view, b.docs, b.copies = "inside", newDocuments(p.store, "example.org.", "inside"), newMemoryCopies()
	a.mustRun(t)
	b.mustRun(t)
	id := p.state().KeySet.Keys[0].ID
	for _, c := range []struct {
		s    *signer
		left int
	}{{a, 2}, {b, 1}} {
		doc, err := c.s.docs.change(t.Context(), func(d *state.Document) error {
			set := d.KeySet.Clone()
			set.Keys = slices.DeleteFunc(set.Keys, func(k rollover.Key) bool { return k.ID == id })
			d.SetKeys(set)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if doc, err = c.s.destroyDoomed(t.Context(), doc); err != nil || len(doc.Doomed) != 0 {
			t.Errorf("%v, doomed %v", err, doc.Doomed)
		}
		if entries, _ := p.keys.List(t.Context(), "example.org."); len(entries) != c.left {
			t.Errorf("view %q has forgotten a key, and %d are left, want %d", c.s.view, len(entries), c.left)
		}
	}
}

// A BIND zone in the middle of a ZSK roll goes on where it was.
func TestAdopt_InTheMiddleOfARoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		p.policy.ZSKLifetime = 0
		ksk, old, next := p.makeKey(policy.KSK), p.makeKey(policy.ZSK), p.makeKey(policy.ZSK)
		at := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405") }
		files := p.keys
		p.keys = plainKeys{files, func(e *keystore.Entry) {
			e.State = map[string]string{"GoalState": "omnipresent", "DNSKEYState": "omnipresent", "DNSKEYChange": at(-90 * day), "Active": at(-90 * day)}
			switch e.ID {
			case ksk.ID:
				e.State["KRRSIGState"], e.State["DSState"], e.State["KSK"] = "omnipresent", "omnipresent", "yes"
			case old.ID:
				e.State["GoalState"], e.State["ZRRSIGState"], e.State["ZSK"] = "hidden", "omnipresent", "yes"
			case next.ID:
				e.State["DNSKEYState"], e.State["DNSKEYChange"], e.State["ZRRSIGState"], e.State["ZSK"] = "rumoured", at(-time.Minute), "hidden", "yes"
			}
		}}
		wire, _ := appendWire(nil, "example.org.")
		rd, _ := ksk.Key.DS(wire, key.SHA256)
		ds := []parent.DS{{KeyTag: ksk.Key.Tag, Algorithm: 15, DigestType: 2, Digest: rd[4:]}}
		p.parent.ds = ds
		r := newUpper("ns1.org.", "ns2.org.")
		r.ds["ns1.org."], r.ds["ns2.org."] = ds, ds
		o := &observed{t: t, p: p, parent: r, caches: newCaches(p), delay: time.Hour, signers: []*signer{p.attended(t, r)}}
		defer o.stop()
		p.keys = files
		o.look()
		if set := p.state().KeySet; !slices.Equal(set.ZoneSigners(), []string{old.ID}) || len(set.Published()) != 3 {
			t.Fatalf("signers %v, published %v", set.ZoneSigners(), set.Published())
		}
		o.run(20*day, nil)
		set := p.state().KeySet
		if !slices.Equal(set.ZoneSigners(), []string{next.ID}) || len(set.Published()) != 2 {
			t.Errorf("signers %v, published %v: %s", set.ZoneSigners(), set.Published(), strings.Join(p.waiting(o.signers[0]), "; "))
		}
		if k := set.Key(ksk.ID); k.Status(rollover.DS).State != rollover.Omnipresent {
			t.Errorf("the KSK's DS is %s", k.Status(rollover.DS).State)
		}
	})
}

// Clocks that are set wrong in the middle of rolls delay them, no more.
func TestLife_ClockJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{"back": -2 * day, "ahead": 40 * day} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPlace(t)
				p.policy.ZSKLifetime, p.policy.KSKLifetime = 25*day, 60*day
				o := observe(t, p, 1)
				defer o.stop()
				o.wrong = true
				for n := range 6 {
					o.run(23*day, nil)
					p.jump.Store(int64(jump) * int64((n+1)%2))
				}
				o.run(60*day, nil)
				if n := len(p.state().UsedTags); n < 12 {
					t.Errorf("%d tags used: %s", n, strings.Join(p.waiting(o.signers[0]), "; "))
				}
			})
		})
	}
}

// The oracle of the tests above sees what it is for: a zone whose keys are
// exchanged at once.
func TestCaches_SeeKeysExchangedAtOnce(t *testing.T) {
	a, b := newPlace(t), newPlace(t)
	first, second := a.signer(), b.signer()
	one, two := first.mustRun(t), second.mustRun(t)
	c := newCaches(a)
	now := time.Now()
	r := newUpper("ns1.org.")
	keys := first.publicKeys(&first.life.Load().doc.KeySet)
	for id, k := range keys {
		if rd, err := k.DS(first.origin, key.SHA256); err == nil && k.Role == policy.KSK {
			r.ds["ns1.org."] = []parent.DS{{KeyTag: keys[id].Tag, Algorithm: rd[2], DigestType: 2, Digest: rd[4:]}}
		}
	}
	c.serve(now, one)
	c.delegate(now, r.ds["ns1.org."])
	if err := c.judge(now); err != nil {
		t.Fatalf("nothing has happened, and: %v", err)
	}
	c.serve(now.Add(time.Minute), two)
	if c.judge(now.Add(time.Minute)) == nil {
		t.Error("other keys at once are not seen")
	}
	c = newCaches(a)
	c.serve(now, two)
	c.serve(now, one)
	if err := c.judge(now); err != nil {
		t.Errorf("without a DS nobody validates, and: %v", err)
	}
}
