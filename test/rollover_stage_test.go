package test

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/miekg/dns"
)

// hasty is a policy whose waits are seconds: every hold of a roll, and the
// period over which signatures are renewed, is as short as the rules allow.
var hasty = []string{
	"dnskey_ttl 2s",
	"signatures_validity 60s",
	"signatures_validity_dnskey 60s",
	"signatures_refresh 55s",
	"publish_safety 1s",
	"retire_safety 1s",
	"purge_keys 10s",
	"zone_propagation_delay 5s", // to the secondary, even when our server was just killed
}

// stage is all that a live test runs: our server, a secondary of it, the parent,
// and the validating resolvers that all questions go through.
type stage struct {
	*server
	parent    *registry
	resolver  *unbound
	second    string // the address of another resolver
	secondary string // its address
	deadly    bool   // the server is killed again and again
	rounds    int    // how often keys with a lifetime are replaced

	mu       sync.Mutex
	policies map[string][]string // of each zone
	ended    chan struct{}       // closed when the last story is over
}

// zoneOf returns the zone in which a story plays.
func zoneOf(story string) string { return strings.ToLower(story) + "." + parentZone }

// childOf returns the zone below that, in which a story with a child plays.
func childOf(story string) string { return "child." + zoneOf(story) }

// lively is a zone with short TTLs and names for all beats.
func lively(serial int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "$TTL 2\n@ IN SOA ns1 hostmaster %d 1 1 604800 2\n@ IN NS ns1\nns1 IN A 127.0.0.1\n", serial)
	b.WriteString("www IN A 192.0.2.80\nalias IN CNAME www\n*.wild IN TXT any\nsub IN NS ns.sub\nns.sub IN A 127.0.0.1\n")
	for i := range hosts {
		fmt.Fprintf(&b, "h%d IN A 192.0.2.%d\n", i, i)
	}
	return b.String()
}

// newStage starts everything. The resolvers ask the secondary as well as our
// server, and go on asking it when ours is dead.
func newStage(t *testing.T, sec secondary, deadly bool) *stage {
	t.Helper()
	g := &stage{policies: map[string][]string{}, ended: make(chan struct{}), rounds: 2, deadly: deadly}
	if deadly {
		g.rounds = 1
	}
	var top []string // below the zone in BIND
	for _, s := range stories {
		top = append(top, zoneOf(s.name))
		g.policies[zoneOf(s.name)] = s.policy
		if s.child != nil {
			g.policies[childOf(s.name)] = s.child
		}
	}
	zones := slices.Sorted(maps.Keys(g.policies))
	g.parent = newRegistry(t, top...)
	g.server = &server{dir: t.TempDir(), port: freePort(t)}
	g.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(g.port))
	announce := freePort(t)
	g.secondary = net.JoinHostPort("127.0.0.1", strconv.Itoa(announce))
	for _, z := range zones {
		text := lively(1)
		if g.policies["child."+z] != nil {
			text += "child IN NS ns1.child\nns1.child IN A 127.0.0.1\n"
		}
		write(t, g.dir, map[string]string{"db." + z: text})
	}
	g.configure(t, g.corefile())
	g.launch(t)
	servers := map[string][]string{}
	for _, z := range zones {
		g.signed(t, z)
		servers[z] = []string{g.addr, g.secondary}
	}
	follow(t, sec, announce, g.port, zones)
	for _, z := range zones {
		until(t, "the secondary's copy of "+z, func() string {
			_, problem := soa(g.secondary, z)
			return problem
		})
	}
	g.resolver, g.second = g.parent.resolver(t, servers), g.parent.second(t, servers)
	for _, z := range top {
		g.delegate(t, z)
	}
	for _, z := range zones {
		g.trusted(t, z)
	}
	return g
}

// corefile makes the Corefile of all zones, each with the policy it has now.
func (g *stage) corefile() string {
	var b strings.Builder
	for _, z := range slices.Sorted(maps.Keys(g.policies)) {
		properties := append(slices.Clone(hasty), g.policies[z]...)
		where := "agents " + g.parent.addr
		if strings.HasPrefix(z, "child.") {
			where = "local"
		}
		properties = append(properties, fmt.Sprintf("parent %s ds_ttl %ds propagation_delay 1s", where, dsTTL))
		text := strings.Replace(block(z, "db."+z, properties...), "        parent none\n", "", 1)
		b.WriteString(strings.Replace(text, "to *", "to * "+g.secondary, 1))
	}
	return b.String()
}

// change gives a zone another policy and has the server read it, as an
// operator does.
func (g *stage) change(t *testing.T, zone string, policy ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.policies[zone] = policy
	g.configure(t, g.corefile())
	// A server that was killed reads the file when it starts again.
	g.cmd.Process.Signal(syscall.SIGUSR1)
}

