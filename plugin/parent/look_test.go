package parent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	orgSOA = "org. 60 SOA a. b. 1 2 3 4 5"
	childD = "child.org. 60 DS 1 13 2 00"
)

// TestLook_BelievesOnlyServersOfTheParent: of what a server found by its name
// says, only what it says as a server of the parent counts.
func TestLook_BelievesOnlyServersOfTheParent(t *testing.T) {
	without := func(f func(*dns.Msg) *dns.Msg) func(*dns.Msg) *dns.Msg {
		return func(q *dns.Msg) *dns.Msg {
			m := f(q)
			m.Authoritative, m.RecursionAvailable = false, true
			return m
		}
	}
	otherCase := func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, orgSOA)(q)
		for m.Question[0].Name == q.Question[0].Name {
			m.Question[0].Name = mixCase(m.Question[0].Name)
		}
		return m
	}
	wrongID := func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, orgSOA)(q)
		m.Id++
		return m
	}
	ds := reply(t, dns.RcodeSuccess, childD)
	for _, c := range []struct {
		name     string
		udp, tcp func(q *dns.Msg) *dns.Msg
		tags     []uint16
		want     string
	}{
		{"a DS", ds, nil, []uint16{1}, ""},
		{"none", reply(t, dns.RcodeSuccess, orgSOA), nil, nil, ""},
		{"no such name", reply(t, dns.RcodeNameError, orgSOA), nil, nil, ""},
		{"a DS out of a cache", without(ds), nil, nil, "answers without authority"},
		{"none, out of a cache", without(reply(t, dns.RcodeSuccess, orgSOA)), nil, nil, "answers without authority"},
		{"no name, out of a cache", without(reply(t, dns.RcodeNameError, orgSOA)), nil, nil, "answers without authority"},
		{"a referral to the child", without(reply(t, dns.RcodeSuccess, "child.org. 60 NS ns.child.org.")), nil, nil, "only refers"},
		{"a referral upwards", without(reply(t, dns.RcodeSuccess, ". 60 NS a.root-servers.net.")), nil, nil, "only refers"},
		{"refuses", reply(t, dns.RcodeRefused, childD), nil, nil, "answers REFUSED"},
		{"fails", reply(t, dns.RcodeServerFailure), nil, nil, "answers SERVFAIL"},
		{"none, as the child's server", reply(t, dns.RcodeSuccess, "child.org. 60 SOA a. b. 1 2 3 4 5"), nil, nil, "server of the zone itself"},
		{"none, as a zone that is not the parent", reply(t, dns.RcodeNameError, ". 60 SOA a. b. 1 2 3 4 5"), nil, nil, "answers from . and not from org."},
		{"none, without proof", reply(t, dns.RcodeSuccess), nil, nil, "without the SOA"},
		{"the name in another case than asked: over TCP then", otherCase, ds, []uint16{1}, ""},
		{"the name in another case than asked", otherCase, nil, nil, "connection refused"},
		{"under another ID", wrongID, ds, []uint16{1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, c.udp, c.tcp)
			port, err := parsePort(server)
			if err != nil {
				t.Fatal(err)
			}
			resolver := resolving(t, orgSOA, "org. 60 NS ns.org.", "ns.org. 60 A 127.0.0.1")
			l, err := Observer{Resolvers: []string{resolver}, Port: port}.Look(t.Context(), "child.org")
			if err != nil || l.Zone != "org." || len(l.Servers) != 1 {
				t.Fatal(l, err)
			}
			s := l.Servers[0]
			if s.Name != "ns.org." || s.Address != server || !slices.Equal(tags(s.DS), c.tags) || (s.Err == nil) != (c.want == "") {
				t.Fatalf("%+v", s)
			}
			if s.Err != nil && !strings.Contains(s.Err.Error(), c.want) {
				t.Errorf("%v, want %q", s.Err, c.want)
			}
		})
	}
}

// TestLook_FindsTheCut: the parent is where the cut is, not one label up.
func TestLook_FindsTheCut(t *testing.T) {
	for _, c := range []struct {
		name    string
		records []string
		zone    string
		parent  string
	}{
		{"one label up", []string{orgSOA, "org. 60 NS ns."}, "child.org.", "org."},
		{"two labels up", []string{orgSOA, "org. 60 NS ns."}, "deep.down.org.", "org."},
		{"two labels up, no SOA in denials", []string{"alias.org. 60 CNAME x.net.", orgSOA, "org. 60 NS ns."}, "x.alias.org.", "org."},
		{"the nearer of two", []string{orgSOA, "co.org. 60 SOA a. b. 1 2 3 4 5", "co.org. 60 NS ns."}, "child.co.org.", "co.org."},
		{"the root", []string{". 60 SOA a. b. 1 2 3 4 5", ". 60 NS ns."}, "org.", "."},
		{"no zone at all", nil, "child.org.", ""},
		{"no server", []string{orgSOA}, "child.org.", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Observer{Resolvers: []string{resolving(t, c.records...)}}.Look(t.Context(), c.zone)
			if c.parent == "" {
				if !errors.Is(err, ErrUnreachable) || l.Servers != nil || !strings.HasPrefix(err.Error(), "parent of "+c.zone) {
					t.Errorf("%+v, %v", l, err)
				}
				return
			}
			if err != nil || l.Zone != c.parent || len(l.Servers) != 1 || l.Servers[0].Err == nil {
				t.Errorf("%+v, %v", l, err)
			}
		})
	}
	if _, err := (Observer{}).Look(t.Context(), "."); !errors.Is(err, ErrNoParent) {
		t.Error(err)
	}
}

