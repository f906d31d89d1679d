package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

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

// TestRollover_TheWatcherSeesMistakes makes the classic mistakes, one after the
// other, with BIND's own tools. If the watcher had nothing to say about one of
// them, its silence would prove nothing about us.
func TestRollover_TheWatcherSeesMistakes(t *testing.T) {
	t.Parallel()
	zone := zoneOf("mistakes")
	parent, child := newRegistry(t, zone), newByBind(t, zone)
	first, second := []string{"-a", "ECDSAP256SHA256"}, []string{"-a", "ED25519"}
	ksk, zsk := child.key(t, append(first, "-f", "KSK")...), child.key(t, first...)
	ksk2, zsk2 := child.key(t, append(first, "-f", "KSK")...), child.key(t, first...)
	other := child.key(t, append(second, "-f", "KSK")...)
	child.serve(t, ksk, zsk)
	parent.replace(t, zone, child.ds(t, ksk))
	g := &stage{resolver: parent.resolver(t, map[string][]string{zone: {child.addr}})}
	for _, m := range []struct {
		name string
		do   func()
		undo func()
	}{
		{"a ZSK that signs before it was published", func() { child.serve(t, ksk, zsk2) }, func() { child.serve(t, ksk, zsk) }},
		{"a KSK without DS", func() { child.serve(t, ksk2, zsk) }, func() { child.serve(t, ksk, zsk) }},
		{"a DS without key", func() { parent.replace(t, zone, child.ds(t, ksk2)) }, func() { parent.replace(t, zone, child.ds(t, ksk)) }},
		{"a DS of an algorithm that does not sign", func() { parent.replace(t, zone, child.ds(t, ksk), child.ds(t, other)) },
			func() { parent.replace(t, zone, child.ds(t, ksk)) }},
		{"a DS withdrawn", func() { parent.replace(t, zone) }, func() { parent.replace(t, zone, child.ds(t, ksk)) }},
		{"signatures that have expired", func() {
			child.times = []string{"-s", "now-7200", "-e", "now-3600"}
			child.serve(t, ksk, zsk)
		}, func() {}},
	} {
		// A watcher that finds nothing wrong: the caches have forgotten the last mistake.
		until(t, "trust before "+m.name, func() string {
			w := watchZone(g.resolver, zone)
			a := &actor{stage: g, zone: zone, watcher: w}
			a.rest(t)
			w.end()
			return strings.Join(w.faults, "; ")
		})
		w := watchZone(g.resolver, zone)
		m.do()
		until(t, m.name, func() string {
			if w.faulty() == 0 {
				return "no answer is wrong"
			}
			return ""
		})
		w.end()
		t.Logf("%s: %s", m.name, w.faults[0])
		m.undo()
	}
}
