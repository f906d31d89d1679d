package test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// TestP18_CachesChangeNothing serves one zone twice in one process, with the
// cache plugin in front and without, asks everything three times over, and
// edits the zone in between: the answers are the same, and proven, always.
func TestP18_CachesChangeNothing(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	dir, other := t.TempDir(), freePort(t)
	write(t, dir, map[string]string{"db": corners(zone, 1)})
	second := strings.Replace(block(zone, "db"), "    errors\n", "    errors\n    cache 3600\n", 1)
	s := start(t, dir, block(zone, "db")+strings.Replace(second, "PORT", fmt.Sprint(other), 1))
	cached := fmt.Sprintf("127.0.0.1:%d", other)
	serial := s.signed(t, zone)
	for edit := range 3 {
		caughtUp(t, "the cached block", cached, zone, serial)
		tr := trust(t, s.addr, zone)
		for range 3 {
			for _, p := range probes {
				name, typ := absolute(p.name, zone), typeNumber(t, p.typ)
				a, b := ask(t, s.addr, name, typ, true), ask(t, cached, name, typ, true)
				if _, err := verify.Answer(b, tr); err != nil {
					t.Errorf("%s: behind cache: %v\n%v", p.what, err, b)
				}
				if !slices.Equal(lines(a), lines(b)) {
					t.Errorf("%s: without cache\n%v\nwith\n%v", p.what, a, b)
				}
			}
		}
		write(t, dir, map[string]string{"db": strings.ReplaceAll(corners(zone, 10*(edit+1)), "2001:db8::80", fmt.Sprintf("2001:db8::8:%d", edit))})
		serial = s.signedAfter(t, zone, serial)
	}
}

// lines are the records of a message in order of their text, TTLs left out:
// both servers count them down on their own.
func lines(r *dns.Msg) []string {
	list := []string{dns.RcodeToString[r.Rcode]}
	for _, section := range [][]dns.RR{r.Answer, r.Ns} {
		for _, rr := range section {
			c := dns.Copy(rr)
			c.Header().Ttl = 0
			list = append(list, c.String())
		}
	}
	slices.Sort(list)
	return list
}

// TestP8a_NoProofDeniesWhatExists lets a resolver with aggressive caching (RFC
// 8198) learn every proof of the zone, wildcards and empty non-terminals
// included, and then asks it for everything that exists.
func TestP8a_NoProofDeniesWhatExists(t *testing.T) {
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			s := cornerServer(t, zone, "denial "+m.denial)
			u := newUnbound(t, true, upstream{zone, s.addr, true})
			file := axfr(t, s.addr, zone)
			for _, q := range sweep(t, file, zone, dns.TypeSRV, dns.TypeAAAA) {
				r := ask(t, s.addr, q.Name, q.Qtype, true)
				if len(r.Answer) == 0 && r.Authoritative {
					u.ask(t, q.Name, q.Qtype)
				}
			}
			for _, rr := range parse(t, file) {
				h := rr.Header()
				switch r := ask(t, s.addr, h.Name, h.Rrtype, true); {
				case h.Rrtype == dns.TypeRRSIG || h.Rrtype == dns.TypeNSEC || h.Rrtype == dns.TypeNSEC3:
					continue // what no resolver asks for
				case !r.Authoritative || len(r.Answer) == 0:
					continue // below a cut
				}
				if _, msg := u.ask(t, h.Name, h.Rrtype); msg.Rcode != dns.RcodeSuccess || len(msg.Answer) == 0 {
					t.Errorf("%s %s exists and is denied: %v", h.Name, dns.TypeToString[h.Rrtype], msg)
				}
			}
		})
	}
}
