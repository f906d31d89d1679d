package state

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/rollover"
)

// What version 1 stored stays readable for ever: this file was written by it.
func TestDecode_V1(t *testing.T) {
	data, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	d, err := Decode(data, "example.org.")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{ // when the zone was last worked on the second generation was an hour old
		"KSK DNSKEY omnipresent to omnipresent, KRRSIG omnipresent to omnipresent, ZRRSIG hidden to hidden, DS rumoured to omnipresent",
		"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG unretentive to hidden, DS hidden to hidden",
		"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG rumoured to omnipresent, DS hidden to hidden",
	} {
		if got := story(&d.KeySet.Keys[i]); got != want {
			t.Errorf("key %d: %s, want %s", i+1, got, want)
		}
	}
	if k := d.KeySet.Keys[1]; !k.Retire.Equal(start.Add(48*time.Hour)) || !k.Retired.IsZero() || !k.Active.Equal(start) {
		t.Errorf("the key that is to end: %+v", k)
	}
	if d.Version != Version || len(d.Generations) != 2 || len(d.UsedTags) != 3 || !d.Published || len(d.Salt) != 2 ||
		d.PolicyRevision != 1 || !d.PolicyAsOf.IsZero() {
		t.Errorf("got %+v", d)
	}
	if ttl := d.KeySet.DNSKEYTTL; ttl.TTL != 3600 || !ttl.Until.Equal(d.LastSeen.Add(time.Hour)) || d.KeySet.ZoneTTL.TTL != 86400 {
		t.Errorf("longest TTLs %+v and %+v", ttl, d.KeySet.ZoneTTL)
	}
	if last, ok := d.Last(); !ok || last.Serial != 2026030100 {
		t.Errorf("last claim %+v", last)
	}
	p, err := d.Policy.Over(policy.Default())
	if err != nil || p.Validity != 336*time.Hour || !p.Denial.NSEC3 || p.ZSKLifetime != policy.Default().ZSKLifetime || p.AlgorithmGiven {
		t.Errorf("policy %+v, %v", p, err)
	}
}

// story tells a key's records in words.
func story(k *rollover.Key) string {
	var records []string
	for r := rollover.DNSKEY; r <= rollover.DS; r++ {
		s := k.Status(r)
		records = append(records, fmt.Sprintf("%s %s to %s", r, s.State, s.Goal))
	}
	return k.Role.String() + " " + strings.Join(records, ", ")
}

