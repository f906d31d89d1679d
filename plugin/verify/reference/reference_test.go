package reference

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const zone = `$ORIGIN example.org.
@         60 IN SOA ns a 1 2 3 4 5
@         60 IN NS ns
ns        60 IN A 192.0.2.1
*.w       60 IN TXT "wildcard"
x.y.w     60 IN A 192.0.2.2
a.*.star  60 IN A 192.0.2.3
www       60 IN CNAME ns
round     60 IN CNAME round
out       60 IN CNAME example.net.
sub       60 IN NS ns.sub
ns.sub    60 IN A 192.0.2.4
sub2      60 IN NS ns
sub2      60 IN DS 1 13 2 00
dn        60 IN DNAME w
`

func parse(t *testing.T, text string) []dns.RR {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader(text), "example.org.", "")
	var list []dns.RR
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		list = append(list, rr)
	}
	if zp.Err() != nil {
		t.Fatal(zp.Err())
	}
	return list
}

// TestLookup goes through the cases of RFC 1034 section 4.3.2, RFC 4592 and RFC 6672.
func TestLookup(t *testing.T) {
	z := New("example.org.", parse(t, zone))
	for _, test := range []struct {
		name, typ string
		kind      Kind
		end       string
		chain     int
		wildcard  bool
	}{
		{"ns", "A", Answer, "ns", 0, false},
		{"NS", "A", Answer, "ns", 0, false},
		{"ns", "TXT", NoData, "ns", 0, false},
		{"no", "A", NameError, "no", 0, false},
		{"w", "TXT", NoData, "w", 0, false},
		{"made.up.w", "TXT", Answer, "made.up.w", 0, true},
		{"made.up.w", "A", NoData, "made.up.w", 0, true},
		{"*.w", "TXT", Answer, "*.w", 0, false},
		{"y.w", "TXT", NoData, "y.w", 0, false},
		{"z.y.w", "TXT", NameError, "z.y.w", 0, false},
		{"b.star", "A", NoData, "b.star", 0, true},
		{"www", "A", Answer, "ns", 1, false},
		{"www", "CNAME", Answer, "www", 0, false},
		{"round", "A", Loop, "round", 1, false},
		{"out", "A", Outside, "", 1, false},
		{"sub", "A", Referral, "sub", 0, false},
		{"x.sub", "DS", Referral, "x.sub", 0, false},
		{"sub", "DS", NoData, "sub", 0, false},
		{"sub2", "DS", Answer, "sub2", 0, false},
		{"dn", "A", NoData, "dn", 0, false},
		{"q.dn", "TXT", Answer, "q.w", 2, true},
	} {
		e := z.Lookup(test.name+".example.org.", dns.StringToType[test.typ])
		end := ParseName("example.net.")
		if test.end != "" {
			end = ParseName(test.end + ".example.org.")
		}
		if e.Kind != test.kind || e.Name.compare(end) != 0 || len(e.Chain) != test.chain || e.Wildcard != test.wildcard {
			t.Errorf("%s %s: %s at %s after %d records, wildcard %v; want %+v", test.name, test.typ, e.Kind, e.Name, len(e.Chain), e.Wildcard, test)
		}
	}
}

// TestContradiction_P8a: a proof that denies what exists is found.
func TestContradiction_P8a(t *testing.T) {
	for _, test := range []struct{ name, proof, want string }{
		{"right", "*.w.example.org. 5 IN NSEC x.y.w.example.org. TXT RRSIG NSEC", ""},
		{"the wildcard's types", "*.w.example.org. 5 IN NSEC x.y.w.example.org. A RRSIG NSEC", "*.w.example.org. has TXT"},
		{"a name skipped", "ns.example.org. 5 IN NSEC sub.example.org. A RRSIG NSEC", "but: NSEC of ns.example.org."},
		{"a name under a delegation", "sub.example.org. 5 IN NSEC sub2.example.org. NS RRSIG NSEC", ""},
		{"a name after glue", "ns.sub.example.org. 5 IN NSEC w.example.org. A RRSIG NSEC", "sub2.example.org."},
	} {
		z, c := New("example.org.", parse(t, zone)), NewCache("example.org.")
		apex := "example.org. 5 IN NSEC dn.example.org. NS SOA RRSIG NSEC"
		c.Learn(&dns.Msg{Ns: parse(t, test.proof+"\n"+apex+"\n")})
		err := z.Contradiction(c)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}
