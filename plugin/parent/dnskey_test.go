package parent

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestDNSKEY_BelievesOnlyServersOfTheZone: what a server found by its name shows
// counts only if it speaks for the zone.
func TestDNSKEY_BelievesOnlyServersOfTheZone(t *testing.T) {
	const (
		soa  = "example.org. 60 SOA a. b. 42 2 3 4 5"
		key  = "example.org. 60 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
		key2 = "example.org. 90 DNSKEY 256 3 15 zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs="
	)
	serves := func(soas, keys func(*dns.Msg) *dns.Msg) func(*dns.Msg) *dns.Msg {
		return func(q *dns.Msg) *dns.Msg {
			if q.RecursionDesired {
				t.Error("asked for recursion")
			}
			if q.Question[0].Qtype == dns.TypeSOA {
				m := soas(q)
				m.Answer, m.Ns = m.Ns, nil
				return m
			}
			return keys(q)
		}
	}
	good := reply(t, dns.RcodeSuccess, soa)
	cached := func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, key)(q)
		m.Authoritative = false
		return m
	}
	long := func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess)(q)
		m.Truncated = true
		return m
	}
	for _, c := range []struct {
		name     string
		udp, tcp func(*dns.Msg) *dns.Msg
		keys     int
		ttl      uint32
		want     string
	}{
		{"keys", serves(good, reply(t, dns.RcodeSuccess, key, key2, key)), nil, 2, 90, ""},
		{"unsigned", serves(good, good), nil, 0, 0, ""},
		{"many keys", serves(good, long), serves(good, reply(t, dns.RcodeSuccess, key)), 1, 60, ""},
		{"out of a cache", serves(good, cached), nil, 0, 0, "DNSKEY: answers without authority"},
		{"no SOA", serves(reply(t, dns.RcodeSuccess), good), nil, 0, 0, "has no SOA of the zone"},
		{"refuses", serves(reply(t, dns.RcodeRefused, soa), good), nil, 0, 0, "SOA: answers REFUSED"},
		{"fails", serves(good, reply(t, dns.RcodeServerFailure)), nil, 0, 0, "DNSKEY: answers SERVFAIL"},
		{"no keys, without proof", serves(good, reply(t, dns.RcodeSuccess)), nil, 0, 0, "without a key"},
		{"no keys, as another zone", serves(good, reply(t, dns.RcodeSuccess, "org. 60 SOA a. b. 1 2 3 4 5")), nil, 0, 0, "without a key"},
		{"no such name", serves(good, reply(t, dns.RcodeNameError, soa)), nil, 0, 0, "without a key"},
		{"keys of another name", serves(good, reply(t, dns.RcodeSuccess, strings.ReplaceAll(key, "example.org", "org"))), nil, 0, 0, "without a key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, c.udp, c.tcp)
			port, err := parsePort(server)
			if err != nil {
				t.Fatal(err)
			}
			resolver := resolving(t, "example.org. 60 NS ns.org.", "ns.org. 60 A 127.0.0.1")
			p, err := Observer{Resolvers: []string{resolver}, Port: port}.DNSKEY(t.Context(), "Example.org")
			if err != nil || len(p.Copies) != 1 || p.At.IsZero() {
				t.Fatal(p, err)
			}
			got := p.Copies[0]
			if got.Name != "ns.org." || got.Address != server || len(got.DNSKEY) != c.keys || got.TTL != c.ttl || (got.Err == nil) != (c.want == "") {
				t.Fatalf("%+v", got)
			}
			if got.Err != nil && !strings.Contains(got.Err.Error(), c.want) {
				t.Errorf("%v, want %q", got.Err, c.want)
			}
			if got.Err == nil && got.Serial != 42 {
				t.Errorf("serial %d", got.Serial)
			}
		})
	}
}

// TestDNSKEY_SaysWhyNobodyWasAsked: not delegated is not the same as not known.
func TestDNSKEY_SaysWhyNobodyWasAsked(t *testing.T) {
	if _, err := (Observer{Resolvers: []string{resolving(t)}}).DNSKEY(t.Context(), "example.org."); !errors.Is(err, ErrNotDelegated) || errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	failing := answering(t, reply(t, dns.RcodeServerFailure), nil)
	if _, err := (Observer{Resolvers: []string{failing}}).DNSKEY(t.Context(), "example.org."); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotDelegated) {
		t.Error(err)
	}
	p, err := Observer{Resolvers: []string{resolving(t, "example.org. 60 NS ns.org.")}}.DNSKEY(t.Context(), "example.org.")
	if err != nil || len(p.Copies) != 1 || p.Copies[0].Err == nil {
		t.Error(p, err)
	}
}

// TestDNSKEYAt_AsksWhereTheZoneSays: an address in the zone is not looked up, one
// that is not in it is.
func TestDNSKEYAt_AsksWhereTheZoneSays(t *testing.T) {
	const soa, key = "example.org. 60 SOA a. b. 42 2 3 4 5", "example.org. 60 DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
	server := answering(t, func(q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeSOA {
			m := reply(t, dns.RcodeSuccess, soa)(q)
			m.Answer, m.Ns = m.Ns, nil
			return m
		}
		return reply(t, dns.RcodeSuccess, key)(q)
	}, nil)
	port, err := parsePort(server)
	if err != nil {
		t.Fatal(err)
	}
	o := Observer{Resolvers: []string{resolving(t, "ns.org. 60 A 127.0.0.1")}, Port: port}
	here := []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	for _, h := range []Host{{Name: "ns1.example.org.", Addresses: here}, {Name: "ns.org."}} {
		p := o.DNSKEYAt(t.Context(), "Example.org", []Host{h})
		if len(p.Copies) != 1 || p.Copies[0].Err != nil || len(p.Copies[0].DNSKEY) != 1 || p.Copies[0].Address != server {
			t.Errorf("%s: %+v", h.Name, p.Copies)
		}
	}
	if p := o.DNSKEYAt(t.Context(), "example.org.", []Host{{Name: "elsewhere.net."}}); len(p.Copies) != 1 || p.Copies[0].Err == nil {
		t.Errorf("a host without an address: %+v", p.Copies)
	}
}
