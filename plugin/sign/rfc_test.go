package sign

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// rfc4035Zone is the zone of RFC 4035 appendix A without what signing adds.
const rfc4035Zone = `$TTL 3600
@ SOA ns1 bugs.x.w 1081539377 3600 300 3600000 3600
@ NS ns1
@ NS ns2
@ MX 1 xx
a NS ns1.a
a NS ns2.a
a DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B
ns1.a A 192.0.2.5
ns2.a A 192.0.2.6
ai A 192.0.2.9
ai HINFO "KLH-10" "ITS"
ai AAAA 2001:db8::f00:baa9
b NS ns1.b
b NS ns2.b
ns1.b A 192.0.2.7
ns2.b A 192.0.2.8
ns1 A 192.0.2.1
ns2 A 192.0.2.2
*.w MX 1 ai
x.w MX 1 xx
x.y.w MX 1 xx
xx A 192.0.2.10
xx HINFO "KLH-10" "TOPS-20"
xx AAAA 2001:db8::f00:baaa
`

// chainText is the NSEC or NSEC3 chain of a zone: owner, next, types, and what
// of each name's other RRsets is signed.
func chainText(t *testing.T, s *zone.Signed) string {
	var b strings.Builder
	for r := range s.SignedRecords() {
		switch r := rr(t, r).(type) {
		case *dns.NSEC:
			b.WriteString(r.Hdr.Name + " " + r.NextDomain)
			for _, typ := range r.TypeBitMap {
				b.WriteString(" " + dns.Type(typ).String())
			}
			b.WriteByte('\n')
		case *dns.NSEC3:
			b.WriteString(r.Hdr.Name + " " + strings.ToLower(r.NextDomain))
			for _, typ := range r.TypeBitMap {
				b.WriteString(" " + dns.Type(typ).String())
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestSign_RFC4035AppendixA(t *testing.T) {
	s, _ := signed(t, input(t, build(t, "example", rfc4035Zone, nil), policy.ED25519))
	want := `example. a.example. NS SOA MX RRSIG NSEC DNSKEY
a.example. ai.example. NS DS RRSIG NSEC
ai.example. b.example. A HINFO AAAA RRSIG NSEC
b.example. ns1.example. NS RRSIG NSEC
ns1.example. ns2.example. A RRSIG NSEC
ns2.example. *.w.example. A RRSIG NSEC
*.w.example. x.w.example. MX RRSIG NSEC
x.w.example. x.y.w.example. MX RRSIG NSEC
x.y.w.example. xx.example. MX RRSIG NSEC
xx.example. example. A HINFO AAAA RRSIG NSEC
`
	if got := chainText(t, s); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	labels := map[string]uint8{"example.": 1, "a.example.": 2, "*.w.example.": 2, "x.y.w.example.": 4}
	for r := range s.SignedRecords() {
		if sig, ok := rr(t, r).(*dns.RRSIG); ok {
			if want := labels[sig.Hdr.Name]; want != 0 && sig.Labels != want || sig.OrigTtl != 3600 || sig.SignerName != "example." {
				t.Errorf("%v: want %d labels", sig, want)
			}
		}
	}
}

func TestSign_RFC5155AppendixA(t *testing.T) {
	text := strings.NewReplacer("1081539377", "1", "57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B",
		"58470 5 1 3079F1593EBAD6DC121E202A8B766A6A4837206C", "\nb NS", "\nc NS", ".b", ".c").Replace(rfc4035Zone) +
		"2t7b4g4vsa5smi47k61mv5bv1a22bojr A 192.0.2.127\n"
	in := input(t, build(t, "example", text, nil), policy.ED25519)
	in.Denial = policy.Denial{NSEC3: true, OptOut: true, SaltLength: 4, Iterations: 12}
	in.Salt = []byte{0xaa, 0xbb, 0xcc, 0xdd}
	s, _ := signed(t, in)
	want := `0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA MX RRSIG DNSKEY NSEC3PARAM
2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
2vptu5timamqttgl4luu9kg21e0aor3s.example. 35mthgpgcu1qg68fab165klnsnk3dpvl MX RRSIG
35mthgpgcu1qg68fab165klnsnk3dpvl.example. b4um86eghhds6nea196smvmlo4ors995 NS DS RRSIG
b4um86eghhds6nea196smvmlo4ors995.example. gjeqe526plbf1g8mklp59enfd789njgi MX RRSIG
gjeqe526plbf1g8mklp59enfd789njgi.example. ji6neoaepv8b5o6k4ev33abha8ht9fgc A HINFO AAAA RRSIG
ji6neoaepv8b5o6k4ev33abha8ht9fgc.example. k8udemvp1j2f7eg6jebps17vp3n8i58h
k8udemvp1j2f7eg6jebps17vp3n8i58h.example. kohar7mbb8dc2ce8a9qvl8hon4k53uhi
kohar7mbb8dc2ce8a9qvl8hon4k53uhi.example. q04jkcevqvmu85r014c7dkba38o0ji5r A RRSIG
q04jkcevqvmu85r014c7dkba38o0ji5r.example. r53bq7cc2uvmubfu5ocmm6pers9tk9en A RRSIG
r53bq7cc2uvmubfu5ocmm6pers9tk9en.example. t644ebqk9bibcna874givr6joj62mlhv MX RRSIG
t644ebqk9bibcna874givr6joj62mlhv.example. 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A HINFO AAAA RRSIG
`
	if got := chainText(t, s); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if param, _ := s.ApexSet(zone.TypeNSEC3PARAM); hex.EncodeToString(param.Data[2:]) != "0100000c04aabbccdd" {
		t.Errorf("NSEC3PARAM %x", param.Data)
	}
	for r := range s.SignedRecords() {
		if n, ok := rr(t, r).(*dns.NSEC3); ok && (n.Flags != 1 || n.Iterations != 12 || n.Salt != "aabbccdd" || n.Hdr.Ttl != 3600) {
			t.Error(n)
		}
	}
}

// RFC 4034 section 4.3: the wire form of an NSEC record.
func TestSign_RFC4034NSECExample(t *testing.T) {
	z := build(t, "example.com", `@ 86400 SOA ns1 host 1 2 3 4 86400
@ 86400 NS ns1
alfa 86400 A 192.0.2.1
alfa 86400 MX 1 alfa
alfa 86400 TYPE1234 \# 1 00
host 86400 A 192.0.2.2
`, nil)
	s, _ := signed(t, input(t, z, policy.ED25519))
	for r := range s.SignedRecords() {
		if r.Type == zone.TypeNSEC && strings.HasPrefix(string(r.Owner), "\x04alfa") {
			want := "04686f7374076578616d706c6503636f6d00" + "0006400100000003" + "041b" + strings.Repeat("00", 26) + "20"
			if got := hex.EncodeToString(r.RData); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			return
		}
	}
	t.Error("no NSEC at alfa.example.com")
}

// RFC 8080 section 6.1: an MX record, its key, and its signature.
func TestSign_RFC8080Example(t *testing.T) {
	seed, err := base64.StdEncoding.DecodeString("ODIyNjAzODQ2MjgwODAxMjI2NDUxOTAyMDQxNDIyNjI=")
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	k, err := key.New(policy.KSK, policy.ED25519, private.Public())
	if err != nil {
		t.Fatal(err)
	}
	z := build(t, "example.com", "@ 3600 SOA ns host 1 2 3 4 5\n@ 3600 NS ns\n@ 3600 MX 10 mail\n", nil)
	e := &engine{plan: &Plan{in: Input{Keys: []Key{NewKey(k, true, private)}}, origin: z.Origin()}}
	e.owner(nil)
	mx, _ := z.ApexSet(dns.TypeMX)
	e.set(mx)
	sig := zone.Sig{Inception: 1438207200, Expiration: 1440021600}
	if err := e.sign(&sig, dns.TypeMX, 2, 3600); err != nil {
		t.Fatal(err)
	}
	want := "oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg=="
	if got := base64.StdEncoding.EncodeToString(sig.Raw); k.Tag != 3613 || got != want {
		t.Errorf("key %d: got\n%s, want\n%s", k.Tag, got, want)
	}
}

// RFC 6979 appendix A.2.5 with SHA-256 and the message "sample".
func TestSign_RFC6979Example(t *testing.T) {
	private := scalarKey(t, "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
	k, err := key.New(policy.ZSK, policy.ECDSAP256SHA256, private.Public())
	if err != nil {
		t.Fatal(err)
	}
	signing := NewKey(k, true, private)
	e := &engine{data: []byte("sample")}
	raw, err := e.raws(&signing)
	if err != nil {
		t.Fatal(err)
	}
	want := "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
	if got := hex.EncodeToString(raw); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConcatenated_OnlyTwoNumbersOfTheRightSize(t *testing.T) {
	tests := []struct{ der, want string }{
		{"3006020101020102", "00010002"},
		{"3008020200ff020200fe", "00ff00fe"},
		{"30080202ffff02020101", "ffff0101"},
		{"300a02040001020302020101", ""}, // too long
		{"300602010102010200", ""},
		{"3006020101020202", ""},
		{"3003020101", ""},
		{"3009020101020102020103", ""},
		{"3106020101020102", ""},
		{"", ""},
	}
	for _, tc := range tests {
		der, err := hex.DecodeString(tc.der)
		if err != nil {
			t.Fatal(err)
		}
		got, err := concatenated(make([]byte, 4), der)
		if hex.EncodeToString(got) != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%s: %x, %v", tc.der, got, err)
		}
	}
}
