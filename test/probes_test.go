package test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// probe is a question to the zone of all corners, and what its answer must be.
type probe struct {
	what string
	name string // relative to the zone; "@" is the zone
	typ  string
	kind verify.Kind
	// want is what a validating resolver must conclude; empty where it would
	// have to go on to servers that do not exist, so that only the message
	// itself is judged.
	want verdict
}

var probes = []probe{
	{"exact", "www", "A", verify.Positive, secure},
	{"exact", "www", "AAAA", verify.Positive, secure},
	{"exact at the apex", "@", "SOA", verify.Positive, secure},
	{"exact at the apex", "@", "NS", verify.Positive, secure},
	{"exact at the apex", "@", "MX", verify.Positive, secure},
	{"exact at the apex", "@", "CAA", verify.Positive, secure},
	{"mixed case in the zone", "mixed.case", "TXT", verify.Positive, secure},
	{"mixed case in the question", "WwW", "A", verify.Positive, secure},
	{"duplicate records", "dup", "A", verify.Positive, secure},
	{"uneven TTLs", "uneven", "A", verify.Positive, secure},
	{"unknown type", "unknown", "TYPE65400", verify.Positive, secure},
	{"empty rdata", "empty", "TYPE65401", verify.Positive, secure},
	{"service binding", "svc", "HTTPS", verify.Positive, secure},
	{"SRV", "_sip._tcp", "SRV", verify.Positive, secure},
	{"NAPTR", "naptr", "NAPTR", verify.Positive, secure},
	{"too big for UDP", "big", "TXT", verify.Positive, secure},

	{"dot in a label", `a\.b`, "A", verify.Positive, secure},
	{"NUL in a label", `nul\000x`, "A", verify.Positive, secure},
	{"space in a label", `sp\032ace`, "A", verify.Positive, secure},
	{"quote in a label", `quo\"te`, "A", verify.Positive, secure},
	{"backslash in a label", `back\\slash`, "A", verify.Positive, secure},
	{"octet 255 in a label", `hi\255gh`, "A", verify.Positive, secure},
	{"asterisk in a label", `not\042wild`, "A", verify.Positive, secure},
	{"63 octets in a label", strings.Repeat("a", 10) + strings.Repeat("b", 10) + strings.Repeat("c", 10) +
		strings.Repeat("d", 10) + strings.Repeat("e", 10) + strings.Repeat("f", 10) + "ggg", "A", verify.Positive, secure},

	{"NODATA", "txtonly", "A", verify.NoData, secure},
	{"NODATA at the apex", "@", "SRV", verify.NoData, secure},
	{"NODATA at a DNAME", "moved", "A", verify.NoData, secure},
	{"NODATA of a meta type", "www", "TYPE65402", verify.NoData, secure},
	{"empty non-terminal", "ent", "A", verify.NoData, secure},
	{"empty non-terminal", "b.c.ent", "TXT", verify.NoData, secure},
	{"empty non-terminal above cuts", "mixed", "A", verify.NoData, secure},
	{"empty non-terminal above unsigned cuts", "under", "A", verify.NoData, secure},
	{"NXDOMAIN", "nope", "A", verify.NameError, secure},
	{"NXDOMAIN before all", "!", "A", verify.NameError, secure},
	{"NXDOMAIN after all", "zzz", "A", verify.NameError, secure},
	{"NXDOMAIN below a name", "deep.below.www", "A", verify.NameError, secure},
	{"NXDOMAIN below an empty non-terminal", "x.ent", "A", verify.NameError, secure},
	{"NXDOMAIN beside glue", "unsignee", "A", verify.NameError, secure},
	{"NXDOMAIN with NUL", `nul\000`, "A", verify.NameError, secure},
	{"NXDOMAIN with octet 255", `www\255`, "A", verify.NameError, secure},
	{"NXDOMAIN beside a dot in a label", "a.b", "A", verify.NameError, secure},

	{"wildcard", "some.wild", "TXT", verify.Wildcard, secure},
	{"wildcard, two labels down", "x.some.wild", "TXT", verify.Wildcard, secure},
	{"wildcard asked for itself", "*.wild", "TXT", verify.Positive, secure},
	{"wildcard NODATA", "x.wild", "A", verify.NoData, secure},
	{"wildcard CNAME", "x.wc", "A", verify.Positive, secure},
	{"wildcard at an empty non-terminal", "foo.entwc", "A", verify.NoData, secure},
	{"wildcard does not cover an empty non-terminal", "sub.wild", "TXT", verify.NoData, secure},
	{"wildcard does not cover below an existing name", "x.m.wild", "TXT", verify.NameError, secure},
	{"wildcard beside an empty non-terminal", "f.wentbelow", "TXT", verify.NoData, secure},

	{"DS at a signed cut", "signed", "DS", verify.Positive, secure},
	{"DS at an unsigned cut", "unsigned", "DS", verify.NoData, secure},
	{"DS at a cut without glue", "noglue", "DS", verify.NoData, secure},
	{"DS below an empty non-terminal", "u.mixed", "DS", verify.NoData, secure},
	{"DS at the apex", "@", "DS", verify.NoData, ""},
	{"DS at a name that is no cut", "www", "DS", verify.NoData, secure},
	{"DS of a missing name", "nope", "DS", verify.NameError, secure},
	{"referral, signed", "host.signed", "A", verify.Referral, ""},
	{"referral, signed, at the cut", "signed", "A", verify.Referral, ""},
	{"referral, unsigned", "host.unsigned", "A", verify.Referral, ""},
	{"referral, unsigned, at the cut", "unsigned", "NS", verify.Referral, ""},
	{"referral for glue", "ns.unsigned", "A", verify.Referral, ""},
	{"referral for occluded data", "occluded.unsigned", "TXT", verify.Referral, ""},
	{"referral below an empty non-terminal", "x.u.under", "A", verify.Referral, ""},

	{"CNAME", "alias", "A", verify.Positive, secure},
	{"CNAME asked for itself", "alias", "CNAME", verify.Positive, secure},
	{"CNAME chain", "chain1", "AAAA", verify.Positive, secure},
	{"CNAME to a missing name", "dangling", "A", verify.NameError, secure},
	{"CNAME to NODATA", "tonodata", "A", verify.NoData, secure},
	{"CNAME to an empty non-terminal", "toent", "A", verify.NoData, secure},
	{"CNAME to a wildcard", "towild", "TXT", verify.Wildcard, secure},
	{"CNAME to wildcard NODATA", "towildnodata", "A", verify.NoData, secure},
	{"CNAME to a DNAME", "todname", "A", verify.Positive, secure},
	{"CNAME below a cut", "tocut", "A", verify.Referral, ""},
	{"CNAME out of the zone", "outside", "A", verify.Alias, ""},
	{"CNAME to itself", "self", "A", verify.Alias, ""},
	{"CNAME loop", "loop1", "A", verify.Alias, ""},
	{"DNAME", "moved", "DNAME", verify.Positive, secure},
	{"DNAME redirects", "a.moved", "A", verify.Positive, secure},
	{"DNAME to a missing name", "b.moved", "A", verify.NameError, secure},
	{"DNAME to NODATA", "a.moved", "TXT", verify.NoData, secure},
	{"beside a DNAME", "moved", "TXT", verify.Positive, secure},

	{"ANY", "www", "ANY", verify.Positive, ""},
	{"ANY of a missing name", "nope", "ANY", verify.NameError, ""},
	{"NSEC asked for", "www", "NSEC", verify.Positive, ""},
	{"DNSKEY", "@", "DNSKEY", verify.Positive, secure},
	{"CDS", "@", "CDS", verify.NoData, secure},
	{"CDNSKEY", "@", "CDNSKEY", verify.NoData, secure},
}

