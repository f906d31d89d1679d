package zone

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// rdataOf packs a record of some type.
func rdataOf(t *testing.T, typ, text string) (uint16, []byte) {
	t.Helper()
	rr, err := dns.NewRR("owner.example. 60 " + typ + " " + text)
	if err != nil {
		t.Fatalf("%s %s: %v", typ, text, err)
	}
	buf := make([]byte, 4096)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	return rr.Header().Rrtype, buf[end-int(rr.Header().Rdlength) : end]
}

// The types of RFC 4034 section 6.2, item 3, with the RDATA of each, names as NAME.
var loweredTypes = map[string]string{
	"NS": "NAME", "MD": "NAME", "MF": "NAME", "CNAME": "NAME", "SOA": "NAME NAME 1 2 3 4 5", "MB": "NAME", "MG": "NAME",
	"MR": "NAME", "PTR": "NAME", "MINFO": "NAME NAME", "MX": "10 NAME", "RP": "NAME NAME", "AFSDB": "1 NAME", "RT": "1 NAME",
	"SIG": "A 13 2 60 20300101000000 20200101000000 1 NAME AAAA", "PX": "1 NAME NAME", "NAPTR": `1 2 "U" "SIP+D2U" "!A!B!" NAME`,
	"KX": "1 NAME", "SRV": "1 2 3 NAME", "DNAME": "NAME",
}

// Types whose names keep their case: those that came later (RFC 3597 section 7).
var keptTypes = map[string]string{
	"TXT": `"NAME"`, "HINFO": `"NAME" "NAME"`, "SVCB": "1 NAME alpn=H2", "HTTPS": "0 NAME", "CAA": `0 issue "NAME"`,
	"IPSECKEY": "10 3 2 NAME AAAA", "LP": "10 NAME", "TALINK": "NAME NAME", "URI": `1 2 "NAME"`, "TYPE65280": `\# 4 014E5A00`,
}

func TestAppendCanonical_LowersTheNamesOfTheRFC(t *testing.T) {
	const mixed, plain = `WwW.Ex\065MPLE.Org.`, "www.example.org."
	for typ, text := range loweredTypes {
		number, rdata := rdataOf(t, typ, strings.ReplaceAll(text, "NAME", mixed))
		_, want := rdataOf(t, typ, strings.ReplaceAll(text, "NAME", plain))
		if got := AppendCanonical([]byte("x"), number, rdata); !bytes.Equal(got[1:], want) {
			t.Errorf("%s: got %q, want %q", typ, got[1:], want)
		}
	}
	for typ, text := range keptTypes {
		number, rdata := rdataOf(t, typ, strings.ReplaceAll(text, "NAME", mixed))
		if got := AppendCanonical(nil, number, rdata); !bytes.Equal(got, rdata) {
			t.Errorf("%s: got %q, want %q", typ, got, rdata)
		}
	}
}