// delegate puts a zone's first DS into the parent, as its CDS asks, or by hand
// where it has none.
func (g *stage) delegate(t *testing.T, zone string) {
	t.Helper()
	g.mu.Lock()
	silent := slices.Contains(g.policies[zone], "cds off")
	g.mu.Unlock()
	if silent {
		g.parent.replace(t, zone, dsOf(dnskeys(t, g.addr, zone))...)
	} else {
		until(t, "CDS of "+zone, func() string {
			var set []*dns.DS
			for _, rr := range records(g.addr, zone, dns.TypeCDS) {
				if cds, ok := rr.(*dns.CDS); ok && cds.Algorithm != 0 {
					set = append(set, &cds.DS)
				}
			}
			if len(set) == 0 {
				return "none"
			}
			g.parent.replace(t, zone, set...)
			return ""
		})
	}
}

// trusted waits until the resolvers trust a zone.
func (g *stage) trusted(t *testing.T, zone string) {
	t.Helper()
	for _, resolver := range []string{g.resolver.addr, g.second} {
		until(t, "trust in "+zone, func() string {
			m := query("www."+zone, dns.TypeA, true)
			m.RecursionDesired = true
			r, err := exchange(resolver, "tcp", m)
			if err == nil && !r.AuthenticatedData {
				return fmt.Sprint("not secure: ", r)
			}
			return text(err)
		})
	}
}

// play runs a story on its zone, with questions asked all the time, and judges
// what was answered meanwhile.
func (g *stage) play(t *testing.T, name string, s story) {
	t.Helper()
	a, parent := &actor{stage: g, zone: zoneOf(name)}, g.parent.addr
	if s.child != nil {
		a.zone, parent = childOf(name), g.addr
	}
	a.recorder = record(g.addr, parent, a.zone)
	a.watcher, a.another = watchZone("unbound", g.resolver.addr, a.zone, g.deadly), watchZone("BIND", g.second, a.zone, false)
	defer func() {
		a.recorder.end()
		a.watcher.end()
		a.another.end()
		a.recorder.judge(t, s.keys, s.signatures)
		a.watcher.judge(t)
		a.another.judge(t)
		if t.Failed() || testing.Verbose() {
			t.Logf("%s, as it went:\n%s", a.zone, a.recorder.story())
		}
	}()
	a.recorder.wait(t, "the zone is seen", func(p picture) bool { return len(p.keys) > 0 }) // the server may just have died
	s.play(t, a)
	// Once round all caches, for what comes only then.
	a.rest(t)
}

// story is something that happens to the keys of a zone.
type story struct {
	name       string
	policy     []string
	child      []string // the policy of a zone below it on the same server, in which the story plays then
	keys       int      // the largest DNSKEY set it may make
	signatures int      // the most signatures over one set
	byHand     bool     // the registry does not look at the zone's CDS
	play       func(t *testing.T, a *actor)
}

// actor is a zone under a story.
type actor struct {
	*stage
	zone     string
	recorder *recorder
	watcher  *watcher // through unbound
	another  *watcher // through BIND
}

// expects says what validators may say of the zone from now on.
func (a *actor) expects(e expectation) {
	a.watcher.expects(e)
	a.another.expects(e)
}

// rest waits for so many more questions that each was asked several times.
func (a *actor) rest(t *testing.T) {
	t.Helper()
	asked := func() int {
		a.watcher.mu.Lock()
		defer a.watcher.mu.Unlock()
		return a.watcher.asked
	}
	enough := asked() + 200
	until(t, "more questions", func() string {
		if n := asked(); n < enough {
			return fmt.Sprintf("%d of %d", n, enough)
		}
		return ""
	})
}

// replaced waits until all keys with flags that were served at the beginning
// are gone: from the DNSKEY set, as signers, and at the parent.
func (a *actor) replaced(t *testing.T, what string, old map[string]*dns.DNSKEY) {
	t.Helper()
	if len(old) == 0 {
		t.Fatalf("%s: there is no key to be replaced", what)
	}
	a.recorder.wait(t, what, func(p picture) bool {
		for public, k := range old {
			if p.keys[public] != nil || p.shows(k.KeyTag()) {
				return false
			}
		}
		return len(p.keys) > 0
	})
}

// shows reports whether a key with a tag is to be seen anywhere.
func (p picture) shows(tag uint16) bool {
	return slices.Contains(p.signers, tag) || slices.Contains(p.data, tag) || slices.Contains(p.ds, tag) ||
		slices.Contains(p.cds, fmt.Sprint(tag))
}

// with returns the keys that have exactly these flags.
func (p picture) with(flags uint16) map[string]*dns.DNSKEY {
	found := map[string]*dns.DNSKEY{}
	for public, k := range p.keys {
		if k.Flags == flags {
			found[public] = k
		}
	}
	return found
}
