package verify

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// corners is a zone with what signers get wrong.
const corners = `$ORIGIN example.org.
$TTL 3600
@            IN SOA ns1 hostmaster 2024010101 7200 3600 1209600 300
@            IN NS  ns1
@            IN NS  NS2.Example.ORG.
@            IN MX  10 Mail
@            IN TXT "apex" "two strings"
ns1          IN A   192.0.2.1
ns2          IN AAAA 2001:db8::2
Mail         IN A   192.0.2.3
mail         IN A   192.0.2.4
www          IN CNAME mail
out          IN CNAME www.example.net.
*.w          IN TXT "wildcard"
x.y.w        IN A   192.0.2.5
*.wc         IN CNAME mail
a.b.c.ent    IN TXT "under empty non-terminals"
*.wild.ent2  IN A   192.0.2.6
deep.*.star  IN A   192.0.2.7
sec          IN NS  ns.sec
sec          IN DS  12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ns.sec       IN A   192.0.2.8
insec        IN NS  ns.insec
insec        IN NS  ns1
ns.insec     IN A   192.0.2.9
ns.insec     IN AAAA 2001:db8::9
in.ent3      IN NS  ns1
both.ent4    IN NS  ns1
txt.ent4     IN TXT "beside an unsigned delegation"
s.ent5       IN NS  ns1
s.ent5       IN DS  4711 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
dn           IN DNAME other.example.net.
dn           IN TXT "beside a DNAME"
srv          IN SRV 1 2 53 NS1
naptr        IN NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:a@b!" .
rp           IN RP  Box.Example.ORG. Text.Example.org.
unknown      IN TYPE65280 \# 4 0a000001
high         IN TYPE1234 \# 2 abcd
high         IN CAA 0 issue "ca.example.net"
\000nul      IN TXT "nul"
a\.dot       IN TXT "dot"
\200         IN TXT "octet"
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa IN TXT "63"
zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz IN TXT "63"
`

var exampleOrg = []byte("\x07example\x03org\x00")

// wire returns a record in wire form.
func wire(t testing.TB, rr dns.RR) Record {
	t.Helper()
	buf := make([]byte, 70000)
	rr.Header().Rdlength = 0
	n, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		t.Fatalf("%v: %v", rr, err)
	}
	_, nameEnd, err := dns.UnpackDomainName(buf, 0)
	if err != nil {
		t.Fatal(err)
	}
	return Record{Owner: bytes.Clone(buf[:nameEnd]), Type: rr.Header().Rrtype, TTL: rr.Header().Ttl, RData: bytes.Clone(buf[nameEnd+10 : n])}
}

// parseZone reads zone file text into records in canonical order.
func parseZone(t testing.TB, origin, text string) []Record {
	t.Helper()
	zp := dns.NewZoneParser(strings.NewReader(text), origin, "")
	var list []Record
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		list = append(list, wire(t, rr))
	}
	if err := zp.Err(); err != nil {
		t.Fatal(err)
	}
	sortRecords(list)
	return list
}

func sortRecords(list []Record) {
	slices.SortStableFunc(list, func(a, b Record) int { return compare(lowered(a.Owner), lowered(b.Owner)) })
}

// run runs a program in dir and returns what it prints.
func run(t testing.TB, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	out, err := run(t, dir, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// installed makes sure that the programs are there: a comparison that does not
// run proves nothing.
func installed(t testing.TB, names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%v; `make tools` installs it", err)
		}
	}
	return true
}

// outsideZone is a zone signed by another program.
type outsideZone struct {
	name    string
	file    string // its text
	records []Record
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bindZone signs text with dnssec-signzone.
func bindZone(t testing.TB, text, algorithm string, args ...string) outsideZone {
	t.Helper()
	dir := t.TempDir()
	zsk := strings.TrimSpace(mustRun(t, dir, "dnssec-keygen", keygenArgs(algorithm, "example.org")...))
	ksk := strings.TrimSpace(mustRun(t, dir, "dnssec-keygen", append([]string{"-f", "KSK"}, keygenArgs(algorithm, "example.org")...)...))
	for _, k := range []string{lastLine(zsk), lastLine(ksk)} {
		public, err := os.ReadFile(filepath.Join(dir, k+".key"))
		if err != nil {
			t.Fatal(err)
		}
		text += "\n" + string(public)
	}
	writeFile(t, dir, "zone", text)
	all := append([]string{"-o", "example.org", "-O", "full", "-f", "signed"}, args...)
	mustRun(t, dir, "dnssec-signzone", append(all, "zone")...)
	return readSigned(t, "dnssec-signzone "+algorithm+" "+strings.Join(args, " "), dir)
}

func keygenArgs(algorithm, zone string) []string {
	args := []string{"-q", "-a", algorithm}
	if strings.HasPrefix(algorithm, "RSA") {
		args = append(args, "-b", "1024")
	}
	return append(args, zone)
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }

func readSigned(t testing.TB, name, dir string) outsideZone {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "signed"))
	if err != nil {
		t.Fatal(err)
	}
	return outsideZone{name, string(text), parseZone(t, "example.org.", string(text))}
}