// The times of a key of version 1 become states of its records.
func TestUpgradeKey(t *testing.T) {
	const ttl = time.Hour
	now := start
	past, future := now.Add(-48*time.Hour), now.Add(48*time.Hour)
	gens := func(zsks ...string) (list []v1Generation) {
		for i, ids := range zsks {
			list = append(list, v1Generation{Since: past.Add(time.Duration(i) * time.Hour), KSKs: strings.Fields(ids), ZSKs: strings.Fields(ids)})
		}
		return list
	}
	for _, tt := range []struct {
		name string
		key  v1Key
		gens []v1Generation
		want string
	}{
		{"in use", v1Key{Role: policy.ZSK, Publish: past, Activate: past}, gens("K"),
			"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG omnipresent to omnipresent, DS hidden to hidden"},
		{"a CSK", v1Key{Role: policy.CSK, Publish: past, Activate: past}, gens("K"),
			"CSK DNSKEY omnipresent to omnipresent, KRRSIG omnipresent to omnipresent, ZRRSIG omnipresent to omnipresent, DS rumoured to omnipresent"},
		{"to sign later", v1Key{Role: policy.ZSK, Publish: past, Activate: future}, gens("old"),
			"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG hidden to hidden, DS hidden to hidden"},
		{"published a moment ago", v1Key{Role: policy.ZSK, Publish: now.Add(-ttl / 2), Activate: future}, gens("old"),
			"ZSK DNSKEY rumoured to omnipresent, KRRSIG hidden to hidden, ZRRSIG hidden to hidden, DS hidden to hidden"},
		{"published only", v1Key{Role: policy.KSK, Publish: past}, gens("old"),
			"KSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG hidden to hidden, DS hidden to hidden"},
		{"to be published", v1Key{Role: policy.ZSK, Publish: future, Activate: future}, gens("old"),
			"ZSK DNSKEY hidden to omnipresent, KRRSIG hidden to hidden, ZRRSIG hidden to hidden, DS hidden to hidden"},
		{"in use, to be published", v1Key{Role: policy.ZSK, Publish: future, Activate: past}, gens("K"),
			"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG omnipresent to omnipresent, DS hidden to hidden"},
		{"in use, published a moment ago", v1Key{Role: policy.ZSK, Publish: now.Add(-ttl / 2), Activate: past}, gens("K"),
			"ZSK DNSKEY omnipresent to omnipresent, KRRSIG hidden to hidden, ZRRSIG omnipresent to omnipresent, DS hidden to hidden"},
		{"in use, removed", v1Key{Role: policy.ZSK, Publish: past, Activate: past, Delete: past}, gens("K"),
			"ZSK DNSKEY omnipresent to hidden, KRRSIG hidden to hidden, ZRRSIG omnipresent to hidden, DS hidden to hidden"},
		{"retired, its signatures are still there", v1Key{Role: policy.ZSK, Publish: past, Activate: past, Inactive: past}, gens("K", "next"),
			"ZSK DNSKEY omnipresent to hidden, KRRSIG hidden to hidden, ZRRSIG unretentive to hidden, DS hidden to hidden"},
		{"removed", v1Key{Role: policy.ZSK, Publish: past, Activate: past, Inactive: past, Delete: past, Exposure: rollover.Exposure{MaxTTL: 60, LatestExpiry: now}}, gens("next"),
			"ZSK DNSKEY unretentive to hidden, KRRSIG hidden to hidden, ZRRSIG unretentive to hidden, DS hidden to hidden"},
		{"removed, it never signed", v1Key{Role: policy.ZSK, Publish: past, Delete: past}, gens("next"),
			"ZSK DNSKEY unretentive to hidden, KRRSIG hidden to hidden, ZRRSIG hidden to hidden, DS hidden to hidden"},
		{"a KSK that just began", v1Key{Role: policy.KSK, Publish: past, Activate: past}, gens("old", "K"),
			"KSK DNSKEY omnipresent to omnipresent, KRRSIG rumoured to omnipresent, ZRRSIG hidden to hidden, DS rumoured to omnipresent"},
		{"a KSK that just ended", v1Key{Role: policy.KSK, Publish: past, Activate: past, Inactive: past}, gens("K", "next"),
			"KSK DNSKEY omnipresent to hidden, KRRSIG unretentive to hidden, ZRRSIG hidden to hidden, DS unretentive to hidden"},
		{"a ZSK that is over and signs still", v1Key{Role: policy.ZSK, Publish: past, Activate: past, Inactive: past}, gens("K"),
			"ZSK DNSKEY omnipresent to hidden, KRRSIG hidden to hidden, ZRRSIG omnipresent to hidden, DS hidden to hidden"},
		{"a KSK that is over and signs still", v1Key{Role: policy.KSK, Publish: past, Activate: past, Inactive: past}, gens("K"),
			"KSK DNSKEY omnipresent to hidden, KRRSIG omnipresent to hidden, ZRRSIG hidden to hidden, DS rumoured to hidden"},
	} {
		o := newV1("example.org.")
		o.LastSeen, o.Generations, o.Policy.DNSKEYTTL = now, tt.gens, uint32(ttl/time.Second)
		tt.key.ID = "K"
		k, later := o.upgradeKey(tt.key)
		if later != (tt.name == "to be published") {
			t.Errorf("%s: a spare: %v", tt.name, later)
		}
		if got := story(&k); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if tt.key.Role == policy.KSK && k.Status(rollover.KRRSIG).Pending != (k.Status(rollover.KRRSIG).State == rollover.Rumoured) {
			t.Errorf("%s: KRRSIG pending: %v", tt.name, k.Status(rollover.KRRSIG).Pending)
		}
	}
}
