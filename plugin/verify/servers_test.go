package verify_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/verify/reference"
)

// answers is a zone with every kind of answer in it.
const answers = `$ORIGIN example.org.
$TTL 3600
@            IN SOA ns1 hostmaster 2024010101 7200 3600 1209600 300
@            IN NS  ns1
@            IN MX  10 mail
ns1          IN A   192.0.2.1
mail         IN A   192.0.2.3
mail         IN A   192.0.2.4
www          IN CNAME mail
chain        IN CNAME chain2
chain2       IN CNAME www
dangling     IN CNAME nothing.here
tonodata     IN CNAME ns1
toent        IN CNAME ent
towild       IN CNAME made.up.w
tosec        IN CNAME host.sec
toinsec      IN CNAME host.insec
out          IN CNAME www.example.net.
loop1        IN CNAME loop2
loop2        IN CNAME loop1
*.w          IN TXT "wildcard"
*.w          IN A   192.0.2.44
x.y.w        IN A   192.0.2.5
*.wc         IN CNAME mail
*.wdn        IN CNAME x.dn
*.wout       IN CNAME out
a.b.c.ent    IN TXT "under empty non-terminals"
*.wild.ent2  IN A   192.0.2.6
deep.*.star  IN A   192.0.2.7
sec          IN NS  ns.sec
sec          IN DS  12345 13 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
ns.sec       IN A   192.0.2.8
insec        IN NS  ns.insec
insec        IN NS  ns1
ns.insec     IN A   192.0.2.9
in.ent3      IN NS  ns1
both.ent4    IN NS  ns1
txt.ent4     IN TXT "beside an unsigned delegation"
s.ent5       IN NS  ns1
s.ent5       IN DS  4711 8 2 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
*.ent6       IN TXT "wildcard beside unsigned delegations"
u.ent6       IN NS  ns1
dn           IN DNAME target
dn           IN TXT "beside a DNAME"
host.target  IN A   192.0.2.10
c.target     IN CNAME host.target
dnout        IN DNAME example.net.
long         IN DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
unknown      IN TYPE65280 \# 4 0a000001
\000nul      IN TXT "nul"
a\.dot       IN TXT "dot"
`

// questions returns names to ask: those of the zone, those between, above and
// below.
func questions(records []dns.RR) []string {
	seen := map[string]bool{}
	var list []string
	add := func(name string) {
		if _, ok := dns.IsDomainName(name); ok && !seen[name] && len(name) < 250 {
			seen[name] = true
			list = append(list, name)
		}
	}
	for _, rr := range records {
		if t := rr.Header().Rrtype; t == dns.TypeNSEC3 || t == dns.TypeRRSIG {
			continue
		}
		for name := rr.Header().Name; dns.IsSubDomain("example.org.", name); {
			add(name)
			add("zz." + name)
			add("0." + name)
			add("a.b." + name)
			add("*." + name)
			off, end := dns.NextLabel(name, 0)
			if end {
				break
			}
			name = name[off:]
		}
	}
	add(strings.Repeat("b", 63) + "." + strings.Repeat("c", 30) + ".long.example.org.")
	return list
}

var types = []uint16{dns.TypeA, dns.TypeTXT, dns.TypeCNAME, dns.TypeNS, dns.TypeDS, dns.TypeSOA, dns.TypeDNSKEY,
	dns.TypeNSEC, dns.TypeRRSIG, dns.TypeANY, dns.TypeDNAME, dns.TypeMX, 65280}

