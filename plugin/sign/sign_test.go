package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// wire returns a name in wire form.
func wire(t testing.TB, name string) []byte {
	t.Helper()
	buf := make([]byte, zone.MaxWire+1)
	n, err := dns.PackDomainName(dns.Fqdn(name), buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	return buf[:n]
}

// build makes a zone of zone file text.
func build(t testing.TB, origin, text string, prev *zone.Zone) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(wire(t, origin))
	p := dns.NewZoneParser(strings.NewReader(text), dns.Fqdn(origin), "")
	p.SetDefaultTTL(3600)
	buf := make([]byte, 70000)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Fatalf("%v: %v", rr, err)
		}
		h := rr.Header()
		b.Add(wire(t, h.Name), h.Rrtype, h.Class, h.Ttl, buf[n-int(h.Rdlength):n])
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	z, _, err := b.Build(prev)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// apex is the text of an apex.
const apex = "@ 3600 IN SOA ns.example.org. host.example.org. 1 7200 3600 1209600 1800\n@ 3600 IN NS ns.example.org.\n"

func rsaKey(seed string) crypto.Signer {
	return rsaKeys(seed)()
}

// rsaKeys makes one RSA key a seed and process: making them takes long.
var rsaKeys = func() func(string) func() *rsa.PrivateKey {
	var m sync.Map
	return func(seed string) func() *rsa.PrivateKey {
		once, _ := m.LoadOrStore(seed, sync.OnceValue(func() *rsa.PrivateKey {
			k, err := rsa.GenerateKey(rand.Reader, 1024)
			if err != nil {
				panic(err)
			}
			return k
		}))
		return once.(func() *rsa.PrivateKey)
	}
}()

