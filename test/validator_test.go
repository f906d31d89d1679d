package test

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// verdict is what a validator thinks of an answer.
type verdict string

const (
	secure   verdict = "secure"
	insecure verdict = "insecure"
	bogus    verdict = "bogus"
)

// anchor returns the key signing keys of a zone as lines of a zone file. They
// are taken from the server itself: what is tested is the chain below them.
func anchor(t *testing.T, addr, zone string) string {
	t.Helper()
	var b strings.Builder
	for _, k := range dnskeys(t, addr, zone) {
		if k.Flags&dns.SEP != 0 {
			fmt.Fprintf(&b, "%s IN DNSKEY %d %d %d %s\n", dns.Fqdn(zone), k.Flags, k.Protocol, k.Algorithm, k.PublicKey)
		}
	}
	return b.String()
}

// delv is BIND's validator, with the keys of one zone as its trust anchor.
type delv struct {
	addr, zone, anchors string
}

func newDelv(t *testing.T, addr, zone string) *delv {
	t.Helper()
	var b strings.Builder
	b.WriteString("trust-anchors {\n")
	for line := range strings.Lines(anchor(t, addr, zone)) {
		f := strings.Fields(line)
		fmt.Fprintf(&b, "  %q static-key %s %s %s %q;\n", f[0], f[3], f[4], f[5], f[6])
	}
	b.WriteString("};\n")
	dir := t.TempDir()
	write(t, dir, map[string]string{"anchors": b.String()})
	return &delv{addr, zone, filepath.Join(dir, "anchors")}
}

// ask returns delv's verdict and all that it said.
func (d *delv) ask(t *testing.T, name, typ string) (verdict, string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(d.addr)
	out, _ := output(t, "", "delv", "@"+host, "-p", port, "-b", "127.0.0.1", "-a", d.anchors,
		"+root="+d.zone, "-q", name, "-t", typ)
	switch failed := strings.Contains(out, "resolution failed") && !strings.Contains(out, "failed: ncache"); {
	case failed || !strings.Contains(out, "; "):
		return bogus, out
	case strings.Contains(out, "unsigned answer"), !strings.Contains(out, "fully validated"):
		return insecure, out
	}
	return secure, out
}

// unbound is a validating resolver that knows the servers and the anchors of
// some zones and nothing of the rest of the world.
type unbound struct {
	*process
	addr string
}

// unboundConf sends nothing beyond this machine: it leaves from 127.0.0.1, and
// whatever is not configured is looked for at a port where nobody listens.
const unboundConf = `server:
  interface: 127.0.0.1
  port: %d
  outgoing-interface: 127.0.0.1
  do-ip6: no
  do-daemonize: no
  do-not-query-localhost: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: %q
  pidfile: ""
  module-config: "validator iterator"
  val-log-level: 2
  qname-minimisation: no
  aggressive-nsec: %s
  trust-anchor-signaling: no
  minimal-responses: no
  access-control: 127.0.0.0/8 allow
  unblock-lan-zones: yes
  insecure-lan-zones: no
  num-threads: 1
  outgoing-range: 200
  infra-cache-max-rtt: 2000
%sremote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: 127.0.0.1@1
%s`

// upstream is a zone that unbound asks for at an address; with secure its keys
// are a trust anchor.
type upstream struct {
	zone, addr string
	anchored   bool
}

// newUnbound starts a resolver for zones; aggressive lets it synthesize
// negative answers from proofs it has seen (RFC 8198).
func newUnbound(t *testing.T, aggressive bool, zones ...upstream) *unbound {
	t.Helper()
	var anchors, stubs strings.Builder
	for _, z := range zones {
		if z.anchored {
			for line := range strings.Lines(anchor(t, z.addr, z.zone)) {
				fmt.Fprintf(&anchors, "  trust-anchor: %q\n", strings.TrimSpace(line))
			}
		}
		if z.zone != "." {
			fmt.Fprintf(&anchors, "  local-zone: %q nodefault\n", z.zone)
		}
		host, port, _ := net.SplitHostPort(z.addr)
		fmt.Fprintf(&stubs, "stub-zone:\n  name: %q\n  stub-addr: %s@%s\n", z.zone, host, port)
	}
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(unboundConf, port, dir, yes(aggressive), anchors.String(), stubs.String())
	if strings.Contains(stubs.String(), `name: "."`) {
		conf = strings.Replace(conf, "stub-zone:\n  name: \".\"\n  stub-addr: 127.0.0.1@1\n", "", 1)
	}
	write(t, dir, map[string]string{"unbound.conf": conf})
	return launchUnbound(t, dir, port)
}

// launchUnbound starts unbound on the unbound.conf in dir.
func launchUnbound(t *testing.T, dir string, port int) *unbound {
	t.Helper()
	u := &unbound{
		process: spawn(t, dir, tool(t, "unbound"), "-d", "-c", filepath.Join(dir, "unbound.conf")),
		addr:    net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
	}
	until(t, "unbound", func() string {
		m := query("version.bind.", dns.TypeTXT, false)
		m.Question[0].Qclass = dns.ClassCHAOS
		_, err := exchange(u.addr, "udp", m)
		return text(err)
	})
	return u
}

// ask returns unbound's verdict and the message.
func (u *unbound) ask(t *testing.T, name string, typ uint16) (verdict, *dns.Msg) {
	t.Helper()
	m := query(name, typ, true)
	m.RecursionDesired = true
	// By TCP: one question, however long the resolver needs to walk down a name.
	c := dns.Client{Net: "tcp", Timeout: patience}
	r, _, err := c.Exchange(m, u.addr)
	if err != nil {
		t.Fatalf("unbound: %s %s: %v", name, dns.TypeToString[typ], err)
	}
	switch {
	case r.Rcode == dns.RcodeServerFailure:
		return bogus, r
	case r.AuthenticatedData:
		return secure, r
	}
	return insecure, r
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
