package denial

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

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

// withChain returns a zone with its denial and no signatures.
func withChain(t testing.TB, z *zone.Zone, d policy.Denial, salt []byte, prev *zone.Signed) *zone.Signed {
	t.Helper()
	s := &zone.Signed{Zone: z}
	for _, b := range z.Blocks() {
		s.Blocks = append(s.Blocks, &zone.SignedBlock{Block: b})
	}
	if d.NSEC3 {
		chain, err := Build(z, d, salt, prev)
		if err != nil {
			t.Fatal(err)
		}
		s.NSEC3 = chain
	}
	return s
}

const apex = "@ SOA ns host 1 2 3 4 5\n@ NS ns.example.net.\n"

// The names and hashes of RFC 5155 appendix A.
var rfc5155Hashes = map[string]string{
	"example":       "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
	"a.example":     "35mthgpgcu1qg68fab165klnsnk3dpvl",
	"ai.example":    "gjeqe526plbf1g8mklp59enfd789njgi",
	"ns1.example":   "2t7b4g4vsa5smi47k61mv5bv1a22bojr",
	"ns2.example":   "q04jkcevqvmu85r014c7dkba38o0ji5r",
	"w.example":     "k8udemvp1j2f7eg6jebps17vp3n8i58h",
	"*.w.example":   "r53bq7cc2uvmubfu5ocmm6pers9tk9en",
	"x.w.example":   "b4um86eghhds6nea196smvmlo4ors995",
	"y.w.example":   "ji6neoaepv8b5o6k4ev33abha8ht9fgc",
	"x.y.w.example": "2vptu5timamqttgl4luu9kg21e0aor3s",
	"xx.example":    "t644ebqk9bibcna874givr6joj62mlhv",
	"2t7b4g4vsa5smi47k61mv5bv1a22bojr.example": "kohar7mbb8dc2ce8a9qvl8hon4k53uhi",
}

var rfc5155Salt = []byte{0xaa, 0xbb, 0xcc, 0xdd}

func text(hash []byte) string { return strings.ToLower(base32.HexEncoding.EncodeToString(hash)) }

func TestHashName_RFC5155AppendixA(t *testing.T) {
	for name, want := range rfc5155Hashes {
		hash := HashName(wire(t, name), rfc5155Salt, 12)
		if got := text(hash[:]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestHashName_EqualsAnotherLibrary(t *testing.T) {
	for _, name := range []string{".", "example.org", strings.Repeat("abcdefg.", 31)} {
		for _, salt := range []string{"", "ab", strings.Repeat("0123456789abcdef", 31) + "0123456789abcd"} {
			for _, iterations := range []uint16{0, 1, 50} {
				raw := make([]byte, len(salt)/2)
				if _, err := fmt.Sscanf(salt, "%x", &raw); err != nil && salt != "" {
					t.Fatal(err)
				}
				hash := HashName(wire(t, name), raw, iterations)
				if got, want := text(hash[:]), strings.ToLower(dns.HashName(dns.Fqdn(name), dns.SHA1, iterations, salt)); got != want {
					t.Errorf("%s salt %q iterations %d: %s, want %s", name, salt, iterations, got, want)
				}
			}
		}
	}
}

func TestHashName_DoesNotAllocate(t *testing.T) {
	name := wire(t, "www.example.org")
	if n := testing.AllocsPerRun(100, func() { HashName(name, rfc5155Salt, 3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCheck(t *testing.T) {
	long := func(octets int) []byte { // a name of that many octets
		var b []byte
		for octets--; octets > 0; {
			n := min(octets, 64)
			if octets-n == 1 {
				n--
			}
			b = append(append(b, byte(n-1)), bytes.Repeat([]byte{'x'}, n-1)...)
			octets -= n
		}
		return append(b, 0)
	}
	tests := []struct {
		name   string
		origin []byte
		d      policy.Denial
		want   string
	}{
		{"nsec takes any", long(255), policy.Denial{}, ""},
		{"the longest that has room", long(222), policy.Denial{NSEC3: true}, ""},
		{"no room for a hash", long(223), policy.Denial{NSEC3: true}, "nsec3: the origin has 223 octets; 222 is the most"},
		{"iterations that are taken", long(5), policy.Denial{NSEC3: true, Iterations: 50}, ""},
		{"too many iterations", long(5), policy.Denial{NSEC3: true, Iterations: 51}, "nsec3: 51 iterations are more than 50"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if !zone.ValidWire(tc.origin) {
				t.Fatal("the origin is no name")
			}
			err := Check(tc.origin, tc.d)
			if (err == nil) != (tc.want == "") || err != nil && !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func BenchmarkHashName(b *testing.B) {
	name := wire(b, "www.example.org")
	b.ReportAllocs()
	for b.Loop() {
		HashName(name, nil, 0)
	}
}
