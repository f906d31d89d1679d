package sign

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// judges are programs by other hands that say whether a signed zone is right.
// One that is not installed is a failure.
var judges = []struct {
	name string
	args func(origin, file string) []string
}{
	{"dnssec-verify", func(origin, file string) []string { return []string{"-z", "-o", origin, file} }}, // -z: CSKs are keys too
	{"ldns-verify-zone", func(_, file string) []string { return []string{file} }},
	{"kzonecheck", func(origin, file string) []string { return []string{"-d", "on", "-o", origin, file} }},
	{"validns", func(origin, file string) []string { return []string{"-z", origin, file} }},
}

// corner is a zone with something in it that signers get wrong.
type corner struct {
	name, origin, text string
	insecure           bool   // it has delegations without DS
	unread             string // judges that cannot read all of it
}

// fit reports whether a judge knows what is in a zone.
func (c corner) fit(judge string, alg policy.Algorithm, d policy.Denial) bool {
	switch {
	case strings.Contains(c.unread, judge):
		return false
	case judge == "validns": // it knows no algorithm after RSA, and no root zone
		return alg.RSA() && c.origin != "."
	case judge == "ldns-verify-zone": // its manual: it errs on opted-out delegations
		return !d.OptOut || !c.insecure
	}
	return true
}

// corners are the zones that every judge sees.
func corners(t *testing.T) []corner {
	away := strings.Replace(apex, "NS ns.example.org.", "NS ns.example.net.", 1) // kzonecheck wants addresses of servers in the zone
	l63 := strings.Repeat("a", 62) + "b"
	return []corner{
		{"plain", "example.org.", away + "ns A 192.0.2.1\nwww A 192.0.2.2\nwww A 192.0.2.3\nwww TXT \"a\"\nm MX 10 mail.example.net.\n", false, ""},
		{"only an apex", "example.org.", away, false, ""},
		{"delegations", "example.org.", away + `ns A 192.0.2.1
sub NS ns.sub
sub DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
ns.sub A 192.0.2.4
ns.sub AAAA 2001:db8::1
lame NS ns.lame
ns.lame A 192.0.2.8
x.ns.lame A 192.0.2.9
deep.a.b.c NS ns.example.net.
z.deep A 192.0.2.5
`, true, ""},
		{"wildcards and empty non-terminals", "example.org.", away + `* TXT "all"
*.w A 192.0.2.1
*.ent.x.y A 192.0.2.3
a.b.c.d.e A 192.0.2.4
c.d.e A 192.0.2.5
`, false, ""},
		{"names below wildcards", "example.org.", away + `*.w A 192.0.2.1
a.*.w A 192.0.2.2
below.*.q TXT "the wildcard is empty"
*.*.*.r A 192.0.2.2
`, false, "validns"},
		{"aliases", "example.org.", away + `c CNAME www
www A 192.0.2.2
*.c2 CNAME www
d DNAME example.net.
d A 192.0.2.7
`, false, ""},
		{"occluded", "example.org.", away + `d DNAME example.net.
x.d A 192.0.2.9
y.x.d TXT "gone"
sub NS ns.sub
ns.sub A 192.0.2.4
txt.sub TXT "gone"
cut.sub NS ns.sub
`, true, "validns"},
		{"odd names", "example.org.", away + `\000 A 192.0.2.1
\000a A 192.0.2.1
\001 A 192.0.2.1
a\000b A 192.0.2.1
a\.b A 192.0.2.1
a.b A 192.0.2.2
\255\254 A 192.0.2.1
sp\032ce A 192.0.2.1
\* A 192.0.2.1
a\*b A 192.0.2.1
UPPER.Case A 192.0.2.1
z\\\" A 192.0.2.1
_sip._tcp SRV 1 2 3 Target.Example.ORG.
`, false, "validns"},
		{"an at sign in a label", "example.org.", away + "\\@ A 192.0.2.1\n", false, "validns ldns-verify-zone"}, // which errs on BIND's signed zone too
		{"long names", "example.org.", away + l63 + " A 192.0.2.1\n" +
			strings.Join([]string{strings.Repeat("c", 49), l63, l63, l63}, ".") + " A 192.0.2.2\n" +
			strings.Repeat("x.", 120) + "x A 192.0.2.3\n", false, "validns"},
		{"types", "example.org.", away + `u TYPE65400 \# 3 ABCDEF
u TYPE65401 \# 0
u TYPE731 \# 1 00
u TYPE1 \# 4 C0000201
caa CAA 0 issue "ca.example"
svc HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1
tlsa TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
ptr PTR A.Example.ORG.
naptr NAPTR 100 50 "s" "http" "" Target.Example.ORG.
rp RP Mbox.Example.ORG. Txt.Example.ORG.
loc LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
ssh SSHFP 1 1 0000000000000000000000000000000000000000
h HINFO "a" "b"
afs AFSDB 1 Host.Example.ORG.
kx KX 1 Host.Example.ORG.
txt TXT "" "x" "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
txt 7 A 192.0.2.1
`, false, "validns"},
		{"root", ".", rootShaped(), true, ""},
	}
}

