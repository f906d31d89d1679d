package test

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// TestRoot_EveryModeThroughEveryTool signs the real root zone. Stock sign fails
// at it: it signs the apex NS set with the TTL of the SOA.
func TestRoot_EveryModeThroughEveryTool(t *testing.T) {
	for _, m := range modes[:3] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, map[string]string{"root.zone": rootZone(t)})
			s := start(t, dir, block(".", "root.zone", "denial "+m.denial))
			s.signed(t, ".")
			checkFile(t, ".", axfr(t, s.addr, "."))
			askRoot(t, s, m)
		})
	}
}

// askRoot asks for delegations of the transferred zone itself, whichever zone
// that is, and for names beside them.
func askRoot(t *testing.T, s *server, m mode) {
	t.Helper()
	d, u := newDelv(t, s.addr, "."), newUnbound(t, false, upstream{".", s.addr, true})
	tr := trust(t, s.addr, ".")
	for n, cut := range cuts(t, s.addr) {
		for _, q := range []struct {
			name string
			typ  uint16
			kind verify.Kind // Truncated: either is right
		}{
			{cut, dns.TypeDS, verify.Truncated},
			{"www." + cut, dns.TypeA, verify.Referral},
			{beside(cut), dns.TypeA, verify.NameError},
		} {
			r := ask(t, s.addr, q.name, q.typ, true)
			v, err := verify.Answer(r, tr)
			if err != nil || q.kind != verify.Truncated && v.Kind != q.kind {
				t.Errorf("%s %s: kind %v, error %v\n%v", q.name, dns.TypeToString[q.typ], v.Kind, err, r)
			}
			if q.kind == verify.Referral {
				continue // that server is not here
			}
			if got, msg := u.ask(t, q.name, q.typ); !agrees(got, secure, m.optout) {
				t.Errorf("%s %s: unbound says %s\n%v", q.name, dns.TypeToString[q.typ], got, msg)
			}
			if n%4 != 0 {
				continue // a process a question: some are enough
			}
			if got, out := d.ask(t, q.name, dns.TypeToString[q.typ]); !agrees(got, secure, m.optout) {
				t.Errorf("%s %s: delv says %s\n%s", q.name, dns.TypeToString[q.typ], got, out)
			}
		}
	}
	for _, typ := range []uint16{dns.TypeSOA, dns.TypeNS, dns.TypeDNSKEY, dns.TypeA} {
		if got, msg := u.ask(t, ".", typ); got != secure {
			t.Errorf(". %s: unbound says %s\n%v", dns.TypeToString[typ], got, msg)
		}
	}
}

// cuts returns every tenth delegation of the root zone that a server serves.
func cuts(t *testing.T, addr string) []string {
	t.Helper()
	rrs, err := transfer(addr, ".")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	last, n := ".", 0
	for _, rr := range rrs {
		if ns, ok := rr.(*dns.NS); ok && ns.Hdr.Name != last {
			if last = ns.Hdr.Name; n%10 == 0 {
				all = append(all, last)
			}
			n++
		}
	}
	if n < 1000 {
		t.Fatalf("only %d delegations in the root zone", n)
	}
	return all
}

// TestRoot_SecondariesServeIt has the other servers take the root zone.
func TestRoot_SecondariesServeIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"root.zone": rootZone(t)})
	s := start(t, dir, block(".", "root.zone"))
	serial := s.signed(t, ".")
	for _, sec := range secondaries {
		addr := follow(t, sec, 0, s.port, []string{"."})
		caughtUp(t, sec.name, addr, ".", serial)
		verifyFile(t, ".", axfr(t, addr, "."))
	}
}