// signer returns the private key of an algorithm that a seed stands for.
func signer(t testing.TB, alg policy.Algorithm, seed string) crypto.Signer {
	t.Helper()
	sum := sha256.Sum256([]byte(seed))
	var curve elliptic.Curve
	switch alg {
	case policy.ED25519:
		return ed25519.NewKeyFromSeed(sum[:])
	case policy.RSASHA256, policy.RSASHA512:
		return rsaKey(seed)
	case policy.ECDSAP256SHA256:
		curve = elliptic.P256()
	case policy.ECDSAP384SHA384:
		curve = elliptic.P384()
	}
	scalar := make([]byte, curve.Params().BitSize/8)
	copy(scalar[1:], sum[:])
	k, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newKey returns a published key that a seed stands for.
func newKey(t testing.TB, role policy.Role, alg policy.Algorithm, seed string) Key {
	t.Helper()
	s := signer(t, alg, seed)
	k, err := key.New(role, alg, s.Public())
	if err != nil {
		t.Fatal(err)
	}
	return NewKey(k, true, s)
}

// now is the moment at which test zones are signed.
var now = time.Date(2026, 11, 23, 12, 34, 56, 0, time.UTC)

// input is a zone to be signed with a KSK and a ZSK by the default policy.
func input(t testing.TB, z *zone.Zone, alg policy.Algorithm) Input {
	t.Helper()
	pol := policy.Default()
	return Input{
		Zone: z,
		Keys: []Key{newKey(t, policy.KSK, alg, "ksk"), newKey(t, policy.ZSK, alg, "zsk")},
		Generations: []Generation{{
			Since: now, Validity: pol.Validity, ValidityDNSKEY: pol.ValidityDNSKEY, Refresh: pol.Refresh,
			ZoneSigners: []int{1},
		}},
		DNSKEYSigners: []int{0},
		DNSKEYTTL:     pol.DNSKEYTTL,
		Now:           now,
	}
}

// signed signs a zone and returns how many signatures that took.
func signed(t testing.TB, in Input) (*zone.Signed, int) {
	t.Helper()
	p, err := NewPlan(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range p.Jobs() {
		if err := j.Run(); err != nil {
			t.Fatal(err)
		}
	}
	s, err := p.Assemble()
	if err != nil {
		t.Fatal(err)
	}
	if s, err = p.Seal(s, 7); err != nil {
		t.Fatal(err)
	}
	return s, p.Signatures()
}

// rr makes a record of miekg/dns.
func rr(t testing.TB, r zone.Record) dns.RR {
	t.Helper()
	msg := append(slices.Clone(r.Owner), byte(r.Type>>8), byte(r.Type), 0, 1,
		byte(r.TTL>>24), byte(r.TTL>>16), byte(r.TTL>>8), byte(r.TTL), byte(len(r.RData)>>8), byte(len(r.RData)))
	rec, _, err := dns.UnpackRR(append(msg, r.RData...), 0)
	if err != nil {
		t.Fatalf("%x type %d: %v", r.Owner, r.Type, err)
	}
	return rec
}

// flat returns the records of a signed zone in wire form.
func flat(s *zone.Signed) (list []zone.Record) {
	for r := range s.SignedRecords() {
		both := append(slices.Clone(r.Owner), r.RData...)
		r.Owner, r.RData = both[:len(r.Owner)], both[len(r.Owner):]
		list = append(list, r)
	}
	return list
}

// equalSigned reports where two signed zones differ.
func equalSigned(t testing.TB, what string, got, want *zone.Signed) {
	t.Helper()
	a, b := flat(got), flat(want)
	for i := range min(len(a), len(b)) {
		if a[i].Type != b[i].Type || a[i].TTL != b[i].TTL || !bytes.Equal(a[i].Owner, b[i].Owner) || !bytes.Equal(a[i].RData, b[i].RData) {
			t.Fatalf("%s: record %d differs:\n%s\n%s", what, i, rr(t, a[i]), rr(t, b[i]))
		}
	}
	if len(a) != len(b) {
		t.Fatalf("%s: %d records, want %d", what, len(a), len(b))
	}
	if got.Digest != want.Digest {
		t.Fatalf("%s: the digests differ", what)
	}
	if got.Expiry != want.Expiry || got.Due != want.Due || got.Signatures != want.Signatures || got.NegativeTTL != want.NegativeTTL {
		t.Fatalf("%s: expiry %d due %d signatures %d, want %d %d %d", what,
			got.Expiry, got.Due, got.Signatures, want.Expiry, want.Due, want.Signatures)
	}
	for n := range want.Blocks {
		if got.Blocks[n].Digest != want.Blocks[n].Digest || got.Blocks[n].Due != want.Blocks[n].Due {
			t.Fatalf("%s: block %d differs", what, n)
		}
	}
}

func TestSign_EveryAuthoritativeSetIsSigned(t *testing.T) {
	z := build(t, "example.org", apex+`ns A 192.0.2.1
www A 192.0.2.2
www A 192.0.2.3
www TXT "a"
sub NS ns.sub
sub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 192.0.2.4
lame NS ns.example.net.
d DNAME example.net.
x.d A 192.0.2.9
a.b.c A 192.0.2.5
*.w TXT "wild"
`, nil)
	s, made := signed(t, input(t, z, policy.ED25519))
	want := `example.org. SOA NS DNSKEY NSEC
a.b.c.example.org. A NSEC
d.example.org. DNAME NSEC
lame.example.org. NSEC
ns.example.org. A NSEC
sub.example.org. DS NSEC
*.w.example.org. TXT NSEC
www.example.org. A TXT NSEC
`
	var got strings.Builder
	name := ""
	for r := range s.SignedRecords() {
		sig, ok := rr(t, r).(*dns.RRSIG)
		if !ok {
			continue
		}
		if sig.Hdr.Name != name {
			if name != "" {
				got.WriteByte('\n')
			}
			name = sig.Hdr.Name
			got.WriteString(name)
		}
		fmt.Fprintf(&got, " %s", dns.Type(sig.TypeCovered))
	}
	if got.String()+"\n" != want {
		t.Errorf("signed:\n%s\nwant:\n%s", got.String(), want)
	}
	if made != s.Signatures || made != 18 {
		t.Errorf("%d signatures made, %d there, want 18", made, s.Signatures)
	}
}

func TestSign_SignaturesVerifyByAnotherLibrary(t *testing.T) {
	text := apex + "ns A 192.0.2.1\nMiXed MX 10 MAIL.Example.Org.\n*.w SRV 1 2 3 Target.Example.Org.\nu TYPE65400 \\# 3 ABCDEF\n"
	for _, alg := range []policy.Algorithm{policy.RSASHA256, policy.RSASHA512, policy.ECDSAP256SHA256, policy.ECDSAP384SHA384, policy.ED25519} {
		t.Run(alg.String(), func(t *testing.T) {
			s, _ := signed(t, input(t, build(t, "example.org", text, nil), alg))
			sets := map[string][]dns.RR{}
			var sigs []*dns.RRSIG
			keys := map[uint16]*dns.DNSKEY{}
			for r := range s.SignedRecords() {
				switch r := rr(t, r).(type) {
				case *dns.RRSIG:
					sigs = append(sigs, r)
				default:
					id := r.Header().Name + dns.Type(r.Header().Rrtype).String()
					sets[id] = append(sets[id], r)
					if k, ok := r.(*dns.DNSKEY); ok {
						keys[k.KeyTag()] = k
					}
				}
			}
			for _, sig := range sigs {
				if err := sig.Verify(keys[sig.KeyTag], sets[sig.Hdr.Name+dns.Type(sig.TypeCovered).String()]); err != nil {
					t.Errorf("%v: %v", sig, err)
				}
				if !sig.ValidityPeriod(now) {
					t.Errorf("%v is not valid now", sig)
				}
			}
			again, _ := signed(t, input(t, build(t, "example.org", text, nil), alg))
			equalSigned(t, "signed again", again, s)
		})
	}
}

// scalarKey returns the P-256 key with that scalar.
func scalarKey(t testing.TB, scalar string) crypto.Signer {
	t.Helper()
	raw, err := hex.DecodeString(scalar)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