// A6 (RFC 2874 section 3.1) and NXT (RFC 2535 section 5.2) are unknown to miekg/dns.
func TestAppendCanonical_OldTypes(t *testing.T) {
	for _, c := range []struct {
		name     string
		typ      uint16
		in, want string
	}{
		{"A6 with a prefix of 64", 38, "\x40ABCDEFGH\x01N\x00", "\x40ABCDEFGH\x01n\x00"},
		{"A6 with a prefix of 127", 38, "\x7fA\x01N\x00", "\x7fA\x01n\x00"},
		{"A6 with a prefix of 128", 38, "\x80\x01N\x00", "\x80\x01n\x00"},
		{"A6 without prefix", 38, "\x00ABCDEFGHIJKLMNOP", "\x00ABCDEFGHIJKLMNOP"},
		{"NXT", 30, "\x01N\x00AB", "\x01n\x00AB"},
	} {
		if got := string(AppendCanonical(nil, c.typ, []byte(c.in))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// RDATA that is not what its type says does no harm: the length stays, only
// letters change.
func FuzzAppendCanonical(f *testing.F) {
	for _, typ := range []uint16{TypeNS, TypeSOA, 15, 33, typeNAPTR, typeA6, 26, 14} {
		f.Add(typ, []byte("\x00\x01\x02AB\x00\x3fC\xc0\x01"))
	}
	f.Fuzz(func(t *testing.T, typ uint16, rdata []byte) {
		got := AppendCanonical(nil, typ, rdata)
		if !slices.EqualFunc(got, rdata, func(a, b byte) bool { return a == small(b) || a == b }) {
			t.Errorf("type %d: %x became %x", typ, rdata, got)
		}
		if again := AppendCanonical(nil, typ, got); !bytes.Equal(again, got) {
			t.Errorf("type %d: canonical form of %x is not stable", typ, rdata)
		}
	})
}

func TestAppendBitmap_AgreesWithMiekg(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	pool := []uint16{1, 2, 5, 6, 15, 16, 28, 39, 43, 46, 47, 48, 50, 51, 59, 60, 63, 64, 65, 255, 256, 257, 511, 512, 32768, 65280, 65535}
	for n := range 2000 {
		var types []uint16
		for range n % 20 {
			types = append(types, pool[r.IntN(len(pool))])
		}
		slices.Sort(types)
		types = slices.Compact(types)
		nsec := &dns.NSEC{
			Hdr:        dns.RR_Header{Name: ".", Rrtype: dns.TypeNSEC, Class: dns.ClassINET},
			NextDomain: ".", TypeBitMap: types,
		}
		buf := make([]byte, 20_000)
		end, err := dns.PackRR(nsec, buf, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		want := buf[end-int(nsec.Hdr.Rdlength)+1 : end]
		mixed := slices.Clone(types)
		r.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if got := AppendBitmap(nil, mixed); !bytes.Equal(got, want) {
			t.Fatalf("%v: got %x, want %x", types, got, want)
		}
	}
}

// The NSEC chain is one ring through every name that has one, apex to apex, and
// the bitmap of each says what is there.
func TestAppendNSEC_IsOneRing(t *testing.T) {
	z := mustBuild(t, randomText(rand.New(rand.NewPCG(33, 34)), 4000), nil)
	want := map[string]string{}
	for n, b := range z.Blocks() {
		for i := range b.Len() {
			if f := b.Flags(i); f&(Occluded|Empty) == 0 {
				types := []uint16{TypeRRSIG, TypeNSEC}
				for j, to := b.Sets(i); j < to; j++ {
					if typ := b.SetType(j); f&Cut == 0 || typ == TypeNS || typ == TypeDS {
						types = append(types, typ)
					}
				}
				slices.Sort(types)
				want[Text(z.AppendName(nil, Pos{n, i}))] = fmt.Sprint(types)
			}
		}
	}
	seen := 0
	for p := (Pos{}); ; seen++ {
		owner := z.AppendName(nil, p)
		rdata := z.AppendNSEC(nil, p)
		rr, _, err := dns.UnpackRRWithHeader(dns.RR_Header{Name: Text(owner), Rrtype: dns.TypeNSEC, Class: 1, Rdlength: uint16(len(rdata))}, rdata, 0)
		if err != nil {
			t.Fatal(err)
		}
		nsec := rr.(*dns.NSEC)
		if got := fmt.Sprint(nsec.TypeBitMap); got != want[Text(owner)] {
			t.Errorf("%s has types %s, want %s", Text(owner), got, want[Text(owner)])
		}
		next := z.AppendName(nil, z.NextNSEC(p))
		if nsec.NextDomain != Text(next) {
			t.Errorf("%s is followed by %s, want %s", Text(owner), nsec.NextDomain, Text(next))
		}
		if p = z.NextNSEC(p); p == (Pos{}) {
			break
		}
		if canonical(owner, next) >= 0 {
			t.Errorf("%s comes after %s", Text(next), Text(owner))
		}
	}
	if seen+1 != len(want) {
		t.Errorf("the ring has %d names, want %d", seen+1, len(want))
	}
}
