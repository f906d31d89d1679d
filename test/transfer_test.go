package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

var algorithms = []struct {
	number uint8
	name   string
}{
	{dns.RSASHA256, "RSASHA256"},
	{dns.RSASHA512, "RSASHA512"},
	{dns.ECDSAP256SHA256, "ECDSAP256SHA256"},
	{dns.ECDSAP384SHA384, "ECDSAP384SHA384"},
	{dns.ED25519, "ED25519"},
}

// TestTransfer_EveryModeAndAlgorithm has one server sign the zone of all
// corners in each denial mode with each algorithm, and puts each transfer
// before every outside verifier.
func TestTransfer_EveryModeAndAlgorithm(t *testing.T) {
	t.Parallel()
	dir, corefile := t.TempDir(), ""
	for _, m := range modes {
		for _, a := range algorithms {
			zone := fmt.Sprintf("%s.a%d.example.", m.name, a.number)
			write(t, dir, map[string]string{"db." + zone: corners(zone, 1)})
			corefile += block(zone, "db."+zone, "algorithm "+a.name, "denial "+m.denial)
		}
	}
	s := start(t, dir, corefile)
	for _, m := range modes {
		for _, a := range algorithms {
			t.Run(m.name+"/"+a.name, func(t *testing.T) {
				t.Parallel()
				zone := fmt.Sprintf("%s.a%d.example.", m.name, a.number)
				s.signed(t, zone)
				for _, k := range dnskeys(t, s.addr, zone) {
					if k.Algorithm != a.number {
						t.Errorf("a DNSKEY has algorithm %d", k.Algorithm)
					}
				}
				file := axfr(t, s.addr, zone)
				checkDenial(t, file, m)
				checkFile(t, zone, file)
			})
		}
	}
}

// checkDenial makes sure that the mode asked for is the mode that came.
func checkDenial(t *testing.T, file string, m mode) {
	t.Helper()
	seen := map[string]int{}
	for _, rr := range parse(t, file) {
		switch rr := rr.(type) {
		case *dns.NSEC:
			seen["nsec"]++
		case *dns.NSEC3:
			seen["nsec3"]++
			if rr.Flags&1 == 1 {
				seen["optout"]++
			}
			if rr.Salt != "" || rr.Iterations != 0 {
				seen["salted"]++
			}
		}
	}
	if want := m.name == "nsec"; want != (seen["nsec"] > 0) || want == (seen["nsec3"] > 0) {
		t.Errorf("mode %s has %v", m.denial, seen)
	}
	if m.optout != (seen["optout"] > 0) || strings.HasPrefix(m.name, "salted") != (seen["salted"] > 0) {
		t.Errorf("mode %s has %v", m.denial, seen)
	}
}

// TestTransfer_ValidnsOnRSA uses a zone without the record types that are
// younger than validns.
func TestTransfer_ValidnsOnRSA(t *testing.T) {
	t.Parallel()
	dir, corefile := t.TempDir(), ""
	zones := map[string]string{}
	for _, m := range modes {
		for _, a := range algorithms[:2] {
			zone := fmt.Sprintf("%s.a%d.example.", m.name, a.number)
			zones[zone] = m.denial
			write(t, dir, map[string]string{"db." + zone: plain(1, "@ MX 10 www", "a.b.c A 192.0.2.1", "*.w TXT x",
				"sub NS ns.sub", "ns.sub A 192.0.2.2", "safe NS ns.sub", "safe DS 1 13 2 "+strings.Repeat("AB", 32))})
			corefile += block(zone, "db."+zone, "algorithm "+a.name, "denial "+m.denial)
		}
	}
	s := start(t, dir, corefile)
	for zone := range zones {
		s.signed(t, zone)
		file := axfr(t, s.addr, zone)
		if !onlyRSA(t, file) {
			t.Errorf("%s is not signed with RSA alone", zone)
		}
		args := []string{"-z", strings.TrimSuffix(zone, "."), file}
		if out, ok := output(t, "", "validns", args...); !ok {
			t.Errorf("validns refuses %s (%s):\n%s", zone, zones[zone], shorten(out))
		}
	}
}

// TestTransfer_OneKeyInBothRoles is the scheme csk.
func TestTransfer_OneKeyInBothRoles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const zone = "example.org."
	write(t, dir, map[string]string{"db": corners(zone, 1)})
	s := start(t, dir, block(zone, "db", "scheme csk"))
	s.signed(t, zone)
	if keys := dnskeys(t, s.addr, zone); len(keys) != 1 || keys[0].Flags != 257 {
		t.Errorf("DNSKEY set of scheme csk: %v", keys)
	}
	verifyFile(t, zone, axfr(t, s.addr, zone), "-z")
}

// TestTransfer_NeverTheUnsignedZone looks at every transfer from the first
// moment on: it is refused or signed.
func TestTransfer_NeverTheUnsignedZone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const zone = "example.org."
	write(t, dir, map[string]string{"db": corners(zone, 1)})
	s := start(t, dir, block(zone, "db", "algorithm RSASHA512", "ksk bits 4096", "zsk bits 4096"))
	refused := 0
	until(t, "a signed transfer", func() string {
		rrs, err := transfer(s.addr, zone)
		if err != nil || len(rrs) == 0 {
			refused++
			return fmt.Sprintf("transfer: %v", err)
		}
		for _, rr := range rrs {
			if rr.Header().Rrtype == dns.TypeRRSIG {
				return ""
			}
		}
		t.Fatalf("an unsigned zone was transferred: %v", rrs)
		return ""
	})
	t.Logf("refused %d times before the first version", refused)
}

// transfer takes a zone without any outside program.
func transfer(addr, zone string) ([]dns.RR, error) {
	m := new(dns.Msg)
	m.SetAxfr(zone)
	in, err := new(dns.Transfer).In(m, addr)
	if err != nil {
		return nil, err
	}
	var rrs []dns.RR
	for e := range in {
		if e.Error != nil {
			return nil, e.Error
		}
		rrs = append(rrs, e.RR...)
	}
	return rrs, nil
}