// TestLook_AsksEveryAddress: every address once, under its first name, and one that
// is slow or lies hides nothing of what the others have.
func TestLook_AsksEveryAddress(t *testing.T) {
	const first, second, third, fourth = "127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"
	port := uint16(freePort(t, first, second, third, fourth))
	at := func(host string) string { return netip.AddrPortFrom(netip.MustParseAddr(host), port).String() }
	answeringAt(t, at(first), reply(t, dns.RcodeSuccess, "child.org. 900 DS 1 13 2 00"), nil)
	answeringAt(t, at(second), reply(t, dns.RcodeSuccess, childD, "child.org. 60 DS 2 13 2 00"), nil)
	answeringAt(t, at(third), nil, nil) // slow
	answeringAt(t, at(fourth), func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, orgSOA)(q)
		m.Question[0].Qtype = dns.TypeA // lies
		return m
	}, nil)
	resolver := resolving(t, orgSOA, "org. 60 NS b.org.", "org. 60 NS A.org.", "a.org. 60 A 127.0.0.1", "a.org. 60 A 127.0.0.2",
		"b.org. 60 A 127.0.0.2", "b.org. 60 A 127.0.0.3", "b.org. 60 A 127.0.0.4", "b.org. 60 A 127.0.0.4")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	l, err := Observer{Resolvers: []string{resolver}, Port: port}.Look(ctx, "child.org.")
	if took := time.Since(began); err != nil || took > 3*time.Second {
		t.Fatalf("after %s: %v", took, err)
	}
	var got []string
	for _, s := range l.Servers {
		got = append(got, fmt.Sprintf("%s %v %v", s, tags(s.DS), s.Err != nil))
	}
	want := []string{
		"a.org. (" + at(first) + ") [1] false", "a.org. (" + at(second) + ") [1 2] false",
		"b.org. (" + at(third) + ") [] true", "b.org. (" + at(fourth) + ") [] true",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	tag := func(tag uint16) func(DS) bool { return func(d DS) bool { return d.KeyTag == tag } }
	if l.TTL != 900 || l.Seen(tag(1)) != 2 || l.Seen(tag(2)) != 1 || l.Seen(tag(3)) != 0 {
		t.Errorf("TTL %d, %+v", l.TTL, l.Servers)
	}
}

// TestAgree_NeedsEverybody: ignorance is not agreement, and nor is silence.
func TestAgree_NeedsEverybody(t *testing.T) {
	one, two := DS{1, 13, 2, []byte{0}, 60}, DS{2, 13, 2, []byte{0}, 60}
	long := one
	long.TTL = 900
	has := func(list ...DS) Server { return Server{Name: "ns.", Address: "192.0.2.1:53", DS: list} }
	failed := Server{Name: "ns.", Err: errors.New("no address")}
	for _, c := range []struct {
		name    string
		servers []Server
		ttl     uint32
		err     error
	}{
		{"one", []Server{has(one)}, 60, nil},
		{"all have it", []Server{has(one), has(long), has(one)}, 900, nil},
		{"none has any", []Server{has(), has()}, 0, nil},
		{"one has none", []Server{has(one), has()}, 0, ErrDisagree},
		{"one has more", []Server{has(one), has(one, two)}, 0, ErrDisagree},
		{"one has another", []Server{has(one), has(two)}, 0, ErrDisagree},
		{"one is silent", []Server{has(one), failed}, 0, ErrUnreachable},
		{"all are silent", []Server{failed, failed}, 0, ErrUnreachable},
		{"one is silent, others disagree", []Server{has(one), has(two), failed}, 0, ErrUnreachable},
		{"nobody", nil, 0, ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Look{Servers: c.servers}
			list, err := l.Agree()
			if !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
				t.Fatal(list, err)
			}
			var ttl uint32
			for _, d := range list {
				ttl = max(ttl, d.TTL)
			}
			if ttl != c.ttl || one.TTL != 60 || len(c.servers) > 0 && len(c.servers[0].DS) > 0 && c.servers[0].DS[0].TTL != 60 {
				t.Errorf("TTL %d, want %d", ttl, c.ttl)
			}
		})
	}
}
