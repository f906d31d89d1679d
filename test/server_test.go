package test

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// server is a CoreDNS process with its own folder and port.
type server struct {
	*process
	dir  string
	addr string // 127.0.0.1:port
	port int
}

// start runs CoreDNS on a free port in dir, on a Corefile in which PORT stands
// for that port.
func start(t *testing.T, dir, corefile string) *server {
	t.Helper()
	s := &server{dir: dir, port: freePort(t)}
	s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
	s.configure(t, corefile)
	s.launch(t)
	return s
}

// configure writes the Corefile; a running server does not read it again.
func (s *server) configure(t *testing.T, corefile string) {
	t.Helper()
	write(t, s.dir, map[string]string{"Corefile": strings.ReplaceAll(corefile, "PORT", strconv.Itoa(s.port))})
}

// launch starts the process, for the first time or again, and waits until it
// answers anything at all.
func (s *server) launch(t *testing.T) {
	t.Helper()
	s.fork(t)
	until(t, "CoreDNS on "+s.addr, func() string {
		select {
		case <-s.done:
			t.Fatalf("CoreDNS ended at once:\n%s", s.wrote())
		default:
		}
		_, err := exchange(s.addr, "udp", query("ready.invalid.", dns.TypeA, false))
		return text(err)
	})
}

// fork starts the process and waits for nothing.
func (s *server) fork(t *testing.T) {
	t.Helper()
	file, err := coredns()
	if err != nil {
		t.Fatal(err)
	}
	s.process = spawn(t, s.dir, file, "-conf", "Corefile")
}

// stop ends the server as an operator would.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ended(t)
}

// restart stops the server and starts it on what its folder holds now.
func (s *server) restart(t *testing.T) {
	t.Helper()
	s.stop(t)
	s.launch(t)
}

// signed waits until the server answers for a zone with a signature, and
// returns the serial that it has then.
func (s *server) signed(t *testing.T, zone string) uint32 {
	t.Helper()
	var serial uint32
	until(t, "a signed "+zone, func() string {
		var problem string
		serial, problem = soa(s.addr, zone)
		return problem
	})
	return serial
}

// signedAfter waits until the server answers for a zone with another serial.
func (s *server) signedAfter(t *testing.T, zone string, old uint32) uint32 {
	t.Helper()
	var serial uint32
	until(t, fmt.Sprintf("%s after serial %d", zone, old), func() string {
		var problem string
		if serial, problem = soa(s.addr, zone); problem == "" && serial == old {
			problem = "still that serial"
		}
		return problem
	})
	return serial
}

// soa asks for the signed SOA of a zone; problem says what the answer lacks.
func soa(addr, zone string) (serial uint32, problem string) {
	r, err := exchange(addr, "udp", query(zone, dns.TypeSOA, true))
	if err != nil {
		return 0, err.Error()
	}
	sigs := 0
	for _, rr := range r.Answer {
		switch rr := rr.(type) {
		case *dns.SOA:
			serial = rr.Serial
		case *dns.RRSIG:
			sigs++
		}
	}
	if r.Rcode != dns.RcodeSuccess || serial == 0 && len(r.Answer) == 0 || sigs == 0 {
		return 0, fmt.Sprintf("answer to SOA %s: %v", zone, r)
	}
	return serial, ""
}

// query makes a question; with do it asks for DNSSEC records, by EDNS.
func query(name string, typ uint16, do bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), typ)
	m.RecursionDesired = false
	if do {
		m.SetEdns0(1232, true)
	}
	return m
}

func exchange(addr, network string, m *dns.Msg) (*dns.Msg, error) {
	c := dns.Client{Net: network, Timeout: 5 * time.Second}
	if network == "udp" && m.IsEdns0() == nil {
		c.UDPSize = dns.MinMsgSize
	}
	r, _, err := c.Exchange(m, addr)
	return r, err
}

// ask puts a question by UDP, and again by TCP when the answer was cut short.
func ask(t *testing.T, addr, name string, typ uint16, do bool) *dns.Msg {
	t.Helper()
	m := query(name, typ, do)
	r, err := exchange(addr, "udp", m)
	if err == nil && r.Truncated {
		r, err = exchange(addr, "tcp", m)
	}
	if err != nil {
		t.Fatalf("%s %s at %s: %v", name, dns.TypeToString[typ], addr, err)
	}
	return r
}

// dnskeys returns the DNSKEY set of a zone, as it is served.
func dnskeys(t *testing.T, addr, zone string) []*dns.DNSKEY {
	t.Helper()
	var keys []*dns.DNSKEY
	for _, rr := range ask(t, addr, zone, dns.TypeDNSKEY, true).Answer {
		if k, ok := rr.(*dns.DNSKEY); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		t.Fatalf("%s at %s has no DNSKEY", zone, addr)
	}
	return keys
}

// axfr transfers a zone with dig and returns the file that holds it: the text
// is another program's reading of what came over the wire.
func axfr(t *testing.T, addr, zone string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(addr)
	out, ok := output(t, "", "dig", "@"+host, "-p", port, "-b", "127.0.0.1",
		"+noall", "+answer", "+onesoa", "+nocookie", "axfr", zone)
	if !ok || !strings.Contains(out, "SOA") {
		t.Fatalf("AXFR of %s from %s:\n%s", zone, addr, out)
	}
	file := filepath.Join(t.TempDir(), "axfr.zone")
	write(t, filepath.Dir(file), map[string]string{"axfr.zone": out})
	return file
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