// rootShaped is a zone like the root's: delegations, most of them signed, and glue.
func rootShaped() string {
	var b strings.Builder
	b.WriteString("@ 86400 SOA a.servers.example. host.example. 2026112300 1800 900 604800 86400\n@ 518400 NS a.servers.example.\n")
	for n := range 300 {
		fmt.Fprintf(&b, "tld%d 172800 NS ns.nic.tld%d.\nns.nic.tld%d 172800 A 192.0.2.1\n", n, n, n)
		if n%10 != 0 {
			fmt.Fprintf(&b, "tld%d 86400 DS %d 13 2 %064X\n", n, n, n)
		}
	}
	b.WriteString("servers.example 86400 TXT deep\na.servers.example 3600 A 192.0.2.1\n")
	return b.String()
}

var denials = []policy.Denial{
	{},
	{NSEC3: true},
	{NSEC3: true, SaltLength: 8, Iterations: 5},
	{NSEC3: true, OptOut: true},
}

// writeZone writes the records of a signed zone as a zone file.
func writeZone(t testing.TB, s *zone.Signed) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "zone")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for r := range s.SignedRecords() {
		// miekg/dns writes the class of unknown types as RFC 3597 has it, which kzonecheck does not read.
		fmt.Fprintln(w, strings.Replace(rr(t, r).String(), "\tCLASS1\t", "\tIN\t", 1))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func judge(t *testing.T, s *zone.Signed, alg policy.Algorithm, d policy.Denial, c corner) {
	t.Helper()
	file := writeZone(t, s)
	for _, j := range judges {
		if !c.fit(j.name, alg, d) {
			continue
		}
		if out, err := exec.CommandContext(t.Context(), j.name, j.args(c.origin, file)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", j.name, err, tail(string(out), 10))
		}
	}
}

func tail(s string, lines int) string {
	list := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(list[max(0, len(list)-lines):], "\n")
}

func TestSign_OutsideJudgesAccept(t *testing.T) {
	others := []policy.Algorithm{policy.ECDSAP256SHA256, policy.RSASHA512, policy.ECDSAP384SHA384, policy.ED25519}
	for n, c := range corners(t) {
		z := build(t, c.origin, c.text, nil)
		for m, d := range denials {
			algorithms := []policy.Algorithm{others[(n+m)%len(others)]}
			if c.fit("validns", policy.RSASHA256, d) {
				algorithms = append(algorithms, policy.RSASHA256)
			}
			for _, alg := range algorithms {
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, d, alg), func(t *testing.T) {
					t.Parallel()
					judge(t, signedNow(t, z, alg, d), alg, d, c)
				})
			}
		}
	}
}

// signedNow signs a zone at the present moment, which is what the judges go by.
func signedNow(t *testing.T, z *zone.Zone, alg policy.Algorithm, d policy.Denial) *zone.Signed {
	in := input(t, z, alg)
	in.Now = time.Now()
	in.Denial = d
	for n := range d.SaltLength {
		in.Salt = append(in.Salt, byte(0xa0+n))
	}
	s, _ := signed(t, in)
	return s
}

func TestSign_OutsideJudgesAcceptTheRootZone(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "zones", "root.zone"))
	if err != nil {
		text = []byte(rootShaped())
	}
	z := build(t, ".", string(text), nil)
	for _, d := range denials {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			judge(t, signedNow(t, z, policy.RSASHA256, d), policy.RSASHA256, d, corner{origin: ".", insecure: true})
		})
	}
}

// Two algorithms: every judge wants every RRset signed with both.
func TestSign_OutsideJudgesAcceptTwoAlgorithms(t *testing.T) {
	z := build(t, "example.org", apex+"ns A 192.0.2.1\nsub NS ns\n", nil)
	in := input(t, z, policy.ECDSAP256SHA256)
	in.Now = time.Now()
	in.Keys = append(in.Keys, newKey(t, policy.KSK, policy.ED25519, "ksk"), newKey(t, policy.ZSK, policy.ED25519, "zsk"))
	in.DNSKEYSigners = []int{0, 2}
	in.Generations[0].ZoneSigners = []int{1, 3}
	s, _ := signed(t, in)
	judge(t, s, policy.ECDSAP256SHA256, policy.Denial{}, corner{origin: "example.org."})
}

func TestSign_OutsideJudgesAcceptACSK(t *testing.T) {
	z := build(t, "example.org", apex+"ns A 192.0.2.1\nsub NS ns\n", nil)
	in := input(t, z, policy.ECDSAP256SHA256)
	in.Now = time.Now()
	in.Keys = []Key{newKey(t, policy.CSK, policy.ECDSAP256SHA256, "csk")}
	in.DNSKEYSigners, in.Generations[0].ZoneSigners = []int{0}, []int{0}
	s, _ := signed(t, in)
	judge(t, s, policy.ECDSAP256SHA256, policy.Denial{}, corner{origin: "example.org."})
}
