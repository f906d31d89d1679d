package autosign

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

// server is a CoreDNS in this process.
type server struct {
	*caddy.Instance
	dir string
}

// serve starts CoreDNS with a Corefile in which DIR is a new directory that has
// the zones as files named by their origin.
func serve(t *testing.T, corefile string, zones map[string]string) (*server, error) {
	t.Helper()
	s := &server{dir: t.TempDir()}
	for origin, text := range zones {
		if err := os.WriteFile(filepath.Join(s.dir, origin+"db"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inst, err := caddy.Start(s.input(corefile))
	if err != nil {
		return s, err
	}
	s.Instance = inst
	t.Cleanup(s.stop)
	return s, nil
}

func (s *server) input(corefile string) caddy.Input {
	text := strings.ReplaceAll(corefile, "DIR", s.dir)
	return caddy.CaddyfileInput{Contents: []byte(text), Filepath: "Corefile", ServerTypeName: "dns"}
}

func (s *server) stop() {
	if s.Instance != nil {
		s.ShutdownCallbacks()
		s.Stop()
		s.Instance = nil
	}
}

// addr returns the UDP address of a listener.
func (s *server) addr(n int) string { return s.Servers()[n].LocalAddr().String() }

// tcp returns the TCP address of a listener.
func (s *server) tcp(n int) string { return s.Servers()[n].Addr().String() }

// ask asks a question with DO.
func (s *server) ask(t *testing.T, n int, qname string, qtype uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(qname, qtype)
	m.SetEdns0(1232, true)
	r, err := dns.Exchange(m, s.addr(n))
	if err != nil {
		t.Fatalf("%s %s: %v", qname, dns.TypeToString[qtype], err)
	}
	return r
}

// await asks until a question is answered as wanted.
func (s *server) await(t *testing.T, n int, qname string, qtype uint16, ok func(*dns.Msg) bool) *dns.Msg {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		r := s.ask(t, n, qname, qtype)
		if ok(r) {
			return r
		}
		if time.Now().After(end) {
			t.Fatalf("%s %s is answered with\n%v", qname, dns.TypeToString[qtype], r)
		}
	}
}

// signedFor says that an answer has a signature by a zone.
func signedFor(zone string) func(*dns.Msg) bool {
	return func(r *dns.Msg) bool {
		for _, rr := range slices.Concat(r.Answer, r.Ns) {
			if sig, ok := rr.(*dns.RRSIG); ok && sig.SignerName == zone {
				return true
			}
		}
		return false
	}
}

const orgZone = `example.org. 3600 IN SOA ns1.example.org. hostmaster.example.org. 1 7200 3600 345600 300
example.org. 3600 IN NS ns1.example.org.
ns1.example.org. 3600 IN A 192.0.2.1
www.example.org. 3600 IN A 192.0.2.2
sub.example.org. 3600 IN NS ns.sub.example.org.
ns.sub.example.org. 3600 IN A 192.0.2.3
`

const subZone = `sub.example.org. 3600 IN SOA ns.sub.example.org. hostmaster.example.org. 1 7200 3600 345600 300
sub.example.org. 3600 IN NS ns.sub.example.org.
ns.sub.example.org. 3600 IN A 192.0.2.3
www.sub.example.org. 3600 IN A 192.0.2.4
`

// DS questions are answered by the parent zone, whichever block has it.
func TestDS_ParentAndChildOnOneServer(t *testing.T) {
	const root = `. 3600 IN SOA a.nic. hostmaster.nic. 1 7200 3600 345600 300
. 3600 IN NS a.nic.
a.nic. 3600 IN A 192.0.2.9
org. 3600 IN NS a.nic.
`
	const org = `org. 3600 IN SOA a.nic. hostmaster.nic. 1 7200 3600 345600 300
org. 3600 IN NS a.nic.
example.org. 3600 IN NS ns1.example.org.
ns1.example.org. 3600 IN A 192.0.2.1
`
	zones := map[string]string{"root.": root, "org.": org, "example.org.": orgZone, "sub.example.org.": subZone}
	block := func(zone, file string) string {
		return fmt.Sprintf("%s:0 {\n bind 127.0.0.1\n file DIR/%s\n autosign {\n keys DIR/keys\n parent none\n }\n}\n", zone, file)
	}
	separate := block("sub.example.org", "sub.example.org.db") + block("example.org", "example.org.db") +
		block("org", "org.db") + block(".", "root.db")
	together := `.:0 org:0 example.org:0 sub.example.org:0 {
	file DIR/root.db .
	file DIR/org.db org
	file DIR/example.org.db example.org
	file DIR/sub.example.org.db sub.example.org
	autosign {
		keys DIR/keys
		parent none
	}
}`
	for what, corefile := range map[string]string{"separate blocks": separate, "one block": together} {
		t.Run(what, func(t *testing.T) {
			s, err := serve(t, corefile, zones)
			if err != nil {
				t.Fatal(err)
			}
			for qname, signer := range map[string]string{
				"sub.example.org.": "example.org.", "example.org.": "org.", "org.": ".",
			} {
				r := s.await(t, 0, qname, dns.TypeDS, signedFor(signer))
				if len(r.Answer) != 0 || r.Rcode != dns.RcodeSuccess || signedFor(qname)(r) {
					t.Errorf("DS %s is not answered by %s alone:\n%v", qname, signer, r)
				}
			}
			s.await(t, 0, "www.sub.example.org.", dns.TypeA, signedFor("sub.example.org."))
			s.await(t, 0, "sub.example.org.", dns.TypeSOA, signedFor("sub.example.org."))
		})
	}
}

func TestChild_ServedUnsignedByFile_IsItsOwn(t *testing.T) {
	s, err := serve(t, `example.org:0 {
	file DIR/example.org.db example.org
	file DIR/sub.example.org.db sub.example.org
	autosign example.org {
		keys DIR/keys
		parent none
	}
}`, map[string]string{"example.org.": orgZone, "sub.example.org.": subZone})
	if err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, "www.example.org.", dns.TypeA, signedFor("example.org."))
	if r := s.ask(t, 0, "www.sub.example.org.", dns.TypeA); len(r.Answer) != 1 {
		t.Errorf("the child's name is answered with\n%v", r)
	}
	if r := s.ask(t, 0, "sub.example.org.", dns.TypeDS); !signedFor("example.org.")(r) {
		t.Errorf("DS is answered with\n%v", r)
	}
}

// A reload leaves no gap, keeps serial and keys, and a failed one nothing behind.
func TestReload(t *testing.T) {
	corefile := `example.org:0 {
	file DIR/example.org.db {
		reload 100ms
	}
	autosign {
		keys DIR/keys
		parent none
	}
}`
	s, err := serve(t, corefile, map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	first := s.await(t, 0, "example.org.", dns.TypeSOA, signedFor("example.org."))
	if _, err := s.Restart(s.input(strings.Replace(corefile, "parent none", "parent none\n\t\tserial odd", 1))); err == nil {
		t.Fatal("a broken Corefile was taken")
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	blocked := corefile + "\nexample.net:" + port + " {\n bind 127.0.0.1\n whoami\n}"
	if _, err := s.Restart(s.input(blocked)); err == nil {
		t.Fatal("a Corefile with a port that is taken was taken")
	}
	if n := len(process.instances); n != 1 {
		t.Errorf("%d instances are running after a failed reload", n)
	}
	s.await(t, 0, "example.org.", dns.TypeSOA, signedFor("example.org."))
	next, err := s.Restart(s.input(corefile))
	if err != nil {
		t.Fatal(err)
	}
	s.Instance = next
	if r := s.ask(t, 0, "example.org.", dns.TypeSOA); r.Rcode != dns.RcodeSuccess || !signedFor("example.org.")(r) {
		t.Fatalf("right after a reload the answer is\n%v", r)
	} else if a, b := first.Answer[0].(*dns.SOA).Serial, r.Answer[0].(*dns.SOA).Serial; a != b {
		t.Errorf("serial %d before a reload in which nothing changed, %d after it", a, b)
	}
	edited := strings.Replace(orgZone, " 1 7200", " 2 7200", 1) + "new.example.org. 300 IN A 192.0.2.7\n"
	if err := os.WriteFile(filepath.Join(s.dir, "example.org.db"), []byte(edited), 0o644); err != nil {
		t.Fatal(err)
	}
	s.await(t, 0, "new.example.org.", dns.TypeA, signedFor("example.org."))
	if n := len(process.instances); n != 1 {
		t.Errorf("%d instances are running", n)
	}
}

func TestTransfer(t *testing.T) {
	s, err := serve(t, `example.org:0 {
	transfer {
		to *
	}
	file DIR/example.org.db
	autosign {
		keys DIR/keys
		parent none
	}
}`, map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	soa := s.await(t, 0, "example.org.", dns.TypeSOA, signedFor("example.org."))
	serial := soa.Answer[0].(*dns.SOA).Serial
	axfr := s.transfer(t, new(dns.Msg).SetAxfr("example.org."))
	if first, ok := axfr[0].(*dns.SOA); !ok || first.Serial != serial {
		t.Errorf("the first record is %v", axfr[0])
	}
	if _, ok := axfr[len(axfr)-1].(*dns.SOA); !ok || len(axfr) < 20 {
		t.Errorf("%d records, the last is %v", len(axfr), axfr[len(axfr)-1])
	}
	if same := s.transfer(t, new(dns.Msg).SetIxfr("example.org.", serial, "ns1.example.org.", "h.example.org.")); len(same) != 1 {
		t.Errorf("%d records for a secondary that has the newest version", len(same))
	}
	older := new(dns.Msg).SetIxfr("example.org.", serial-1, "ns1.example.org.", "h.example.org.")
	if all := s.transfer(t, older); len(all) != len(axfr) {
		t.Errorf("%d records for a secondary that has an older version, want %d", len(all), len(axfr))
	}
}

// transfer asks for a zone over TCP.
func (s *server) transfer(t *testing.T, m *dns.Msg) (list []dns.RR) {
	t.Helper()
	conn, err := net.Dial("tcp", s.tcp(0))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := &dns.Conn{Conn: conn}
	if err := c.WriteMsg(m); err != nil {
		t.Fatal(err)
	}
	for soas := 0; soas < 2; {
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		r, err := c.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r.Answer...)
		for _, rr := range r.Answer {
			if rr.Header().Rrtype == dns.TypeSOA {
				soas++
			}
		}
		if len(list) == 1 || r.Rcode != dns.RcodeSuccess || len(r.Answer) == 0 {
			break
		}
	}
	return list
}

// Until there is a signed copy nothing unsigned leaves: not in answers, not in
// transfers; and ready says so.
func TestNotSignedYet(t *testing.T) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	readyAddr := probe.Addr().String()
	probe.Close()
	s, err := serve(t, `example.org:0 {
	ready `+readyAddr+`
	transfer {
		to *
	}
	file DIR/example.org.db
	autosign {
		keys DIR/keys
		new_keys never
		parent none
	}
}`, map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	for _, qname := range []string{"www.example.org.", "no.example.org.", "example.org."} {
		r := s.ask(t, 0, qname, dns.TypeA)
		ede := 0
		for _, o := range r.IsEdns0().Option {
			if e, ok := o.(*dns.EDNS0_EDE); ok {
				ede = int(e.InfoCode)
			}
		}
		if r.Rcode != dns.RcodeServerFailure || ede != int(dns.ExtendedErrorCodeNotReady) || len(r.Answer) > 0 {
			t.Errorf("%s is answered with\n%v", qname, r)
		}
	}
	if list := s.transfer(t, new(dns.Msg).SetAxfr("example.org.")); len(list) != 0 {
		t.Errorf("%d records were transferred", len(list))
	}
	resp, err := http.Get("http://" + readyAddr + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready says %s", resp.Status)
	}
}

func TestViews_EachHasItsState(t *testing.T) {
	other := strings.Replace(orgZone, "192.0.2.2", "192.0.2.222", 1)
	s, err := serve(t, `example.org:0 {
	view inside {
		expr name() == 'www.example.org.'
	}
	file DIR/example.org.db
	autosign {
		keys DIR/keys
		parent none
	}
}
example.org:0 {
	file DIR/other.db
	autosign {
		keys DIR/keys
		parent none
	}
}`, map[string]string{"example.org.": orgZone, "other.": other})
	if err != nil {
		t.Fatal(err)
	}
	r := s.await(t, 0, "www.example.org.", dns.TypeA, signedFor("example.org."))
	if a := r.Answer[0].(*dns.A).A.String(); a != "192.0.2.2" {
		t.Errorf("the view answers %s", a)
	}
	s.await(t, 0, "example.org.", dns.TypeSOA, signedFor("example.org."))
	for _, f := range []string{"example.org.state.json", "example.org.view-inside.state.json"} {
		if _, err := os.Stat(filepath.Join(s.dir, "keys", f)); err != nil {
			t.Error(err)
		}
	}
}

func TestTwoListeners_OneSignedCopy(t *testing.T) {
	block := "example.org:0 {\n bind 127.0.0.%d\n file DIR/example.org.db\n autosign {\n keys DIR/keys\n parent none\n }\n}\n"
	s, err := serve(t, fmt.Sprintf(block, 1)+fmt.Sprintf(block, 2), map[string]string{"example.org.": orgZone})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		s.await(t, n, "www.example.org.", dns.TypeA, signedFor("example.org."))
	}
	if n := len(process.instances[0].signers); n != 1 {
		t.Errorf("%d signers for one zone", n)
	}
}

func TestNotifier_Coalesces(t *testing.T) {
	release, told := make(chan struct{}), make(chan string, 100)
	n := newNotifier(func(zone string) error {
		told <- zone
		<-release
		return errors.New("nobody there")
	})
	for range 50 {
		n.notify("example.org.")
	}
	<-told
	for range 50 {
		n.notify("example.org.")
	}
	close(release)
	n.done.Wait()
	if got := 1 + len(told); got != 2 {
		t.Errorf("told %d times of 100 versions, want 2", got)
	}
}

func TestAutosign_IsWhatCoreDNSLooksFor(t *testing.T) {
	var h any = &Autosign{names: []string{"example.org."}}
	if b, ok := h.(interface{ CacheBypassZones() []string }); !ok || len(b.CacheBypassZones()) != 1 {
		t.Error("cache would not pass the zones by")
	}
	if _, ok := h.(interface{ Ready() bool }); !ok {
		t.Error("ready does not see it")
	}
	if _, err := (&Autosign{}).ServeDNS(context.Background(), nil, new(dns.Msg)); err == nil {
		t.Error("a message without a question was answered")
	}
}
