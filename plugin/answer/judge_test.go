package answer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/verify/reference"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// court judges answers from one zone by what shares no code with them: a
// validator, a slow lookup, and a resolver that believes every proof.
type court struct {
	zone  *zone.Signed
	ref   *reference.Zone
	trust verify.Trust
	cache *reference.Cache
}

func newCourt(t testing.TB, s *zone.Signed) *court {
	t.Helper()
	origin, _, _ := dns.UnpackDomainName(s.Origin(), 0)
	return &court{
		zone:  s,
		ref:   reference.New(origin, records(t, s)),
		trust: verify.Trust{Zone: s.Origin(), Keys: [][]byte{newTestSigner().rdata}, Now: time.Unix(testNow, 0), CapTTL: true},
		cache: reference.NewCache(origin),
	}
}

// records returns the records of a signed zone.
func records(t testing.TB, s *zone.Signed) []dns.RR {
	t.Helper()
	var list []dns.RR
	for rec := range s.SignedRecords() {
		name, _, err := dns.UnpackDomainName(rec.Owner, 0)
		if err != nil {
			t.Fatal(err)
		}
		h := dns.RR_Header{Name: name, Rrtype: rec.Type, Class: dns.ClassINET, Ttl: rec.TTL, Rdlength: uint16(len(rec.RData))}
		rr, _, err := dns.UnpackRRWithHeader(h, rec.RData, 0)
		if err != nil {
			t.Fatalf("%s %d: %v", name, rec.Type, err)
		}
		list = append(list, rr)
	}
	return list
}

// kinds are our names for the judge's kinds of answers.
var kinds = map[verify.Kind]Kind{
	verify.Positive: Positive, verify.Wildcard: Wildcard, verify.NoData: NoData, verify.NameError: NameError,
	verify.Referral: Referral, verify.Alias: Alias, verify.Overflow: Alias,
}

// judge asks a question with DO and judges the answer; without DO it has to say
// the same.
func (c *court) judge(t testing.TB, name string, typ uint16) error {
	q := &Query{Name: wire(t, name), Type: typ, Class: dns.ClassINET, EDNS: true, DO: true, UDPSize: 1232, MaxSize: 65535, Now: testNow}
	m, res := ask(t, c.zone, q)
	v, err := verify.Answer(m, c.trust)
	if err != nil {
		return fmt.Errorf("%w\n%v", err, m)
	}
	made := typ == dns.TypeRRSIG || typ == dns.TypeNSEC || typ == dns.TypeCNAME || typ == dns.TypeANY // what the two call it differs
	if kinds[v.Kind] != res.Kind && !made {
		return fmt.Errorf("%s %s is proven to be %v, and said to be %v\n%v", name, dns.Type(typ), kinds[v.Kind], res.Kind, m)
	}
	want := c.ref.Lookup(name, typ)
	if err := want.Check(m); err != nil {
		return fmt.Errorf("%s %s: %w\n%v", name, dns.Type(typ), err, m)
	}
	if typ != dns.TypeNSEC {
		c.cache.Learn(m)
	}
	q.DO = false
	plain, _ := ask(t, c.zone, q)
	if err := want.Check(plain); err != nil {
		return fmt.Errorf("%s %s without DO: %w\n%v", name, dns.Type(typ), err, plain)
	}
	return nil
}

// TestAppend_judged has every question to the zone with every corner judged.
func TestAppend_judged(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			s := corners(t, m)
			c := newCourt(t, s)
			for _, text := range append(questions(t), everyName(s)...) {
				q := query(t, text)
				name, _, _ := dns.UnpackDomainName(q.Name, 0)
				if err := c.judge(t, name, q.Type); err != nil {
					t.Error(err)
				}
			}
			if err := c.ref.Contradiction(c.cache); err != nil {
				t.Errorf("a resolver that believes all proofs: %v", err)
			}
		})
	}
}

// rootText is a zone of the root's shape.
const rootText = `. 86400 SOA a.root-servers.net. nstld.example. 1 1800 900 604800 86400
. 518400 NS a.root-servers.net.
. 518400 NS b.root-servers.net.
net. 172800 NS a.gtld-servers.net.
net. 86400 DS 1 13 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
com. 172800 NS a.gtld-servers.net.
com. 86400 DS 1 13 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
unsigned. 172800 NS ns.nic.unsigned.
ns.nic.unsigned. 172800 A 192.0.2.1
a.root-servers.net. 518400 A 192.0.2.2
a.root-servers.net. 518400 AAAA 2001:db8::2
b.root-servers.net. 518400 A 192.0.2.3
a.gtld-servers.net. 172800 A 192.0.2.4
`

