package answer

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// differences are where BIND's answer is another than ours, and why ours is as
// it is.
var differences = []struct {
	why string
	is  func(q string, ours, theirs *dns.Msg) bool
}{
	{
		"BIND gives up and says SERVFAIL; the aliases are true, and a resolver sees for itself that they lead nowhere",
		func(_ string, ours, theirs *dns.Msg) bool {
			return theirs.Rcode == dns.RcodeServerFailure && ours.Rcode == dns.RcodeSuccess && len(theirs.Answer) > 0 && len(theirs.Ns) == len(ours.Ns)
		},
	},
	{
		"BIND leaves out the NSEC that covers the wildcard, which is an empty non-terminal: nothing proves that it lacks the type",
		func(q string, ours, theirs *dns.Msg) bool {
			return strings.Contains(q, ".went.example.org.") && len(ours.Ns) == len(theirs.Ns)+2
		},
	},
	{
		"BIND says that an alias has no NSEC in a zone with NSEC3, with a bitmap that has CNAME in it: validators must refuse that (RFC 6840 section 4.3)",
		func(q string, ours, theirs *dns.Msg) bool {
			return strings.HasSuffix(q, " NSEC") && len(ours.Answer) > 0 && ours.Answer[0].Header().Rrtype == dns.TypeCNAME && len(theirs.Answer) == 0
		},
	},
}

// TestAppend_likeBIND asks a BIND that serves the same signed zone with minimal
// responses the same questions: the sections have to hold the same records.
func TestAppend_likeBIND(t *testing.T) {
	path, err := exec.LookPath("named")
	if err != nil {
		t.Fatalf("%v; `make tools` installs it", err)
	}
	for _, m := range append([]mode{insecure}, modes...) {
		t.Run(m.name, func(t *testing.T) {
			s := corners(t, m)
			addr := startNamed(t, path, s)
			for _, text := range append(questions(t), everyName(s)...) {
				for _, do := range []bool{true, false} {
					q := query(t, text)
					q.DO, q.MaxSize = do, 4096
					compareBIND(t, s, q, text, addr)
				}
			}
		})
	}
}

// everyName returns questions at, beside and below every name of a zone.
func everyName(s *zone.Signed) []string {
	var list []string
	for n, b := range s.Zone.Blocks() {
		for i := range b.Len() {
			name, _, _ := dns.UnpackDomainName(s.AppendName(nil, zone.Pos{Block: n, Name: i}), 0)
			list = append(list, name+" A", name+" TXT", name+" DS", name+" NSEC")
			if s.Unsigned { // elsewhere one set of them is enough, and BIND chooses another
				list = append(list, name+" RRSIG")
			}
			if below := "q." + name; valid(below) {
				list = append(list, below+" A", below+" HINFO")
			}
			if label, rest, _ := strings.Cut(name, "."); valid(label+"0."+rest) && len(name) > 2+len(rest) && rest != "org." && !strings.Contains(label, `\\`) {
				list = append(list, label+"0."+rest+" A")
			}
		}
	}
	return list
}

// valid reports whether text is a name.
func valid(text string) bool {
	_, err := dns.PackDomainName(text, make([]byte, zone.MaxWire), 0, nil, false)
	return err == nil
}

func compareBIND(t *testing.T, s *zone.Signed, q *Query, text, addr string) {
	t.Helper()
	ours, _ := ask(t, s, q)
	msg := &dns.Msg{MsgHdr: dns.MsgHdr{Id: q.ID}}
	name, _, _ := dns.UnpackDomainName(q.Name, 0)
	msg.Question = []dns.Question{{Name: name, Qtype: q.Type, Qclass: dns.ClassINET}}
	msg.SetEdns0(4096, q.DO)
	client := &dns.Client{UDPSize: 4096, Timeout: 5 * time.Second}
	theirs, _, err := client.Exchange(msg, addr)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	a, b := summary(ours), summary(theirs)
	known := false
	for _, d := range differences {
		known = known || d.is(text, ours, theirs)
	}
	if a != b && !known {
		t.Errorf("%s, DO %v:\nours\n%s\nBIND's\n%s", text, q.DO, a, b)
	}
}

// summary describes a message: header, and the records of each section in a
// fixed order, in lower case.
func summary(m *dns.Msg) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s aa=%v tc=%v\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated)
	for n, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var lines []string
		for _, rr := range section {
			if rr.Header().Rrtype != dns.TypeOPT {
				lines = append(lines, strings.ToLower(strings.Join(strings.Fields(rr.String()), " ")))
			}
		}
		slices.Sort(lines)
		for _, line := range lines {
			fmt.Fprintln(&out, " ", [...]string{"an", "ns", "ad"}[n], line)
		}
	}
	return out.String()
}

// startNamed serves a signed zone with BIND and returns its address.
func startNamed(t *testing.T, path string, s *zone.Signed) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zone"), zoneFile(t, s), 0o644); err != nil {
		t.Fatal(err)
	}
	addr := freePort(t)
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	conf := fmt.Sprintf(`options { directory %q; listen-on port %s { 127.0.0.1; }; listen-on-v6 { none; };
	pid-file none; session-keyfile none; recursion no; minimal-responses yes; minimal-any yes; notify no;
	dnssec-validation no; check-names primary ignore; answer-cookie no; max-udp-size 4096; };
controls { };
zone "example.org" { type primary; file "zone"; check-integrity no; };
`, dir, port)
	if err := os.WriteFile(filepath.Join(dir, "named.conf"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(path, "-g", "-n", "1", "-c", filepath.Join(dir, "named.conf"))
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	msg := new(dns.Msg)
	msg.SetQuestion("example.org.", dns.TypeSOA)
	client := &dns.Client{Timeout: 200 * time.Millisecond}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if r, _, err := client.Exchange(msg, addr); err == nil && r.Rcode == dns.RcodeSuccess {
			return addr
		}
	}
	t.Fatalf("named does not answer\n%s", log.String())
	return ""
}

// zoneFile returns a signed zone as text.
func zoneFile(t *testing.T, s *zone.Signed) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, rr := range records(t, s) {
		fmt.Fprintln(&out, rr)
	}
	return out.Bytes()
}

// lastPort is the port that freePort handed out last. Ports lie below the range
// that the system takes for clients: one of theirs could get there first.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(20000 + os.Getpid()*61%10000)) }

// freePort returns an address on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", lastPort.Add(1))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		p, err := net.ListenPacket("udp", addr)
		l.Close()
		if err == nil {
			p.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}
