package test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// apex is the beginning of every zone made here, relative to any origin. The
// name servers are in the zone and on this machine, so that no program that
// follows them gets further.
const apex = `$TTL 3600
@       IN SOA  ns1 hostmaster %d 7200 3600 259200 300
@       IN NS   ns1
@       IN NS   ns2
ns1     IN A    127.0.0.1
ns2     IN A    127.0.0.1
`

// plain is a small zone without corners.
func plain(serial int, more ...string) string {
	return fmt.Sprintf(apex, serial) + "www IN A 192.0.2.80\n" + strings.Join(more, "\n") + "\n"
}

// corners is a zone with every corner that a signer can cut, relative to its
// origin: each line is there for one of the probes below.
func corners(origin string, serial int) string {
	return fmt.Sprintf(apex, serial) + cornerRecords + longName(origin) + " IN A 192.0.2.250\n" + bigSet()
}

const cornerRecords = `
@           IN A      192.0.2.10
@           IN AAAA   2001:db8::10
@           IN MX     10 mail
@           IN TXT    "v=spf1 -all"
@           IN CAA    0 issue "ca.example.net"
mail        IN A      192.0.2.25
www         IN A      192.0.2.80
www         IN A      192.0.2.81
www         IN AAAA   2001:db8::80
MiXed.CaSe  IN TXT    "Mixed Case"
dup         IN A      192.0.2.7
dup         IN A      192.0.2.7
uneven 60   IN A      192.0.2.8
uneven 900  IN A      192.0.2.9
txtonly     IN TXT    "only text"
a.b.c.ent   IN A      192.0.2.20
*.wild      IN TXT    "wild"
*.wild      IN MX     10 mail
m.wild      IN A      192.0.2.30
under.sub.wild IN A   192.0.2.31
*.wc        IN CNAME  www
m.wc        IN A      192.0.2.32
x.*.entwc   IN A      192.0.2.33
m.entwc     IN A      192.0.2.34
*.wentbelow IN TXT    "beside an empty non-terminal"
e.f.wentbelow IN A    192.0.2.35
signed      IN NS     ns.signed
signed      IN DS     12345 13 2 4A1A0C0C8D8E1F1B5C3A2E6F7081920A1B2C3D4E5F60718293A4B5C6D7E8F901
ns.signed   IN A      192.0.2.40
unsigned    IN NS     ns.unsigned
unsigned    IN NS     ns.elsewhere.example.net.
ns.unsigned IN A      192.0.2.41
ns.unsigned IN AAAA   2001:db8::41
occluded.unsigned IN TXT "below a cut"
noglue      IN NS     ns.elsewhere.example.net.
u.under     IN NS     ns.elsewhere.example.net.
s.mixed     IN NS     ns.elsewhere.example.net.
s.mixed     IN DS     12346 13 2 5A1A0C0C8D8E1F1B5C3A2E6F7081920A1B2C3D4E5F60718293A4B5C6D7E8F901
u.mixed     IN NS     ns.elsewhere.example.net.
alias       IN CNAME  www
chain1      IN CNAME  chain2
chain2      IN CNAME  chain3
chain3      IN CNAME  www
loop1       IN CNAME  loop2
loop2       IN CNAME  loop1
self        IN CNAME  self
dangling    IN CNAME  nowhere
tonodata    IN CNAME  txtonly
towild      IN CNAME  some.wild
towildnodata IN CNAME other.wild
toent       IN CNAME  c.ent
tocut       IN CNAME  host.unsigned
todname     IN CNAME  a.moved
outside     IN CNAME  www.elsewhere.example.net.
moved       IN DNAME  target
moved       IN TXT    "beside a DNAME"
a.target    IN A      192.0.2.50
a\.b        IN A      192.0.2.60
nul\000x    IN A      192.0.2.61
sp\032ace   IN A      192.0.2.62
quo\"te     IN A      192.0.2.63
back\\slash IN A      192.0.2.64
hi\255gh    IN A      192.0.2.65
not\042wild IN A      192.0.2.66
aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg IN A 192.0.2.67
unknown     IN TYPE65400 \# 4 01020304
empty       IN TYPE65401 \# 0
svc         IN HTTPS  1 . alpn=h2
_sip._tcp   IN SRV    0 5 5060 mail
naptr       IN NAPTR  100 10 "u" "sip+E2U" "!^.*$!sip:info@example.net!" .
loc         IN LOC    51 30 12.748 N 0 7 39.612 W 0.00m
`

// longName returns a name that is, with its origin, 255 octets long.
func longName(origin string) string {
	room := 255 - wireLength(origin)
	var labels []string
	for room > 0 {
		n := min(room, 64)
		if room-n == 1 {
			n-- // no label has the length of 0
		}
		labels = append(labels, strings.Repeat("l", n-1))
		room -= n
	}
	return strings.Join(labels, ".")
}

func wireLength(name string) int {
	if name == "." {
		return 1
	}
	return len(dns.Fqdn(name)) + 1
}

// bigSet is an RRset that no UDP answer can hold.
func bigSet() string {
	var b strings.Builder
	for i := range 12 {
		fmt.Fprintf(&b, "big IN TXT \"%02d %s\"\n", i, strings.Repeat("x", 200))
	}
	return b.String()
}

// rootFile is the root zone as it once was, its DNSSEC records removed.
const rootFile = "../../shared/zones/root.zone"

// rootZone returns the root zone, or a zone of its shape where that file is
// missing: delegations with and without DS, glue in and out of the zone.
func rootZone(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(rootFile)
	if err == nil {
		return string(text)
	}
	var b strings.Builder
	b.WriteString(". 86400 IN SOA a.root-servers.net. nstld.example. 2017082100 1800 900 604800 86400\n")
	for c := range 13 {
		fmt.Fprintf(&b, ". 518400 IN NS %c.root-servers.net.\n", 'a'+c)
		fmt.Fprintf(&b, "%c.root-servers.net. 518400 IN A 192.0.2.%d\n", 'a'+c, c+1)
	}
	for i := range 1400 {
		tld := fmt.Sprintf("t%c%c%d", 'a'+i%26, 'a'+i/26%26, i)
		for n := range 4 {
			fmt.Fprintf(&b, "%s. 172800 IN NS ns%d.nic.%s.\n", tld, n, tld)
			fmt.Fprintf(&b, "ns%d.nic.%s. 172800 IN A 192.0.2.%d\n", n, tld, 1+i%250)
		}
		if i%10 != 0 {
			fmt.Fprintf(&b, "%s. 86400 IN DS %d 8 2 %064X\n", tld, i+1, i)
		}
	}
	return b.String()
}