// absolute returns a name relative to a zone as a whole name.
func absolute(name, zone string) string {
	switch {
	case name == "@":
		return zone
	case zone == ".":
		return name + "."
	}
	return name + "." + zone
}

// sweep are questions for every name that a transfer of the zone shows, each
// in several types, and for names that lie between them.
func sweep(t *testing.T, file, zone string, types ...uint16) []dns.Question {
	t.Helper()
	var owners []string
	for _, rr := range parse(t, file) {
		switch rr.Header().Rrtype {
		case dns.TypeRRSIG, dns.TypeNSEC3, dns.TypeSOA:
			continue
		}
		if !slices.Contains(owners, rr.Header().Name) {
			owners = append(owners, rr.Header().Name)
		}
	}
	var qs []dns.Question
	for _, o := range owners {
		for _, typ := range types {
			qs = append(qs, dns.Question{Name: o, Qtype: typ, Qclass: dns.ClassINET})
		}
		for _, between := range []string{`\000.` + o, "zz." + o, beside(o)} {
			if _, ok := dns.IsDomainName(between); ok && len(between) < 250 && between != o && dns.IsSubDomain(zone, between) {
				qs = append(qs, dns.Question{Name: between, Qtype: dns.TypeA, Qclass: dns.ClassINET})
			}
		}
	}
	return qs
}

// beside returns a name directly after a name's own place in its level.
func beside(name string) string {
	labels := dns.SplitDomainName(name)
	if len(labels) == 0 || len(labels[0]) > 60 {
		return name
	}
	labels[0] += "-"
	return dns.Fqdn(strings.Join(labels, "."))
}

// parse reads a zone file that dig wrote.
func parse(t *testing.T, file string) []dns.RR {
	t.Helper()
	var rrs []dns.RR
	zp := dns.NewZoneParser(open(t, file), "", file)
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		rrs = append(rrs, rr)
	}
	if err := zp.Err(); err != nil {
		t.Fatal(err)
	}
	return rrs
}

// trust is the zone's own keys, by which plugin/verify judges messages: it
// shares no code with what made them.
func trust(t *testing.T, addr, zone string) verify.Trust {
	t.Helper()
	tr := verify.Trust{Zone: wire(t, zone), Now: time.Now()}
	for _, k := range dnskeys(t, addr, zone) {
		tr.Keys = append(tr.Keys, rdata(t, k))
	}
	return tr
}

func wire(t *testing.T, name string) []byte {
	t.Helper()
	buf := make([]byte, 256)
	n, err := dns.PackDomainName(strings.ToLower(dns.Fqdn(name)), buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return buf[:n]
}

func rdata(t *testing.T, rr dns.RR) []byte {
	t.Helper()
	buf := make([]byte, dns.Len(rr)+16)
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	_, head, err := dns.UnpackDomainName(buf, 0)
	if err != nil {
		t.Fatal(err)
	}
	return buf[head+10 : n]
}
