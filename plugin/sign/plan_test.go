package sign

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

func TestNewPlan_RefusesWhatCannotBeSigned(t *testing.T) {
	z := build(t, "example.org", apex+"ns A 192.0.2.1\n", nil)
	tests := []struct {
		name   string
		change func(*Input)
		want   string
	}{
		{"no generation", func(in *Input) { in.Generations = nil }, "0 generations of keys"},
		{"three generations", func(in *Input) {
			g := in.Generations[0]
			in.Generations = []Generation{g, g, g}
		}, "3 generations of keys"},
		{"generations out of order", func(in *Input) {
			g := in.Generations[0]
			g.Since = g.Since.Add(-1)
			in.Generations = append(in.Generations, g)
		}, "not in the order of their time"},
		{"nobody signs the zone", func(in *Input) { in.Generations[0].ZoneSigners = nil }, "no key signs the zone"},
		{"nobody signs DNSKEY", func(in *Input) { in.DNSKEYSigners = nil }, "no key signs the DNSKEY set"},
		{"a key that is not there", func(in *Input) { in.Generations[0].ZoneSigners = []int{2} }, "no key number 2 to sign the zone"},
		{"a key without private part", func(in *Input) { in.Keys[1].Signer = nil }, "which signs the zone, is not at hand"},
		{"another private key", func(in *Input) { in.Keys[1].Signer = in.Keys[0].Signer }, "the private key does not belong to the DNSKEY record"}, // P1
		{"the record of another key", func(in *Input) { in.Keys[1].Tag++ }, "the DNSKEY record is not of this key"},
		{"equal tags", func(in *Input) { in.Keys = append(in.Keys, in.Keys[0]) }, "have the same tag"}, // P2
		{"a record that is no key", func(in *Input) { in.Keys[1].DNSKEY = []byte{1} }, "dnskey: 1 octets are too short"},
		{"nothing is published", func(in *Input) { in.Keys[0].Published, in.Keys[1].Published = false, false }, "no key is published"},
		{"no time to live", func(in *Input) { in.Generations[0].Refresh = in.Generations[0].Validity }, "validity of signatures is not more than their refresh"},
		{"nsec3 that validators refuse", func(in *Input) { in.Denial = policy.Denial{NSEC3: true, Iterations: 200} }, "nsec3: 200 iterations"},
		{"a salt that no record holds", func(in *Input) {
			in.Denial.NSEC3, in.Salt = true, make([]byte, 256)
		}, "nsec3: a salt of 256 octets"},
		{"ZSK-only without a signed DNSKEY set", func(in *Input) { in.ZSKOnly = true }, "the source brings no DNSKEY set"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			in := input(t, z, policy.ED25519)
			tc.change(&in)
			_, err := NewPlan(in)
			if err == nil || !strings.HasPrefix(err.Error(), "example.org.: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestNewPlan_AForeignKeyIsOnlyPublished(t *testing.T) {
	in := input(t, build(t, "example.org", apex, nil), policy.ED25519)
	foreign := newKey(t, policy.KSK, policy.ECDSAP256SHA256, "foreign")
	foreign.Signer = nil
	in.Keys = append(in.Keys, foreign)
	in.Keys[1].Published = false
	s, _ := signed(t, in)
	set, _ := s.ApexSet(zone.TypeDNSKEY)
	if set.Count != 2 || set.TTL != 3600 {
		t.Errorf("DNSKEY has %d records, TTL %d", set.Count, set.TTL)
	}
	if len(s.Keys) != 3 || s.Keys[2] != foreign.SigningKey {
		t.Errorf("keys %+v", s.Keys)
	}
}

// failing fails after some signatures.
type failing struct {
	crypto.Signer
	left *int
}

var errHardware = errors.New("the hardware is gone")

func (f failing) Sign(r io.Reader, m []byte, o crypto.SignerOpts) ([]byte, error) {
	if *f.left--; *f.left < 0 {
		return nil, errHardware
	}
	return f.Signer.Sign(r, m, o)
}

func TestRun_AFailedSignatureNamesRecordAndKey(t *testing.T) {
	in := input(t, build(t, "example.org", apex+"ns A 192.0.2.1\n", nil), policy.ED25519)
	left := 0
	in.Keys[1].Signer = failing{in.Keys[1].Signer, &left}
	p, err := NewPlan(in)
	if err != nil {
		t.Fatal(err)
	}
	var errs error
	for _, j := range p.Jobs() {
		errs = errors.Join(errs, j.Run())
	}
	want := fmt.Sprintf("example.org.: ns.example.org. A: signing with key %d of algorithm 15: the hardware is gone", in.Keys[1].Tag)
	if !errors.Is(errs, errHardware) || !strings.Contains(errs.Error(), want) {
		t.Errorf("got %v, want %q", errs, want)
	}
	if _, err := p.Assemble(); err == nil || !strings.Contains(err.Error(), "a job is missing or has failed") {
		t.Errorf("assembled with %v", err)
	}
}

// broken returns something else than a signature.
type broken struct {
	crypto.Signer
	raw []byte
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return b.raw, nil }

func TestRun_AMalformedSignatureIsRefused(t *testing.T) {
	for _, alg := range []policy.Algorithm{policy.ED25519, policy.ECDSAP256SHA256} {
		in := input(t, build(t, "example.org", apex, nil), alg)
		in.Keys[0].Signer = broken{in.Keys[0].Signer, make([]byte, 63)}
		p, err := NewPlan(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Jobs()[0].Run(); err == nil || !strings.Contains(err.Error(), "the signer returned") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestRun_YieldIsCalledAfterEachSignature(t *testing.T) {
	in := input(t, build(t, "example.org", apex+"ns A 192.0.2.1\n", nil), policy.ED25519)
	calls := 0
	in.Yield = func() { calls++ }
	if _, made := signed(t, in); calls != made {
		t.Errorf("%d calls for %d signatures", calls, made)
	}
}

// bulk returns an RRset of about that many octets in a message.
func bulk(octets int) string {
	var b strings.Builder
	for n := 0; octets > 0; n++ {
		size := max(min(octets, 255), 8)
		fmt.Fprintf(&b, "big TXT \"%0*d\"\n", size, n)
		octets -= size + 13 // owner, type to length, and the string's own length
	}
	return b.String()
}

func TestRun_AnRRsetThatFitsNoMessageIsNamed(t *testing.T) {
	for _, tc := range []struct {
		octets int
		fits   bool
	}{{64000, true}, {65400, true}, {65500, false}} { // the source's check lets them all through
		in := input(t, build(t, "example.org", apex+bulk(tc.octets-300), nil), policy.RSASHA256)
		in.Generations[0].ZoneSigners = []int{0, 1}
		p, err := NewPlan(in)
		if err != nil {
			t.Fatal(err)
		}
		var errs error
		for _, j := range p.Jobs() {
			errs = errors.Join(errs, j.Run())
		}
		if tc.fits {
			if errs != nil {
				t.Errorf("%d octets: %v", tc.octets, errs)
			}
			continue
		}
		if errs == nil || !strings.HasPrefix(errs.Error(), "example.org.: big.example.org. TXT: with its signatures it has ") {
			t.Errorf("%d octets: %v", tc.octets, errs)
		}
	}
}

func TestSeal_SerialAndNothingElse(t *testing.T) {
	in := newWorld(t).in
	in.Zone = build(t, "example.org", apex+"ns A 192.0.2.1\n", nil)
	p, err := NewPlan(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range p.Jobs() {
		if err := j.Run(); err != nil {
			t.Fatal(err)
		}
	}
	a, err := p.Assemble()
	if err != nil {
		t.Fatal(err)
	}
	one, err := p.Seal(a, 1)
	if err != nil {
		t.Fatal(err)
	}
	max, err := p.Seal(a, 4294967295)
	if err != nil {
		t.Fatal(err)
	}
	if one.Serial != 1 || max.Serial != 4294967295 || one.Digest != max.Digest || one.Expiry != a.Expiry || one.Due != a.Due {
		t.Errorf("serials %d and %d", one.Serial, max.Serial)
	}
	if one.Signatures != a.Signatures+1 {
		t.Errorf("%d signatures after %d", one.Signatures, a.Signatures)
	}
	soa, _ := max.SOA()
	if string(soa[len(soa)-20:len(soa)-16]) != "\xff\xff\xff\xff" {
		t.Errorf("SOA %x", soa)
	}
}

func TestAssemble_DigestSeesTheSOAButNotItsSerial(t *testing.T) {
	digest := func(soa string, at time.Time) [32]byte {
		in := newWorld(t).in
		in.Now = at
		in.Zone = build(t, "example.org", "@ 3600 SOA "+soa+"\n@ 3600 NS ns\n", nil)
		s, _ := signed(t, in)
		return s.Digest
	}
	first := digest("ns host 1 2 3 4 5", now)
	if digest("ns host 2 2 3 4 5", now) != first {
		t.Error("the serial changes the digest")
	}
	if digest("ns2 host 1 2 3 4 5", now) == first || digest("ns host 1 3 3 4 5", now) == first {
		t.Error("another SOA does not change the digest")
	}
	if digest("ns host 1 2 3 4 5", now.Add(30*24*time.Hour)) == first {
		t.Error("other signatures do not change the digest")
	}
}

// presigned is the zone with a DNSKEY set signed elsewhere, as a source brings it.
func presigned(t *testing.T, in Input) *zone.Zone {
	t.Helper()
	s, _ := signed(t, in)
	b := zone.NewBuilder(s.Origin())
	for r := range s.SignedRecords() {
		b.Add(r.Owner, r.Type, 1, r.TTL, r.RData)
	}
	z, _, err := b.Build(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestZSKOnly_TheSourcesDNSKEYSetIsServedAsItIs(t *testing.T) {
	for _, alg := range []policy.Algorithm{policy.RSASHA256, policy.RSASHA512, policy.ECDSAP256SHA256, policy.ECDSAP384SHA384, policy.ED25519} {
		t.Run(alg.String(), func(t *testing.T) {
			full := input(t, build(t, "example.org", apex+"ns A 192.0.2.1\n", nil), alg)
			z := presigned(t, full)
			in := full
			in.Zone, in.Keys, in.ZSKOnly, in.DNSKEYTTL = z, full.Keys[1:], true, 99
			in.Generations = []Generation{full.Generations[0]}
			in.DNSKEYSigners, in.Generations[0].ZoneSigners = nil, []int{0}
			s, _ := signed(t, in)
			want, _ := signed(t, full)
			a, b := flat(s), flat(want)
			if len(a) != len(b) {
				t.Fatalf("%d records, want %d", len(a), len(b))
			}
			for i := range a { // all keys are the same, so all is as with full signing
				if rr(t, a[i]).String() != rr(t, b[i]).String() {
					t.Errorf("%v\nwant %v", rr(t, a[i]), rr(t, b[i]))
				}
			}
			if s.Signatures != want.Signatures || s.Expiry != want.Expiry {
				t.Errorf("%d signatures, expiry %d, want %d, %d", s.Signatures, s.Expiry, want.Signatures, want.Expiry)
			}
			in.Previous = s
			if _, made := signed(t, in); made != 1 {
				t.Errorf("%d signatures with nothing changed", made)
			}
		})
	}
}

func TestZSKOnly_OnlyAValidDNSKEYSetOfOurs(t *testing.T) {
	full := input(t, build(t, "example.org", apex, nil), policy.ED25519)
	tests := []struct {
		name   string
		change func(*Input, *zone.Presigned)
		want   string
	}{
		{"as it should be", func(*Input, *zone.Presigned) {}, ""},
		{"our ZSK is not in it", func(in *Input, _ *zone.Presigned) {
			in.Keys = []Key{newKey(t, policy.ZSK, policy.ED25519, "other")}
		}, "signs the zone, but is not in the source's DNSKEY set"},
		{"no RRSIG", func(_ *Input, p *zone.Presigned) { p.RRSIGs = nil }, "has no RRSIG"},
		{"expired", func(in *Input, _ *zone.Presigned) { in.Now = now.Add(15 * days) }, "it has expired"},
		{"of the future", func(in *Input, _ *zone.Presigned) { in.Now = now.Add(-15 * days) }, "its time has not come yet"},
		{"a spoiled signature", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0][40] ^= 1 }, "it does not verify"},
		{"a key more than was signed", func(_ *Input, p *zone.Presigned) {
			p.Keys = append(p.Keys, newKey(t, policy.ZSK, policy.ED25519, "other").DNSKEY)
		}, "it does not verify"},
		{"by a key outside", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0][17] ^= 1 }, "its key is not in the set"},
		{"of another zone", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0][19] ^= 1 }, "the signer is dxample.org."},
		{"signer in other case", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0][19] ^= 0x20 }, ""},
		{"of a wildcard", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0][3]-- }, "the labels field is 1"},
		{"too short", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0] = p.RRSIGs[0][:17] }, "too short"},
		{"without signer", func(_ *Input, p *zone.Presigned) { p.RRSIGs[0] = p.RRSIGs[0][:19] }, "malformed signer name"},
		{"one of two is valid", func(_ *Input, p *zone.Presigned) { p.RRSIGs = append(p.RRSIGs, []byte("spoiled")) }, ""},
		{"CDS", func(in *Input, _ *zone.Presigned) { in.CDS = [][]byte{{0}} }, "no key signs CDS"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			in := full
			in.Zone, in.Keys, in.ZSKOnly = presigned(t, full), full.Keys[1:], true
			in.Generations = []Generation{full.Generations[0]}
			in.Generations[0].ZoneSigners = []int{0}
			tc.change(&in, in.Zone.Presigned)
			_, err := NewPlan(in)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// hardware signs ECDSA with randomness of its own, as hardware does.
type hardware struct{ crypto.Signer }

func (h hardware) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return h.Signer.Sign(rand.Reader, digest, opts)
}

func TestSign_WhatHardwareSignedIsKept(t *testing.T) {
	in := input(t, build(t, "example.org", apex+"ns A 192.0.2.1\n", nil), policy.ECDSAP256SHA256)
	for i := range in.Keys {
		in.Keys[i].Signer = hardware{in.Keys[i].Signer}
	}
	first, _ := signed(t, in)
	in.Previous = first
	in.Zone = build(t, "example.org", apex+"ns A 192.0.2.2\n", in.Zone)
	second, made := signed(t, in)
	if made != 2 {
		t.Errorf("%d signatures made, want 2", made)
	}
	in.Previous = nil
	if again, _ := signed(t, in); again.Digest == second.Digest {
		t.Error("random signatures are the same; the test tests nothing")
	}
}

func TestNewKey_IsWhatTheRecordSays(t *testing.T) {
	k := newKey(t, policy.KSK, policy.ED25519, "ksk")
	public, err := key.FromDNSKEY(k.DNSKEY)
	if err != nil {
		t.Fatal(err)
	}
	if k.Tag != public.Tag || k.Algorithm != 15 || k.Size != 64 || k.Role != policy.KSK || fmt.Sprintf("%x", k.ID) != public.PublicDigest() {
		t.Errorf("%+v", k)
	}
}
