package answer

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/denial"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// testNow is the moment of all tests: the middle of the signatures' validity.
const testNow = 1_800_000_000

// mode is a way to deny existence.
type mode struct {
	name          string
	unsigned      bool
	nsec3, optOut bool
	salt          []byte
	iterations    uint16
}

var modes = []mode{
	{name: "nsec"},
	{name: "nsec3", nsec3: true},
	{name: "nsec3 salted", nsec3: true, salt: []byte{0xab, 0xcd}, iterations: 3},
	{name: "optout", nsec3: true, optOut: true},
}

// insecure is no way at all: a zone that has gone insecure.
var insecure = mode{name: "unsigned", unsigned: true}

// testSigner signs zones by the definitions of RFC 4034 and RFC 5155, one
// record at a time, with one Ed25519 key.
type testSigner struct {
	key   ed25519.PrivateKey
	tag   uint16
	rdata []byte // of the DNSKEY
	dummy bool   // signatures are only of the right size
}

func newTestSigner() *testSigner {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	rdata := append([]byte{1, 1, 3, 15}, key.Public().(ed25519.PublicKey)...)
	sum := uint32(0)
	for i, c := range rdata {
		sum += uint32(c) << (8 * uint(1-i&1))
	}
	return &testSigner{key: key, tag: uint16(sum + sum>>16), rdata: rdata}
}

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

// parse returns the records of a zone file's text.
func parse(t testing.TB, origin, text string) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	p := dns.NewZoneParser(strings.NewReader(text), origin, "")
	p.SetDefaultTTL(3600)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		rrs = append(rrs, rr)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return rrs
}

// build makes a zone of records.
func build(t testing.TB, origin string, rrs []dns.RR) (*zone.Zone, error) {
	t.Helper()
	b := zone.NewBuilder(wire(t, origin))
	buf := make([]byte, 70000)
	for _, rr := range rrs {
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Fatalf("%v: %v", rr, err)
		}
		h := rr.Header()
		b.Add(wire(t, h.Name), h.Rrtype, h.Class, h.Ttl, buf[n-int(h.Rdlength):n])
	}
	z, _, err := b.Build(nil)
	return z, err
}

// signText returns the signed zone of a zone file's text.
func signText(t testing.TB, origin, text string, m mode) *zone.Signed {
	t.Helper()
	z, err := build(t, origin, parse(t, origin, text))
	if err != nil {
		t.Fatal(err)
	}
	return newTestSigner().zone(z, m)
}

// zone signs a zone.
func (k *testSigner) zone(z *zone.Zone, m mode) *zone.Signed {
	soa, ttl := z.SOA()
	negative := min(ttl, binary.BigEndian.Uint32(soa[len(soa)-4:]))
	apex := []zone.ApexSet{{Type: zone.TypeDNSKEY, TTL: 3600, RData: [][]byte{k.rdata}}}
	if m.nsec3 {
		param := append([]byte{1, 0, byte(m.iterations >> 8), byte(m.iterations), byte(len(m.salt))}, m.salt...)
		apex = append(apex, zone.ApexSet{Type: zone.TypeNSEC3PARAM, TTL: 0, RData: [][]byte{param}})
	}
	if m.unsigned {
		return plain(z, negative)
	}
	z = z.WithApex(apex)
	s := &zone.Signed{
		Zone: z, NegativeTTL: negative, Serial: binary.BigEndian.Uint32(soa[len(soa)-20:]),
		Keys:   []zone.SigningKey{{Tag: k.tag, Algorithm: 15, Size: ed25519.SignatureSize}},
		Expiry: testNow + 100_000,
	}
	if m.nsec3 {
		s.NSEC3 = k.chain(s, m)
	}
	for n, b := range z.Blocks() {
		sigs := zone.NewSigsBuilder(b.NumSets()+b.Len(), b.NumSets()+b.Len(), 0)
		for i := range b.Len() {
			for j, end := b.Sets(i); j < end; j++ {
				if zone.Authoritative(b.Flags(i), b.SetType(j)) {
					sigs.Add(k.sign(s, zone.AppendWire(nil, b.Key(i), z.Origin()), b.Key(i), b.Set(j)))
				}
				sigs.Close()
			}
		}
		for i := range b.Len() {
			if !m.nsec3 && zone.InNSEC(b.Flags(i)) {
				rd := z.AppendNSEC([]byte{0, 0}, zone.Pos{Block: n, Name: i})
				binary.BigEndian.PutUint16(rd, uint16(len(rd)-2))
				set := zone.Set{Type: zone.TypeNSEC, TTL: negative, Count: 1, Data: rd}
				sigs.Add(k.sign(s, zone.AppendWire(nil, b.Key(i), z.Origin()), b.Key(i), set))
			}
			sigs.Close()
		}
		s.Blocks = append(s.Blocks, &zone.SignedBlock{Block: b, Sigs: sigs.Sigs()})
	}
	return s
}