// ldnsZone signs text with ldns-signzone.
func ldnsZone(t testing.TB, text, algorithm string, args ...string) outsideZone {
	t.Helper()
	dir := t.TempDir()
	keygen := []string{"-a", algorithm}
	if strings.HasPrefix(algorithm, "RSA") {
		keygen = append(keygen, "-b", "1024")
	}
	zsk := strings.TrimSpace(mustRun(t, dir, "ldns-keygen", append(keygen, "example.org")...))
	ksk := strings.TrimSpace(mustRun(t, dir, "ldns-keygen", append(append([]string{"-k"}, keygen...), "example.org")...))
	writeFile(t, dir, "zone", text)
	all := append([]string{"-o", "example.org", "-f", "signed"}, args...)
	mustRun(t, dir, "ldns-signzone", append(all, "zone", lastLine(zsk), lastLine(ksk))...)
	return readSigned(t, "ldns-signzone "+algorithm+" "+strings.Join(args, " "), dir)
}

// knotZone signs text with kzonesign under a policy.
func knotZone(t testing.TB, text, algorithm, policy string) outsideZone {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "example.org.zone", text)
	bits := ""
	if strings.HasPrefix(algorithm, "rsa") {
		bits = "    ksk-size: 1024\n    zsk-size: 1024\n"
	}
	conf := fmt.Sprintf("server:\n    rundir: %[1]q\ndatabase:\n    storage: %[1]q\npolicy:\n  - id: p\n    algorithm: %[2]s\n%[3]s%[4]szone:\n  - domain: example.org\n    storage: %[1]q\n    file: example.org.zone\n    dnssec-signing: on\n    dnssec-policy: p\n", dir, algorithm, bits, policy)
	writeFile(t, dir, "knot.conf", conf)
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		t.Fatal(err)
	}
	mustRun(t, dir, "kzonesign", "-c", "knot.conf", "-o", out, "example.org")
	text2, err := os.ReadFile(filepath.Join(out, "example.org.zone"))
	if err != nil {
		t.Fatal(err)
	}
	return outsideZone{"kzonesign " + algorithm + " " + strings.Join(strings.Fields(policy), " "), string(text2), parseZone(t, "example.org.", string(text2))}
}

func options() Options { return Options{Now: time.Now()} }

func TestZone_AcceptsWhatDnssecSignzoneSigns(t *testing.T) {
	if !installed(t, "dnssec-signzone", "dnssec-keygen") {
		return
	}
	for _, algorithm := range []string{"RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519"} {
		for _, args := range [][]string{nil, {"-3", "-"}, {"-3", "aabbcc", "-H", "3"}, {"-3", "-", "-A"}} {
			accept(t, bindZone(t, corners, algorithm, args...))
		}
	}
}

func TestZone_AcceptsWhatLdnsSignzoneSigns(t *testing.T) {
	if !installed(t, "ldns-signzone", "ldns-keygen") {
		return
	}
	for _, algorithm := range []string{"RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519"} {
		for _, args := range [][]string{nil, {"-n", "-t", "0"}, {"-n", "-s", "aabbcc", "-t", "3"}, {"-n", "-p", "-t", "0"}} {
			accept(t, ldnsZone(t, corners, algorithm, args...))
		}
	}
}

func TestZone_AcceptsWhatKzonesignSigns(t *testing.T) {
	if !installed(t, "kzonesign") {
		return
	}
	for _, algorithm := range []string{"rsasha256", "rsasha512", "ecdsap256sha256", "ecdsap384sha384", "ed25519"} {
		for _, policy := range []string{"", "    nsec3: on\n", "    nsec3: on\n    nsec3-salt-length: 8\n    nsec3-iterations: 5\n", "    nsec3: on\n    nsec3-opt-out: on\n"} {
			accept(t, knotZone(t, corners, algorithm, policy))
		}
	}
}