// TestAppend_root has answers from a root zone judged. Priming queries get the
// addresses of the root's servers (RFC 9609 section 4.2).
func TestAppend_root(t *testing.T) {
	for _, m := range modes {
		s := signText(t, ".", rootText, m)
		c := newCourt(t, s)
		for _, name := range []string{".", "net.", "com.", "unsigned.", "www.unsigned.", "a.root-servers.net.", "nothing.", "a.nothing.", "*.", `\000.`, `\255.`, "zz."} {
			for _, typ := range []uint16{dns.TypeNS, dns.TypeSOA, dns.TypeDS, dns.TypeA, dns.TypeDNSKEY, dns.TypeNSEC, dns.TypeANY} {
				if err := c.judge(t, name, typ); err != nil {
					t.Errorf("%s: %v", m.name, err)
				}
			}
		}
		if err := c.ref.Contradiction(c.cache); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		priming, _ := ask(t, s, query(t, ". NS"))
		want := []string{"a.root-servers.net. A 192.0.2.2", "a.root-servers.net. AAAA 2001:db8::2", "b.root-servers.net. A 192.0.2.3"}
		if got := brief(priming.Extra); !slices.Equal(got, want) {
			t.Errorf("%s: priming: got %q, want %q", m.name, got, want)
		}
	}
}

// TestP8a_NoProofDeniesWhatExists feeds the proofs of many answers to a
// resolver that uses them for other questions (RFC 8198), and asks it for
// every name and type that exists.
func TestP8a_NoProofDeniesWhatExists(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for n := range 24 {
		octets := make([]byte, 600)
		for i := range octets {
			octets[i] = byte(r.Uint32())
		}
		if err := judgeRandom(t, modes[n%len(modes)], octets, 40); err != nil {
			t.Fatal(err)
		}
	}
}

// judgeRandom makes a zone and questions of random octets and has them judged.
func judgeRandom(t testing.TB, m mode, octets []byte, count int) error {
	choose := &choices{octets}
	text := choose.zone()
	rrs := parse(t, "example.org.", text)
	z, err := build(t, "example.org.", rrs)
	if err != nil {
		return fmt.Errorf("the zone is refused: %w\n%s", err, text)
	}
	c := newCourt(t, newTestSigner().zone(z, m))
	for range count {
		name, typ := choose.question(rrs)
		if err := c.judge(t, name, typ); err != nil {
			return fmt.Errorf("%s: %w\nin the zone\n%s", m.name, err, text)
		}
	}
	if err := c.ref.Contradiction(c.cache); err != nil {
		return fmt.Errorf("%s: a resolver that believes all proofs: %w\nin the zone\n%s", m.name, err, text)
	}
	return nil
}

// FuzzAppend has answers to random questions from random zones judged.
func FuzzAppend(f *testing.F) {
	for n := range modes {
		f.Add(byte(n), []byte("a zone and what is asked of it are made of these octets"))
	}
	f.Fuzz(func(t *testing.T, n byte, octets []byte) {
		if err := judgeRandom(t, modes[int(n)%len(modes)], octets, 12); err != nil {
			t.Fatal(err)
		}
	})
}

// TestAppend_insecure compares answers from zones that have gone insecure with
// the slow lookup, with DO and without: nothing of DNSSEC is in them.
func TestAppend_insecure(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 2))
	for range 12 {
		octets := make([]byte, 600)
		for i := range octets {
			octets[i] = byte(r.Uint32())
		}
		choose := &choices{octets}
		rrs := parse(t, "example.org.", choose.zone())
		z, err := build(t, "example.org.", rrs)
		if err != nil {
			t.Fatal(err)
		}
		c := newCourt(t, newTestSigner().zone(z, insecure))
		for range 40 {
			name, typ := choose.question(rrs)
			if err := c.unsigned(t, name, typ); err != nil {
				t.Fatalf("%v\nin the zone\n%v", err, rrs)
			}
		}
	}
	s := corners(t, insecure)
	c := newCourt(t, s)
	for _, text := range append(questions(t), everyName(s)...) {
		q := query(t, text)
		name, _, _ := dns.UnpackDomainName(q.Name, 0)
		if err := c.unsigned(t, name, q.Type); err != nil {
			t.Error(err)
		}
	}
}

// unsigned asks a question with and without DO and compares the answers with
// what is expected and with each other.
func (c *court) unsigned(t testing.TB, name string, typ uint16) error {
	q := &Query{Name: wire(t, name), Type: typ, Class: dns.ClassINET, EDNS: true, DO: true, UDPSize: 1232, MaxSize: 65535, Now: testNow}
	secure, _ := ask(t, c.zone, q)
	q.DO = false
	plain, _ := ask(t, c.zone, q)
	if a, b := summary(secure), summary(plain); a != b {
		return fmt.Errorf("%s %s: with DO\n%s\nwithout\n%s", name, dns.Type(typ), a, b)
	}
	if opt := secure.IsEdns0(); opt == nil || !opt.Do() {
		return fmt.Errorf("%s %s: the DO flag is not given back (RFC 3225 section 3)", name, dns.Type(typ))
	}
	if err := c.ref.Lookup(name, typ).Check(plain); err != nil {
		return fmt.Errorf("%s %s: %w\n%v", name, dns.Type(typ), err, plain)
	}
	for _, rr := range slices.Concat(secure.Answer, secure.Ns, secure.Extra) {
		switch h := rr.Header(); h.Rrtype {
		case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeDNSKEY:
			return fmt.Errorf("%s %s: %v from an unsigned zone", name, dns.Type(typ), rr)
		case dns.TypeDS:
			if typ != dns.TypeDS && typ != dns.TypeANY {
				return fmt.Errorf("%s %s: %v that was not asked for", name, dns.Type(typ), rr)
			}
		}
	}
	return nil
}
