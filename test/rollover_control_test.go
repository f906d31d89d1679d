package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// byBind is a child zone that BIND serves and its tools sign, with whatever
// keys a test says: so it can be rolled as it must not be.
type byBind struct {
	*process
	dir, zone, addr string
	serial          int
	times           []string // options of dnssec-signzone
}

func newByBind(t *testing.T, zone string) *byBind {
	t.Helper()
	c := &byBind{dir: t.TempDir(), zone: zone}
	port := freePort(t)
	c.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	write(t, c.dir, map[string]string{"named.conf": fmt.Sprintf(`options {
  directory %q;
  listen-on port %d { 127.0.0.1; };
  listen-on-v6 { none; };
  pid-file none;
  recursion no;
  notify no;
};
controls { };
zone %q { type primary; file "signed"; };
`, c.dir, port, zone)})
	return c
}

// key makes a key with the longer TTL of 3 seconds, and returns its base name.
func (c *byBind) key(t *testing.T, options ...string) string {
	t.Helper()
	args := append([]string{"-q", "-L", "3"}, options...)
	out, ok := output(t, c.dir, "dnssec-keygen", append(args, c.zone)...)
	if !ok {
		t.Fatalf("dnssec-keygen: %s", out)
	}
	return strings.TrimSpace(out)
}

// serve signs the zone with keys alone and has BIND serve that.
func (c *byBind) serve(t *testing.T, keys ...string) {
	t.Helper()
	c.serial++
	text := lively(c.serial)
	for _, k := range keys {
		key, err := os.ReadFile(filepath.Join(c.dir, k+".key"))
		if err != nil {
			t.Fatal(err)
		}
		text += string(key)
	}
	write(t, c.dir, map[string]string{"db": text})
	args := slices.Concat([]string{"-P", "-o", c.zone, "-f", "signed"}, c.times, []string{"db"}, keys)
	if out, ok := output(t, c.dir, "dnssec-signzone", args...); !ok {
		t.Fatalf("dnssec-signzone: %s", out)
	}
	if c.process == nil {
		c.process = spawn(t, c.dir, tool(t, "named"), "-g", "-n", "1", "-c", "named.conf")
	} else if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "the version just signed", func() string {
		got, problem := soa(c.addr, c.zone)
		if problem == "" && got != uint32(c.serial) {
			return fmt.Sprintf("serial %d", got)
		}
		return problem
	})
}

// ds returns the DS record of a key.
func (c *byBind) ds(t *testing.T, key string) *dns.DS {
	t.Helper()
	for _, rr := range parse(t, filepath.Join(c.dir, key+".key")) {
		if k, ok := rr.(*dns.DNSKEY); ok {
			return k.ToDS(dns.SHA256)
		}
	}
	t.Fatalf("%s holds no key", key)
	return nil
}

// mistake is something that must not be done to a zone with the keys ksk and
// zsk, and could be with spare keys.
type mistake struct {
	name    string
	lenient string // the resolver that does not mind
	do      func(t *testing.T, r *registry, c *byBind, k pairs)
}

// pairs are keys of a zone, by their base names.
type pairs struct{ ksk, zsk, ksk2, zsk2, other string }

var mistakes = []mistake{
	{"a ZSK that signs before it was published", "", func(t *testing.T, _ *registry, c *byBind, k pairs) { c.serve(t, k.ksk, k.zsk2) }},
	{"a KSK without DS", "", func(t *testing.T, _ *registry, c *byBind, k pairs) { c.serve(t, k.ksk2, k.zsk) }},
	{"a DS without key", "", func(t *testing.T, r *registry, c *byBind, k pairs) { r.replace(t, c.zone, c.ds(t, k.ksk2)) }},
	{"a DS of an algorithm that does not sign", "BIND", func(t *testing.T, r *registry, c *byBind, k pairs) {
		r.replace(t, c.zone, c.ds(t, k.ksk), c.ds(t, k.other))
	}},
	{"a DS withdrawn", "", func(t *testing.T, r *registry, c *byBind, _ pairs) { r.replace(t, c.zone) }},
	{"signatures that have expired", "", func(t *testing.T, _ *registry, c *byBind, k pairs) {
		c.times = []string{"-s", "now-7200", "-e", "now-3600"}
		c.serve(t, k.ksk, k.zsk)
	}},
}

// TestRollover_TheWatcherSeesMistakes makes the classic mistakes with BIND's own
// tools, each in a zone of its own. If the watchers had nothing to say about one
// of them, their silence would prove nothing about us.
func TestRollover_TheWatcherSeesMistakes(t *testing.T) {
	t.Parallel()
	var zones []string
	var children []*byBind
	servers := map[string][]string{}
	for i := range mistakes {
		zone := zoneOf(fmt.Sprint("mistake", i))
		c := newByBind(t, zone)
		zones, children, servers[zone] = append(zones, zone), append(children, c), []string{c.addr}
	}
	parent := newRegistry(t, zones...)
	unbound, bind := parent.resolver(t, servers).addr, parent.second(t, servers)
	var all sync.WaitGroup
	for i, m := range mistakes {
		all.Go(func() {
			t.Run(m.name, func(t *testing.T) { m.mustBeSeen(t, parent, children[i], unbound, bind) })
		})
	}
	all.Wait()
}

// mustBeSeen watches a zone before and after the mistake.
func (m mistake) mustBeSeen(t *testing.T, parent *registry, c *byBind, unbound, bind string) {
	p256 := func(options ...string) string { return c.key(t, append(options, "-a", "ECDSAP256SHA256")...) }
	k := pairs{p256("-f", "KSK"), p256(), p256("-f", "KSK"), p256(), c.key(t, "-f", "KSK", "-a", "ED25519")}
	c.serve(t, k.ksk, k.zsk)
	parent.replace(t, c.zone, c.ds(t, k.ksk))
	a := &actor{zone: c.zone, watcher: watchZone("unbound", unbound, c.zone, false), another: watchZone("BIND", bind, c.zone, false)}
	a.rest(t)
	for _, w := range []*watcher{a.watcher, a.another} {
		if n := w.faulty(); n > 0 {
			t.Errorf("before it, through %s: %s", w.through, w.faults[0])
		}
	}
	m.do(t, parent, c, k)
	done := time.Now()
	for _, w := range []*watcher{a.watcher, a.another} {
		until(t, m.name, func() string {
			if w.faulty() == 0 && w.through != m.lenient {
				if time.Since(done) > 10*time.Second { // caches may have run out just then: once more, with the other ZSK
					k.zsk, k.zsk2 = k.zsk2, k.zsk
					m.do(t, parent, c, k)
					done = time.Now()
				}
				return "no answer through " + w.through + " is wrong"
			}
			return ""
		})
		w.end()
		t.Logf("through %s: %q", w.through, w.faults[:min(1, len(w.faults))])
	}
}
