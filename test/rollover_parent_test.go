package test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// parentZone is the zone above all that are rolled live; its key is the trust
// anchor.
const parentZone = "example."

// dsTTL is the TTL of DS records there, in seconds.
const dsTTL = 2

// registry is the parent zone in BIND, signed by BIND, and what a registry does
// for its children: it takes over their CDS. BIND itself does not ask for them.
type registry struct {
	dir  string
	addr string
	port int
}

// newRegistry starts the parent with unsigned delegations to its children.
func newRegistry(t *testing.T, children ...string) *registry {
	t.Helper()
	r := &registry{dir: t.TempDir(), port: freePort(t)}
	r.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port))
	var zone strings.Builder
	zone.WriteString("$TTL 2\n@ IN SOA ns1 hostmaster 1 3600 600 604800 2\n@ IN NS ns1\nns1 IN A 127.0.0.1\n")
	for _, c := range children {
		fmt.Fprintf(&zone, "%s IN NS ns1.%[1]s\nns1.%[1]s IN A 127.0.0.1\n", c)
	}
	write(t, r.dir, map[string]string{"db": zone.String(), "named.conf": fmt.Sprintf(`options {
  directory %q;
  listen-on port %d { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  recursion no;
  dnssec-validation no;
  notify no;
};
controls { };
dnssec-policy fixed {
  keys { csk lifetime unlimited algorithm ecdsap256sha256; };
  dnskey-ttl 2;
};
zone %q { type primary; file "db"; dnssec-policy fixed; inline-signing no; allow-update { 127.0.0.1; }; };
`, r.dir, r.port, parentZone)})
	spawn(t, r.dir, tool(t, "named"), "-g", "-n", "1", "-c", "named.conf")
	until(t, "a signed parent zone", func() string {
		_, problem := soa(r.addr, parentZone)
		return problem
	})
	return r
}

// update has nsupdate change the parent zone.
func (r *registry) update(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"script": fmt.Sprintf("server 127.0.0.1 %d\nlocal 127.0.0.1\n%s\nsend\n", r.port, script)})
	if out, ok := output(t, dir, "nsupdate", "script"); !ok {
		t.Fatalf("nsupdate: %s\n%s", script, out)
	}
}

// replace puts a child's DS set in the place of the one there, as a person
// does in a registrar's web page. No record at all makes the child insecure.
func (r *registry) replace(t *testing.T, child string, set ...*dns.DS) {
	t.Helper()
	script := fmt.Sprintf("del %s DS\n", child)
	for _, ds := range set {
		script += fmt.Sprintf("add %s %d DS %d %d %d %s\n", child, dsTTL, ds.KeyTag, ds.Algorithm, ds.DigestType, ds.Digest)
	}
	r.update(t, script)
}

// adopt takes over what a child's CDS records ask for, if that is anything new,
// by the rules of RFC 7344 as dnssec-cds knows them, and those of RFC 8078. A child
// without DS is left alone: the first DS is put in by hand.
func (r *registry) adopt(t *testing.T, server, child string) (changed bool, problem string) {
	t.Helper()
	have := records(r.addr, child, dns.TypeDS)
	if len(have) == 0 {
		return false, ""
	}
	var asked []dns.RR
	for _, typ := range []uint16{dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeDNSKEY} {
		asked = append(asked, records(server, child, typ)...)
	}
	if !slices.ContainsFunc(asked, isType(dns.TypeCDS)) || !slices.ContainsFunc(asked, isType(dns.TypeDNSKEY)) {
		return false, ""
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"child": joined(asked), "dsset": joined(slices.DeleteFunc(have, isType(dns.TypeRRSIG)))})
	// Inceptions lie an hour back, for validators whose clocks are behind.
	script, ok := output(t, dir, "dnssec-cds", "-u", "-s", "now-7200", "-T", strconv.Itoa(dsTTL), "-f", "child", "-d", "dsset", child)
	switch {
	case !ok:
		return false, fmt.Sprintf("dnssec-cds refuses what %s asks for: %s\n%s", child, script, joined(asked))
	case slices.ContainsFunc(asked, isDelete):
		// dnssec-cds has found the signatures good, but would make a DS of it.
		r.replace(t, child)
		return true, ""
	case strings.TrimSpace(script) == "":
		return false, ""
	}
	r.update(t, script)
	return true, ""
}

// watch adopts what the children ask for, again and again, until it is told to
// stop. Nothing is asked of dnssec-cds twice.
func (r *registry) watch(t *testing.T, stop <-chan struct{}, server string, children ...string) {
	var all sync.WaitGroup
	for _, c := range children {
		all.Go(func() { t.Run(c, func(t *testing.T) { r.watchOne(t, stop, server, c) }) })
	}
	all.Wait()
}