// signZone signs the zone with dnssec-signzone and returns the file and records.
func signZone(t *testing.T, dir string, args ...string) []dns.RR {
	t.Helper()
	text := answers
	for _, extra := range [][]string{{}, {"-f", "KSK"}} {
		out := command(t, dir, "dnssec-keygen", append(extra, "-q", "-a", "ED25519", "example.org")...)
		public, err := os.ReadFile(filepath.Join(dir, strings.TrimSpace(out)+".key"))
		if err != nil {
			t.Fatal(err)
		}
		text += string(public)
	}
	if err := os.WriteFile(filepath.Join(dir, "zone"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, dir, "dnssec-signzone", append(args, "-o", "example.org", "-O", "full", "-f", "example.org.zone", "zone")...)
	f, err := os.Open(filepath.Join(dir, "example.org.zone"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zp := dns.NewZoneParser(f, "example.org.", "")
	var records []dns.RR
	for rr, ok := zp.Next(); ok; rr, ok = zp.Next() {
		records = append(records, rr)
	}
	if zp.Err() != nil {
		t.Fatal(zp.Err())
	}
	return records
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, stderr.String())
	}
	return string(out)
}

// lastPort is the port that freePort handed out last. Ports lie below the range
// that the system takes for clients: one of theirs could get there first.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(20000 + os.Getpid()*61%10000)) }

// freePort returns a port of the loopback that is free for UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := int(lastPort.Add(1))
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// serve starts a server and waits for the line that says it runs.
func serve(t *testing.T, ready string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	lines := bufio.NewScanner(out)
	var log strings.Builder
	for lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), ready) {
			go func() {
				for lines.Scan() { // so that the server never waits for its log
				}
			}()
			return
		}
	}
	t.Fatalf("%s does not run:\n%s", name, log.String())
}

