package parent

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestMixCase_ChangesNothingButTheCase: escapes, digits and dots stay.
func TestMixCase_ChangesNothingButTheCase(t *testing.T) {
	const name = `a\.b\200_dsync.xn--example.` + "[{@`org."
	seen := map[string]bool{}
	for range 100 {
		mixed := mixCase(name)
		if !strings.EqualFold(mixed, name) || len(mixed) != len(name) {
			t.Fatalf("%q", mixed)
		}
		seen[mixed] = true
	}
	if len(seen) < 90 {
		t.Errorf("%d different names of 100", len(seen))
	}
}

// TestAsk_HidesNothingFromResolvers: some of them send names back in a case of
// their own, and not all take TCP.
func TestAsk_HidesNothingFromResolvers(t *testing.T) {
	shouting := answering(t, func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, childD)(q)
		m.Question[0].Name = strings.ToUpper(m.Question[0].Name)
		return m
	}, nil)
	list, err := Observer{Resolvers: []string{shouting}}.DS(t.Context(), "child.org.")
	if err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}

// TestRoutable_LeavesOutOnlyWhatCannotBeReached: an address without a route is left
// out if there is another, and else it is asked, and its error seen.
func TestRoutable_LeavesOutOnlyWhatCannotBeReached(t *testing.T) {
	near, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fe80::1") // no zone: of no link
	for _, c := range []struct{ list, want []netip.Addr }{
		{[]netip.Addr{near, far}, []netip.Addr{near}},
		{[]netip.Addr{far}, []netip.Addr{far}},
		{[]netip.Addr{near}, []netip.Addr{near}},
		{nil, nil},
	} {
		if got := routable(c.list); !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.list, got, c.want)
		}
	}
}

// TestAddresses_TellsWhetherThereMayBeMore: a host of which only one family is
// known has servers that are not.
func TestAddresses_TellsWhetherThereMayBeMore(t *testing.T) {
	half := answering(t, func(q *dns.Msg) *dns.Msg {
		if q.Question[0].Qtype == dns.TypeA {
			return reply(t, dns.RcodeSuccess, "ns.org. 60 CNAME a.org.", "a.org. 60 A 192.0.2.1")(q)
		}
		return reply(t, dns.RcodeServerFailure)(q)
	}, nil)
	o := Observer{Resolvers: []string{half}}
	list := locate([]string{"ns.org."}, 0, func(host string) ([]netip.Addr, error) { return o.addresses(t.Context(), host, true) })
	if len(list) != 2 || list[0].Address != "192.0.2.1:53" || list[0].Err != nil || list[1].Err == nil {
		t.Errorf("%+v", list)
	}
}

func TestWithPort(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1":          "192.0.2.1:53",
		"192.0.2.1:5353":     "192.0.2.1:5353",
		"2001:db8::1":        "[2001:db8::1]:53",
		"[2001:db8::1]":      "[2001:db8::1]:53",
		"[2001:db8::1]:5353": "[2001:db8::1]:5353",
		"fe80::1%eth0":       "[fe80::1%eth0]:53",
		"ns.example.net":     "ns.example.net:53",
	} {
		if got := withPort(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