// accept wants no fault, and a report that counts what is there.
func accept(t *testing.T, z outsideZone) {
	t.Helper()
	report, err := Zone(exampleOrg, slices.Values(z.records), options())
	if err != nil {
		t.Errorf("%s: %v", z.name, err)
		return
	}
	sigs := 0
	for _, r := range z.records {
		if r.Type == typeRRSIG {
			sigs++
		}
	}
	if report.Records != len(z.records) || report.Signatures != sigs || report.FirstExpiry.Before(time.Now()) {
		t.Errorf("%s: report %+v, want %d records and %d signatures", z.name, report, len(z.records), sigs)
	}
}

// TestZone_RefusesFlippedSignatures: for each algorithm no octet of an RRSIG may
// change.
func TestZone_RefusesFlippedSignatures(t *testing.T) {
	if !installed(t, "dnssec-signzone", "dnssec-keygen") {
		return
	}
	for _, algorithm := range []string{"RSASHA256", "RSASHA512", "ECDSAP256SHA256", "ECDSAP384SHA384", "ED25519"} {
		z := bindZone(t, few, algorithm)
		o := options()
		good := map[string]bool{} // so that only what changed is verified
		o.Signatures = func(c Check) error {
			if good[string(c.RRSIG)] {
				return nil
			}
			err := c.Verify()
			good[string(c.RRSIG)] = err == nil
			return err
		}
		if _, err := Zone(exampleOrg, slices.Values(z.records), o); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(z.records, func(r Record) bool { return r.Type == typeRRSIG && be16(r.RData) == typeNS })
		r := z.records[i]
		for k := range r.RData {
			z.records[i].RData = bytes.Clone(r.RData)
			z.records[i].RData[k] ^= 1
			_, err := Zone(exampleOrg, slices.Values(z.records), o)
			if err == nil || !strings.Contains(err.Error(), "example.org. NS") && k > 1 {
				t.Errorf("%s: octet %d of %s may change: %v", algorithm, k, rrString(r), err)
			}
		}
	}
}

// rootShape is a small zone with the root as its origin.
const rootShape = `. 86400 IN SOA a.root-servers.net. nstld.example. 1 1800 900 604800 86400
. 518400 IN NS a.root-servers.net.
a.root-servers.net. 518400 IN A 192.0.2.1
com. 172800 IN NS a.gtld.net.
com. 86400 IN DS 12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
net. 172800 IN NS a.gtld.net.
a.gtld.net. 172800 IN A 192.0.2.2
xn--p1ai. 172800 IN NS ns.xn--p1ai.
ns.xn--p1ai. 172800 IN A 192.0.2.3
`

// TestZone_AcceptsTheRoot: a zone whose origin has no labels, the real one where
// it is at hand.
func TestZone_AcceptsTheRoot(t *testing.T) {
	if !installed(t, "dnssec-signzone", "dnssec-keygen") {
		return
	}
	text := rootShape
	if b, err := os.ReadFile("../../../shared/zones/root.zone"); err == nil {
		text = string(b)
	}
	for _, args := range [][]string{nil, {"-3", "-"}, {"-3", "-", "-A"}} {
		dir := t.TempDir()
		signed := text
		for _, flags := range [][]string{nil, {"-f", "KSK"}} {
			key := strings.TrimSpace(mustRun(t, dir, "dnssec-keygen", append(flags, "-q", "-a", "ECDSAP256SHA256", ".")...))
			public, err := os.ReadFile(filepath.Join(dir, key+".key"))
			if err != nil {
				t.Fatal(err)
			}
			signed += "\n" + string(public)
		}
		writeFile(t, dir, "zone", signed)
		mustRun(t, dir, "dnssec-signzone", append(args, "-o", ".", "-O", "full", "-f", "signed", "zone")...)
		out, err := os.ReadFile(filepath.Join(dir, "signed"))
		if err != nil {
			t.Fatal(err)
		}
		report, err := Zone([]byte{0}, slices.Values(parseZone(t, ".", string(out))), options())
		if err != nil {
			t.Errorf("%v: %v", args, err)
		}
		t.Logf("%v: %+v", args, report)
	}
}