// plain returns a zone without signatures as it is served.
func plain(z *zone.Zone, negative uint32) *zone.Signed {
	soa, _ := z.SOA()
	s := &zone.Signed{Zone: z, NegativeTTL: negative, Serial: binary.BigEndian.Uint32(soa[len(soa)-20:]),
		Unsigned: true, Expiry: zone.Never, Due: zone.Never}
	for _, b := range z.Blocks() {
		sigs := zone.NewSigsBuilder(0, 0, 0)
		for range b.NumSets() + b.Len() {
			sigs.Close()
		}
		s.Blocks = append(s.Blocks, &zone.SignedBlock{Block: b, Sigs: sigs.Sigs()})
	}
	return s
}

// sign returns the signature over an RRset (RFC 4034 section 3.1.8.1).
func (k *testSigner) sign(s *zone.Signed, owner, key []byte, set zone.Set) zone.Sig {
	g := zone.Sig{Inception: testNow - 100_000, Expiration: testNow + 100_000}
	if k.dummy {
		g.Raw = make([]byte, ed25519.SignatureSize)
		return g
	}
	data := s.AppendRRSIG(nil, g, set.Type, s.OwnerLabels(key), set.TTL)
	if zone.IsWildcard(key) {
		owner = append([]byte{1, '*'}, owner[2:]...)
	}
	for rd := range set.RData {
		rd = zone.AppendCanonical(nil, set.Type, rd)
		data = append(data, owner...)
		data = append(data, byte(set.Type>>8), byte(set.Type), 0, 1)
		data = binary.BigEndian.AppendUint32(data, set.TTL)
		data = append(data, byte(len(rd)>>8), byte(len(rd)))
		data = append(data, rd...)
	}
	g.Raw = ed25519.Sign(k.key, data)
	return g
}

// chain builds and signs an NSEC3 chain.
func (k *testSigner) chain(s *zone.Signed, m mode) *zone.Chain {
	c, err := denial.Build(s.Zone, policy.Denial{NSEC3: true, OptOut: m.optOut, Iterations: m.iterations}, m.salt, nil)
	if err != nil {
		panic(err)
	}
	for n, b := range c.Buckets {
		sigs := zone.NewSigsBuilder(b.Len(), b.Len(), 0)
		for i := range b.Len() {
			p := zone.Pos{Block: n, Name: i}
			rd := c.AppendRData([]byte{0, 0}, p)
			binary.BigEndian.PutUint16(rd, uint16(len(rd)-2))
			set := zone.Set{Type: zone.TypeNSEC3, TTL: s.NegativeTTL, Count: 1, Data: rd}
			sigs.Add(k.sign(s, c.AppendOwner(nil, p, s.Origin()), []byte("hash\x00"), set))
			sigs.Close()
		}
		c.Buckets[n] = b.Signed(sigs.Sigs())
	}
	return c
}

// hashOf returns the NSEC3 hash of a name in wire form, lower case.
func hashOf(s *zone.Signed, name []byte) []byte {
	h := denial.HashName(name, s.NSEC3.Salt, s.NSEC3.Iterations)
	return h[:]
}