func (r *registry) watchOne(t *testing.T, stop <-chan struct{}, server, child string) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	done, refused := "", 0
	for {
		state := fmt.Sprint(contents(server, child, dns.TypeCDS), contents(server, child, dns.TypeDNSKEY), contents(r.addr, child, dns.TypeDS))
		if state != done {
			switch changed, problem := r.adopt(t, server, child); {
			case problem != "":
				// The sets were asked for one after the other, and may be of two versions.
				if refused++; refused == 4 {
					t.Error(problem)
				}
			case !changed:
				done, refused = state, 0
			default:
				refused = 0
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// records asks for a set with its signatures; nothing when nobody answers.
func records(addr, name string, typ uint16) []dns.RR {
	r, err := exchange(addr, "tcp", query(name, typ, true))
	if err != nil || r.Rcode != dns.RcodeSuccess {
		return nil
	}
	return r.Answer
}

// contents returns the records of a set without signatures, in order.
func contents(addr, name string, typ uint16) []string {
	var list []string
	for _, rr := range records(addr, name, typ) {
		if rr.Header().Rrtype == typ {
			list = append(list, rr.String())
		}
	}
	slices.Sort(list)
	return list
}

func isType(typ uint16) func(dns.RR) bool {
	return func(rr dns.RR) bool { return rr.Header().Rrtype == typ }
}

// isDelete reports whether a record asks for no DS at all (RFC 8078 section 4).
func isDelete(rr dns.RR) bool {
	cds, ok := rr.(*dns.CDS)
	return ok && cds.Algorithm == 0
}

func joined(rrs []dns.RR) string {
	var b strings.Builder
	for _, rr := range rrs {
		b.WriteString(rr.String() + "\n")
	}
	return b.String()
}

// dsOf makes the DS records of the keys that have the SEP bit.
func dsOf(keys []*dns.DNSKEY) []*dns.DS {
	var set []*dns.DS
	for _, k := range keys {
		if k.Flags&dns.SEP != 0 {
			set = append(set, k.ToDS(dns.SHA256))
		}
	}
	return set
}

// resolver starts an unbound that has a cache and takes its trust from the
// parent zone alone. Each child may have several servers.
func (r *registry) resolver(t *testing.T, children map[string][]string) *unbound {
	t.Helper()
	var locals, stubs strings.Builder
	for line := range strings.Lines(anchor(t, r.addr, parentZone)) {
		fmt.Fprintf(&locals, "  trust-anchor: %q\n", strings.TrimSpace(line))
	}
	fmt.Fprintf(&locals, "  local-zone: %q nodefault\n", parentZone)
	locals.WriteString(strictly)
	for zone, addrs := range children {
		fmt.Fprintf(&stubs, "stub-zone:\n  name: %q\n", zone)
		for _, a := range addrs {
			fmt.Fprintf(&stubs, "  stub-addr: %s\n", strings.Replace(a, ":", "@", 1))
		}
	}
	fmt.Fprintf(&stubs, "stub-zone:\n  name: %q\n  stub-addr: 127.0.0.1@%d\n", parentZone, r.port)
	dir, port := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(unboundConf, port, dir, "yes", locals.String(), stubs.String())
	write(t, dir, map[string]string{"unbound.conf": conf})
	return launchUnbound(t, dir, port)
}

// strictly makes a resolver that hides nothing: a validation that failed is not
// tried again with another answer, and says why it failed. A server that was
// dead or slow is asked again at once: what is tested is not the resolver's
// patience with busy machines.
const strictly = `  infra-host-ttl: 1
  infra-keep-probing: yes
  infra-cache-min-rtt: 1000
  outbound-msg-retry: 20
  harden-algo-downgrade: yes
  val-max-restart: 0
  val-bogus-ttl: 1
  cache-min-ttl: 0
  prefetch: no
  prefetch-key: no
  serve-expired: no
  ede: yes
`

// second starts BIND as another resolver with a cache: what one of them is
// lenient about the other may not be. It returns its address.
func (r *registry) second(t *testing.T, children map[string][]string) string {
	t.Helper()
	var anchors, zones strings.Builder
	for line := range strings.Lines(anchor(t, r.addr, parentZone)) {
		f := strings.Fields(line)
		fmt.Fprintf(&anchors, "  %q static-key %s %s %s %q;\n", f[0], f[3], f[4], f[5], f[6])
	}
	ask := func(zone string, addrs ...string) {
		fmt.Fprintf(&zones, "zone %q { type forward; forward only; forwarders {", zone)
		for _, a := range addrs {
			host, port, _ := net.SplitHostPort(a)
			fmt.Fprintf(&zones, " %s port %s;", host, port)
		}
		zones.WriteString(" }; };\n")
	}
	ask(parentZone, r.addr)
	for zone, addrs := range children {
		ask(zone, addrs...)
	}
	dir, port := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{"named.conf": fmt.Sprintf(`options {
  directory %q;
  listen-on port %d { 127.0.0.1; };
  listen-on-v6 { none; };
  query-source address 127.0.0.1;
  pid-file none;
  recursion yes;
  allow-recursion { 127.0.0.1; };
  dnssec-validation yes;
  qname-minimization off;
  empty-zones-enable no;
  max-stale-ttl 1;
  servfail-ttl 0;
};
controls { };
trust-anchors {
%s};
zone "." { type forward; forward only; forwarders { 127.0.0.1 port 1; }; };
%s`, dir, port, anchors.String(), zones.String())})
	spawn(t, dir, tool(t, "named"), "-g", "-n", "1", "-c", "named.conf")
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	until(t, "a resolver", func() string {
		m := query(parentZone, dns.TypeSOA, true)
		m.RecursionDesired = true
		msg, err := exchange(addr, "udp", m)
		if err == nil && !msg.AuthenticatedData {
			return fmt.Sprint("no trust: ", msg)
		}
		return text(err)
	})
	return addr
}
