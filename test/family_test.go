package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// family is parents and children on one server, eldest first.
type family struct {
	name     string
	zones    []string
	together bool // in one server block
}

var families = []family{
	{"one block", []string{"example.org.", "sub.example.org."}, true},
	{"separate blocks", []string{"example.org.", "sub.example.org."}, false},
	{"the root as parent", []string{".", "org."}, false},
	{"three levels", []string{"org.", "example.org.", "sub.example.org."}, false},
	{"three levels, one block", []string{"org.", "example.org.", "sub.example.org."}, true},
	{"a grandchild without its parent", []string{"org.", "sub.example.org."}, false},
}

func (f family) corefile() string {
	var b strings.Builder
	for _, z := range f.zones {
		if !f.together {
			b.WriteString(block(z, "db."+z))
			continue
		}
		fmt.Fprintf(&b, "    file db.%s %s {\n        reload 200ms\n    }\n", z, z)
	}
	if !f.together {
		return b.String()
	}
	return strings.Join(f.zones, ":PORT ") + ":PORT {\n    bind 127.0.0.1\n    autosign {\n        parent none\n    }\n" +
		"    transfer {\n        to *\n    }\n    errors\n" + b.String() + "}\n"
}

// child returns the zone directly below zones[i], or "".
func (f family) child(i int) string {
	if i+1 < len(f.zones) {
		return f.zones[i+1]
	}
	return ""
}

// TestFamily_ChainOfTrust signs each family twice: first without DS records,
// when every child must be provably insecure, then with the DS records that
// autosign itself wrote, when all must be secure from the eldest's key alone.
func TestFamily_ChainOfTrust(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for i, z := range f.zones {
				write(t, dir, map[string]string{"db." + z: f.zoneText(z, f.child(i), 1, "")})
			}
			s := start(t, dir, f.corefile())
			serials := map[string]uint32{}
			for _, z := range f.zones {
				serials[z] = s.signed(t, z)
			}
			f.check(t, s, insecure)
			for i, z := range f.zones[:len(f.zones)-1] {
				write(t, dir, map[string]string{"db." + z: f.zoneText(z, f.child(i), 10, dsset(t, dir, f.child(i)))})
				s.signedAfter(t, z, serials[z])
			}
			f.check(t, s, secure)
			for _, z := range f.zones {
				verifyFile(t, z, axfr(t, s.addr, z))
			}
		})
	}
}

// zoneText is a zone with a delegation to its child.
func (f family) zoneText(zone, child string, serial int, ds string) string {
	text := plain(serial)
	if child != "" {
		text += child + " IN NS ns1." + child + "\nns1." + child + " IN A 127.0.0.1\n" + ds
	}
	return "$ORIGIN " + zone + "\n" + text
}

// check asks a resolver that trusts the eldest zone's keys alone.
func (f family) check(t *testing.T, s *server, want verdict) {
	t.Helper()
	var ups []upstream
	for i, z := range f.zones {
		ups = append(ups, upstream{z, s.addr, i == 0})
	}
	u := newUnbound(t, false, ups...)
	for i, z := range f.zones {
		expect := want
		if i == 0 {
			expect = secure
		}
		for _, name := range []string{absolute("www", z), absolute("nope", z), z} {
			if got, msg := u.ask(t, name, dns.TypeA); got != expect {
				t.Errorf("%s A: unbound says %s, want %s\n%v", name, got, expect, msg)
			}
		}
		if i > 0 {
			f.checkDS(t, s, f.zones[i-1], z, want)
		}
	}
	checkEldestDS(t, s, f.zones[0])
}

// checkDS asks the server itself for the DS set of a child: the parent answers,
// with or without EDNS, whichever server block the question comes to.
func (f family) checkDS(t *testing.T, s *server, parent, child string, want verdict) {
	t.Helper()
	r := ask(t, s.addr, child, dns.TypeDS, true)
	ds, signer := 0, ""
	for _, rr := range append(r.Answer, r.Ns...) {
		switch rr := rr.(type) {
		case *dns.DS:
			ds++
		case *dns.RRSIG:
			signer = rr.SignerName
		}
	}
	if signer != parent || !r.Authoritative || (ds > 0) != (want == secure) {
		t.Errorf("DS %s: %d records, signed by %q, want those of %s\n%v", child, ds, signer, parent, r)
	}
	if bare := ask(t, s.addr, child, dns.TypeDS, false); bare.Rcode != r.Rcode || len(bare.Answer) != ds {
		t.Errorf("DS %s without EDNS: %v", child, bare)
	}
}

// checkEldestDS: nobody here has the eldest's parent, so the zone answers that
// its own apex has none.
func checkEldestDS(t *testing.T, s *server, zone string) {
	t.Helper()
	r := ask(t, s.addr, zone, dns.TypeDS, true)
	if r.Rcode != dns.RcodeSuccess || len(r.Answer) != 0 || len(r.Ns) == 0 {
		t.Errorf("DS %s: %v", zone, r)
	}
}

// dsset returns the DS records that autosign wrote beside the keys of a zone.
func dsset(t *testing.T, dir, zone string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "keys", "dsset-"+zone))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "DS"); n < 2 {
		t.Fatalf("%d DS records of %s:\n%s", n, zone, text)
	}
	return string(text)
}