// startNamed serves dir/example.org.zone with BIND.
func startNamed(t *testing.T, dir, options string) string {
	t.Helper()
	port, own := freePort(t), t.TempDir()
	conf := fmt.Sprintf(`options { directory %[1]q; pid-file none; session-keyfile none; listen-on port %[2]d { 127.0.0.1; };
listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; empty-zones-enable no; %[3]s };
controls { };
zone "example.org" { type primary; check-names ignore; file "%[4]s/example.org.zone"; };
`, own, port, options, dir)
	path := filepath.Join(own, "named.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, "running", "named", "-g", "-n", "1", "-c", path)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// startKnot serves dir/example.org.zone with Knot DNS.
func startKnot(t *testing.T, dir string) string {
	t.Helper()
	port := freePort(t)
	conf := fmt.Sprintf(`server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]d
database:
    storage: %[1]q
log:
  - target: stderr
    any: info
zone:
  - domain: example.org
    storage: %[1]q
    file: example.org.zone
`, dir, port)
	path := filepath.Join(dir, "knot.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, "server started", "knotd", "-c", path)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// trust returns what responses from the zone are judged by.
func trust(records []dns.RR) verify.Trust {
	t := verify.Trust{Zone: reference.ParseName("example.org.").Wire(), Now: time.Now()}
	for _, rr := range records {
		if rr.Header().Rrtype != dns.TypeDNSKEY {
			continue
		}
		buf := make([]byte, 1000)
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			panic(err)
		}
		t.Keys = append(t.Keys, buf[len(t.Zone)+10:n])
	}
	return t
}

// TestAnswer_AgreesWithServers: every response of BIND and Knot is accepted, is
// what the reference lookup expects, and never denies what is there.
func TestAnswer_AgreesWithServers(t *testing.T) {
	for _, name := range []string{"dnssec-signzone", "named", "knotd"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%v; `make tools` installs it", err)
		}
	}
	for kind, args := range map[string][]string{"NSEC": nil, "NSEC3": {"-3", "-"}, "opt-out": {"-3", "-", "-A"}} {
		dir := t.TempDir()
		records := signZone(t, dir, args...)
		servers := map[string]string{
			"named":         startNamed(t, dir, "minimal-responses no;"),
			"named minimal": startNamed(t, dir, "minimal-responses yes;"),
			"knotd":         startKnot(t, dir),
		}
		for server, addr := range servers {
			t.Run(kind+" "+server, func(t *testing.T) { askAll(t, server, addr, records) })
		}
	}
}

// strangers says where these servers do otherwise, with reason to leave them alone.
func strangers(server string, typ uint16, e reference.Expected, r *dns.Msg) bool {
	switch {
	case typ == dns.TypeNSEC && len(e.Chain) > 0:
		// In a zone with NSEC3 both deny the type where they should follow the
		// CNAME: RFC 6840 section 4.3 refuses such a denial.
		return true
	case e.Kind == reference.Loop && r.Rcode == dns.RcodeServerFailure:
		return true // BIND since 9.18.30
	case e.Wildcard && e.Kind == reference.NoData && len(r.Ns) == 4:
		return true // both: a wildcard that is an empty non-terminal, without the NSEC record that shows it
	case server == "knotd" && e.Kind == reference.Overflow:
		return true // NXDOMAIN
	case server == "knotd" && typ == dns.TypeANY:
		for _, rr := range r.Answer {
			if rr.Header().Rrtype != dns.TypeRRSIG {
				return false
			}
		}
		return len(r.Answer) > 0 // it picks a set, if need be the signatures
	case server == "knotd" && typ == dns.TypeNSEC && e.Wildcard:
		return true // without the proof that nothing is closer
	}
	return false
}

func askAll(t *testing.T, server, addr string, records []dns.RR) {
	z := reference.New("example.org.", records)
	cache := reference.NewCache("example.org.")
	trust := trust(records)
	conn, err := dns.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	asked := 0
	kinds := map[verify.Kind]int{}
	for i, name := range questions(records) {
		for k, typ := range types {
			if (i+k)%3 != 0 { // a third of them takes long enough
				continue
			}
			m := new(dns.Msg).SetQuestion(name, typ)
			m.RecursionDesired = false
			m.SetEdns0(4096, true)
			if err := conn.WriteMsg(m); err != nil {
				t.Fatal(err)
			}
			r, err := conn.ReadMsg()
			if err != nil {
				t.Fatal(err)
			}
			asked++
			e := z.Lookup(name, typ)
			if strangers(server, typ, e, r) {
				continue
			}
			v, err := verify.Answer(r, trust)
			if err != nil {
				t.Errorf("%v (expected: %s)\n%v", err, e.Kind, r)
			} else if err := e.Agrees(v); err != nil {
				t.Errorf("%s %s: %v\n%v", name, dns.Type(typ), err, r)
			}
			kinds[v.Kind]++
			if server == "named minimal" && typ != dns.TypeRRSIG && asked%9 == 0 {
				refuseLess(t, r, trust)
			}
			if err := e.Check(r); err != nil {
				t.Errorf("%s %s: %v\n%v", name, dns.Type(typ), err, r)
			}
			cache.Learn(r)
			if t.Failed() {
				return
			}
		}
	}
	if err := z.Contradiction(cache); err != nil {
		t.Error(err)
	}
	t.Logf("%d questions, %v", asked, kinds)
}

// refuseLess takes one set, or one set's signatures, out of a response that has
// only what it needs: what is left proves nothing.
func refuseLess(t *testing.T, r *dns.Msg, trust verify.Trust) {
	t.Helper()
	full, _ := verify.Answer(r, trust)
	for i, rr := range r.Ns {
		less := r.Copy()
		covered := rr.Header().Rrtype
		if sig, ok := rr.(*dns.RRSIG); ok {
			less.Ns = append(less.Ns[:i:i], less.Ns[i+1:]...)
			covered = sig.TypeCovered
		} else {
			less.Ns = nil
			for _, o := range r.Ns {
				sig, ok := o.(*dns.RRSIG)
				if o.Header().Name != rr.Header().Name || o.Header().Rrtype != covered && !(ok && sig.TypeCovered == covered) {
					less.Ns = append(less.Ns, o)
				}
			}
		}
		if v, err := verify.Answer(less, trust); err == nil && v.Kind != verify.Alias && (v.Secure || full.FromWildcard == v.FromWildcard) {
			t.Errorf("accepted as %s without %s %s:\n%v", v.Kind, rr.Header().Name, dns.Type(covered), r)
		}
	}
}
